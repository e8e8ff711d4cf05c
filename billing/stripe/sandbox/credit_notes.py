"""Credit notes: less is owed, or what was paid goes back; every unit of the amount is accounted for."""

from billing.stripe.sandbox import (
    balances,
    collection,
    credits_given,
    currencies,
    events,
    invoices,
    pagination,
    payments,
    refunds,
    shapes,
)
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidRequestError
from billing.stripe.sandbox.objects import Body, merge_metadata, public
from billing.stripe.sandbox.store import Filter


def create(*, call: Call, params: Body) -> Body:
    """A credit note on a finalized invoice.

    It first lowers what is still to pay; what goes beyond must be refunded, credited to the balance or settled outside,
    and the three must add up to it exactly. Raises InvalidRequestError, also beyond what the invoice came to.
    """
    invoice = call.fetch(kind="invoice", id=params["invoice"], param="invoice")
    _require_final(invoice)
    drawn = credits_given.draw(call=call, invoice=invoice, params=params)
    _require_cover(call, invoice, drawn.total, params.get("refunds", []))
    before_payment = min(drawn.total, invoice["amount_remaining"])
    _require_allocation(call, params, invoice["currency"], drawn.total - before_payment)
    note = _note(call, invoice, params, drawn, before_payment)
    given = _give_back(call, invoice, params, note)
    note = {**note, **given, "lines": None}
    call.store.insert(body=note, now=call.now, parent=invoice["id"])
    for line in drawn.lines:
        call.store.insert(body=line, now=call.now, parent=note["id"])
    _lower(call, invoice["id"], note)
    shown = show(call, note)
    events.emit(call=call, type="credit_note.created", body=shown)
    return shown


def void(*, call: Call, params: Body, credit_note: str) -> Body:  # noqa: ARG001 - every operation takes params
    """Take a credit note back, which only goes while its invoice is open."""
    note = call.fetch(kind="credit_note", id=credit_note)
    invoice = call.fetch(kind="invoice", id=note["invoice"])
    if note["status"] == "void" or invoice["status"] != "open" or note["post_payment_amount"]:
        message = "You can only void a credit note that was issued before payment, while its invoice is open."
        raise InvalidRequestError(message, param="id")
    after = {**note, "status": "void", "voided_at": call.now}
    call.store.replace(body=after)
    _owe(call, invoice, -note["pre_payment_amount"], 0)
    shown = show(call, after)
    events.emit(call=call, type="credit_note.voided", body=shown)
    return shown


def update(*, call: Call, params: Body, credit_note: str) -> Body:
    """Change memo or metadata."""
    before = call.fetch(kind="credit_note", id=credit_note)
    after = {**before, "memo": params.get("memo", before["memo"])}
    after["metadata"] = merge_metadata(current=before["metadata"], sent=params.get("metadata", {}))
    call.store.replace(body=after)
    shown = show(call, after)
    events.emit_update(call=call, type="credit_note.updated", before=show(call, before), after=shown)
    return shown


