"""Disputes: the customer's bank takes the money back, and decides after it has heard both sides."""

from billing.stripe.sandbox import charges, events, pagination, shapes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidRequestError
from billing.stripe.sandbox.objects import Body, merge_metadata, public
from billing.stripe.sandbox.store import Filter

ANSWER_SECONDS = 7 * 86_400
UNDECIDED = ("needs_response", "under_review", "warning_needs_response")
# What Stripe's test mode decides by: docs.stripe.com/testing#disputes, "Evidence".
_VERDICTS = {"winning_evidence": "won", "losing_evidence": "lost"}


def open_on(*, call: Call, charge: Body, reason: str = "fraudulent") -> Body:
    """A dispute of a whole charge that came; the money is gone at once.

    Raises InvalidRequestError where the charge did not come, was given back or is disputed already.
    """
    left = charge["amount_captured"] - charge["amount_refunded"]
    if charge["status"] != "succeeded" or charge["disputed"] or not left:
        raise InvalidRequestError("Only a charge that came, and is neither refunded nor disputed, can be disputed.")
    dispute = shapes.new(
        kind="dispute",
        created=call.now,
        amount=left,
        charge=charge["id"],
        currency=charge["currency"],
        payment_intent=charge["payment_intent"],
        reason=reason,
    )
    dispute["evidence_details"]["due_by"] = call.now + ANSWER_SECONDS
    call.store.insert(body=dispute, now=call.now, parent=charge["id"])
    charges.change(call=call, charge=charge, disputed=True)
    events.emit(call=call, type="charge.dispute.created", body=public(body=dispute))
    events.emit(call=call, type="charge.dispute.funds_withdrawn", body=public(body=dispute))
    return dispute


def update(*, call: Call, params: Body, dispute: str) -> Body:
    """Answer the bank. As in Stripe's test mode the words winning_evidence and losing_evidence decide at once."""
    before = _undecided(call, dispute)
    evidence = {**before["evidence"], **params.get("evidence", {})}
    after = {**before, "evidence": evidence}
    after["metadata"] = merge_metadata(current=before["metadata"], sent=params.get("metadata", {}))
    details = {**before["evidence_details"], "has_evidence": any(text for text in evidence.values() if text != {})}
    if params.get("submit", True) and params.get("evidence"):
        counted = before["evidence_details"]["submission_count"] + 1
        details |= {"submission_count": counted, "submission_method": "manual"}
        after["status"] = "under_review"
    after["evidence_details"] = details
    _keep(call, before, after)
    verdict = _VERDICTS.get(evidence["uncategorized_text"] or "")
    decided = verdict and after["status"] == "under_review"
    return decide(call=call, dispute=dispute, verdict=verdict or "") if decided else public(body=after)


def close(*, call: Call, params: Body, dispute: str) -> Body:  # noqa: ARG001 - every operation takes params
    """Accept the dispute: it is lost."""
    return decide(call=call, dispute=dispute, verdict="lost")


def decide(*, call: Call, dispute: str, verdict: str) -> Body:
    """The bank decides: won (the money comes back) or lost. Raises InvalidRequestError where it has already."""
    before = _undecided(call, dispute)
    after = {**before, "status": verdict}
    call.store.replace(body=after)
    if verdict == "won":
        charge = call.fetch(kind="charge", id=before["charge"])
        charges.change(call=call, charge=charge, disputed=False)
        events.emit(call=call, type="charge.dispute.funds_reinstated", body=public(body=after))
    events.emit(call=call, type="charge.dispute.closed", body=public(body=after))
    return public(body=after)


def retrieve(*, call: Call, params: Body, dispute: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The dispute."""
    return public(body=call.fetch(kind="dispute", id=dispute))


def list_all(*, call: Call, params: Body) -> Body:
    """Disputes, newest first, by charge, payment intent and creation."""
    names = [name for name in ("charge", "payment_intent") if name in params]
    return pagination.list_objects(
        call=call,
        kind="dispute",
        url="/v1/disputes",
        params=params,
        filters=[Filter(name, "eq", params[name]) for name in names],
        show=lambda _, dispute: public(body=dispute),
    )


def _undecided(call: Call, dispute: str) -> Body:
    found = call.fetch(kind="dispute", id=dispute)
    if found["status"] not in UNDECIDED:
        raise InvalidRequestError(f"This dispute is already closed: it is {found['status']}.", param="id")
    return found


def _keep(call: Call, before: Body, after: Body) -> None:
    call.store.replace(body=after)
    events.emit_update(call=call, type="charge.dispute.updated", before=public(body=before), after=public(body=after))
