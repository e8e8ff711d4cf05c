"""Refunds: money that goes back, never more than came."""

from billing.stripe.sandbox import charges, currencies, events, pagination, shapes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidParameterError, InvalidRequestError
from billing.stripe.sandbox.objects import Body, merge_metadata, public
from billing.stripe.sandbox.store import Filter

_GONE = ("failed", "canceled")


def create(*, call: Call, params: Body) -> Body:
    """Give back a charge, or a part of it, named by itself or by its payment intent."""
    charge = _charge(call, params)
    refund = issue(call=call, charge=charge, amount=params.get("amount"), reason=params.get("reason"))
    refund = {**refund, "metadata": merge_metadata(current={}, sent=params.get("metadata", {}))}
    call.store.replace(body=refund)
    return public(body=refund)


def issue(*, call: Call, charge: Body, amount: int | None = None, reason: str | None = None) -> Body:
    """A new refund of a charge: of all that is left where no amount is given.

    Raises InvalidRequestError for more than is left, and for a charge that is disputed.
    """
    left = charge["amount_captured"] - charge["amount_refunded"]
    wanted = left if amount is None else amount
    _refuse_excess(charge, left, wanted)
    refund = shapes.new(
        kind="refund",
        created=call.now,
        amount=wanted,
        charge=charge["id"],
        currency=charge["currency"],
        customer=charge["customer"],
        destination_details={"type": charge["payment_method_details"]["type"]},
        payment_intent=charge["payment_intent"],
        payment_method=charge["payment_method"],
        reason=reason,
    )
    call.store.insert(body=refund, now=call.now, parent=charge["id"])
    given = charge["amount_refunded"] + wanted
    after = charges.change(call=call, charge=charge, amount_refunded=given, refunded=given == charge["amount_captured"])
    events.emit(call=call, type="refund.created", body=public(body=refund))
    events.emit(call=call, type="charge.refunded", body=public(body=after))
    return refund


def fail(*, call: Call, refund: str) -> Body:
    """The bank sends a refund back, which Stripe may tell weeks later: it counts no longer."""
    before = call.fetch(kind="refund", id=refund)
    if before["status"] in _GONE:
        raise InvalidRequestError(f"This refund is {before['status']}.", param="id")
    failed = {**before, "status": "failed", "failure_reason": "lost_or_stolen_card"}
    call.store.replace(body=failed)
    charge = call.fetch(kind="charge", id=before["charge"])
    charges.change(
        call=call, charge=charge, amount_refunded=charge["amount_refunded"] - before["amount"], refunded=False
    )
    for kind in ("refund.updated", "refund.failed", "charge.refund.updated"):
        events.emit(call=call, type=kind, body=public(body=failed))
    return public(body=failed)


def update(*, call: Call, params: Body, refund: str) -> Body:
    """Change the metadata, which is all that can be changed."""
    before = call.fetch(kind="refund", id=refund)
    metadata = merge_metadata(current=before["metadata"], sent=params.get("metadata", {}))
    after = {**before, "metadata": metadata}
    call.store.replace(body=after)
    events.emit_update(call=call, type="refund.updated", before=public(body=before), after=public(body=after))
    return public(body=after)


def retrieve(*, call: Call, params: Body, refund: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The refund."""
    return public(body=call.fetch(kind="refund", id=refund))


def list_all(*, call: Call, params: Body) -> Body:
    """Refunds, newest first, by charge, payment intent and creation."""
    names = [name for name in ("charge", "payment_intent") if name in params]
    return pagination.list_objects(
        call=call,
        kind="refund",
        url="/v1/refunds",
        params=params,
        filters=[Filter(name, "eq", params[name]) for name in names],
        show=lambda _, refund: public(body=refund),
    )


def standing(*, call: Call, intent: str) -> list[Body]:
    """The refunds of a payment intent that did not fail."""
    found = call.store.select(kind="refund", filters=[Filter("payment_intent", "eq", intent)])
    return [refund for refund in found if refund["status"] not in _GONE]


def _charge(call: Call, params: Body) -> Body:
    if "charge" in params:
        return call.fetch(kind="charge", id=params["charge"], param="charge")
    if "payment_intent" not in params:
        message = "One of the following params should be provided for this request: payment_intent or charge."
        raise InvalidParameterError(message, code="parameter_missing")
    intent = call.fetch(kind="payment_intent", id=params["payment_intent"], param="payment_intent")
    if intent["status"] != "succeeded":
        message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
        raise InvalidRequestError(message, code="payment_intent_unexpected_state", param="payment_intent")
    return call.fetch(kind="charge", id=intent["latest_charge"])


def _refuse_excess(charge: Body, left: int, wanted: int) -> None:
    if charge["disputed"]:
        message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
        raise InvalidRequestError(message, code="charge_disputed", param="charge")
    if left == 0:
        message = f"Charge {charge['id']} has already been refunded."
        raise InvalidRequestError(message, code="charge_already_refunded", param="charge")
    if wanted < 1:
        raise InvalidParameterError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    currencies.require_step(amount=wanted, code=charge["currency"], param="amount")
    if wanted > left:
        told = [currencies.format_amount(amount=amount, code=charge["currency"]) for amount in (wanted, left)]
        message = f"Refund amount ({told[0]}) is greater than unrefunded amount on charge ({told[1]})"
        raise InvalidRequestError(message, code="amount_too_large", param="amount")