def retrieve(*, call: Call, params: Body, credit_note: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The credit note with its first lines."""
    return show(call, call.fetch(kind="credit_note", id=credit_note))


def list_all(*, call: Call, params: Body) -> Body:
    """Credit notes, newest first, by invoice, customer and creation."""
    filters = [Filter("parent", "eq", params["invoice"])] if "invoice" in params else []
    filters += [Filter("customer", "eq", params["customer"])] if "customer" in params else []
    return pagination.list_objects(
        call=call, kind="credit_note", url="/v1/credit_notes", params=params, filters=filters, show=show
    )


def list_lines(*, call: Call, params: Body, credit_note: str) -> Body:
    """The lines in the order in which they were sent."""
    call.fetch(kind="credit_note", id=credit_note)
    return pagination.list_objects(
        call=call,
        kind="credit_note_line_item",
        url=f"/v1/credit_notes/{credit_note}/lines",
        params=params,
        filters=[Filter("parent", "eq", credit_note)],
        show=lambda _, line: public(body=line),
        oldest_first=True,
    )


def show(call: Call, note: Body) -> Body:
    """The credit note as the API shows it."""
    invoice = call.fetch(kind="invoice", id=note["invoice"])
    lines = list_lines(call=call, params={}, credit_note=note["id"])
    return {**public(body=note), "lines": lines, "pdf": f"{call.base_url}/pay/{invoice['_token']}/pdf"}


def _require_final(invoice: Body) -> None:
    if invoice["status"] in ("draft", "void"):
        message = f"You can only create a credit note for a finalized invoice. This one is {invoice['status']}."
        raise InvalidRequestError(message, param="invoice")


def _require_cover(call: Call, invoice: Body, total: int, linking: list[Body]) -> None:
    """Credit notes and refunds made outside of them together never exceed the invoice."""
    left = credits_given.left_to_credit(call=call, invoice=invoice, linking=linking)
    if total < 1:
        raise InvalidRequestError("The amount of a credit note is at least 1.", param="amount")
    if total > left:
        told = [currencies.format_amount(amount=one, code=invoice["currency"]) for one in (total, left)]
        message = (
            f"The sum of credit notes and refunds ({told[0]} now) would exceed what is left to credit ({told[1]})."
        )
        raise InvalidRequestError(message, param="amount")


def _require_allocation(call: Call, params: Body, currency: str, after_payment: int) -> None:
    linked = sum(_linked(call, one) for one in params.get("refunds", []))
    told = sum(params.get(name, 0) for name in ("refund_amount", "credit_amount", "out_of_band_amount"))
    if told + linked != after_payment:
        amounts = [currencies.format_amount(amount=one, code=currency) for one in (told + linked, after_payment)]
        message = "The sum of credit amount, refund amount and out of band amount "
        message += f"({amounts[0]}) must equal the post payment credit note amount ({amounts[1]})."
        raise InvalidRequestError(message, param="refund_amount")


def _linked(call: Call, sent: Body) -> int:
    refund = call.fetch(kind="refund", id=sent.get("refund", ""), param="refunds[refund]")
    return int(sent["amount_refunded"] if "amount_refunded" in sent else refund["amount"])


def _note(call: Call, invoice: Body, params: Body, drawn: credits_given.Drawn, before_payment: int) -> Body:
    after_payment = drawn.total - before_payment
    earlier = call.store.count(kind="credit_note", filters=[Filter("parent", "eq", invoice["id"])])
    kind = "mixed" if before_payment and after_payment else "pre_payment" if before_payment else "post_payment"
    return shapes.new(
        kind="credit_note",
        created=call.now,
        amount=drawn.total,
        total=drawn.total,
        subtotal=drawn.subtotal,
        subtotal_excluding_tax=drawn.subtotal,
        total_excluding_tax=drawn.subtotal,
        total_taxes=drawn.taxes,
        currency=invoice["currency"],
        customer=invoice["customer"],
        effective_at=params.get("effective_at", call.now),
        invoice=invoice["id"],
        memo=params.get("memo"),
        metadata=merge_metadata(current={}, sent=params.get("metadata", {})),
        number=f"{invoice['number']}-CN-{earlier + 1:02d}",
        out_of_band_amount=params.get("out_of_band_amount"),
        pre_payment_amount=before_payment,
        post_payment_amount=after_payment,
        reason=params.get("reason"),
        type=kind,
    )


def _give_back(call: Call, invoice: Body, params: Body, note: Body) -> Body:
    """Make or link the refunds and credit the balance; the members of the credit note that tell of it."""
    linked = [credits_given.link(call=call, invoice=invoice, sent=one) for one in params.get("refunds", [])]
    if params.get("refund_amount"):
        charge = credits_given.charge_of(call=call, invoice=invoice)
        refund = refunds.issue(call=call, charge=charge, amount=params["refund_amount"])
        linked.append(credits_given.told(refund=refund["id"], amount=refund["amount"]))
    movement = balances.move(
        call=call,
        customer=invoice["customer"],
        amount=-params.get("credit_amount", 0),
        currency=invoice["currency"],
        kind="credit_note",
        invoice=invoice["id"],
        credit_note=note["id"],
    )
    return {"refunds": linked, "customer_balance_transaction": movement}


def _lower(call: Call, invoice: str, note: Body) -> None:
    """What the credit note changes at its invoice: less to pay, or more given back."""
    found = call.fetch(kind="invoice", id=invoice)
    _owe(call, found, note["pre_payment_amount"], note["post_payment_amount"])


def _owe(call: Call, invoice: Body, before_payment: int, after_payment: int) -> None:
    was = invoices.show(call, invoice)
    after = {
        **invoice,
        "amount_due": invoice["amount_due"] - before_payment,
        "amount_remaining": invoice["amount_remaining"] - before_payment,
        "pre_payment_credit_notes_amount": invoice["pre_payment_credit_notes_amount"] + before_payment,
        "post_payment_credit_notes_amount": invoice["post_payment_credit_notes_amount"] + after_payment,
    }
    if before_payment:
        payments.ask_for(call=call, invoice=invoice["id"], amount=after["amount_remaining"])
    if before_payment and not after["amount_remaining"]:
        collection.settle(call=call, was=was, invoice=after)
    else:
        invoices.save(call=call, was=was, after=after)
