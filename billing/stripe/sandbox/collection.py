"""The life of a finalized invoice: open, then paid, void, or uncollectible, which may still be paid or voided."""

from billing.stripe.sandbox import cards, customers, events, invoices, payments, totals
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import CardError, InvalidRequestError
from billing.stripe.sandbox.objects import Body


def finalize(*, call: Call, params: Body, invoice: str) -> Body:
    """Give the draft a number and make it owed; an invoice with nothing to charge is paid at once.

    The customer's balance is applied, and what is too small to charge is moved to it.
    """
    invoices.refuse_automation(params=params)
    before = call.fetch(kind="invoice", id=invoice)
    invoices.require_draft(invoice=before, action="finalize")
    was = invoices.show(call, before)
    after = _frozen(call, before)
    call.store.replace(body=after)
    events.emit(call=call, type="invoice.finalized", body=invoices.show(call, after))
    if after["amount_due"] > 0:
        payments.request(call=call, invoice=after)
        return invoices.save(call=call, was=was, after=after)
    return _paid(call, was, after)


def pay(*, call: Call, params: Body, invoice: str) -> Body:
    """Charge the card given, else the invoice's, else the customer's; or note a payment made elsewhere.

    Raises CardError when the card refuses: the invoice stays open and the attempt is counted.
    """
    before = call.fetch(kind="invoice", id=invoice)
    _require_payable(before)
    was = invoices.show(call, before)
    if params.get("paid_out_of_band"):
        payments.cancel(call=call, invoice=invoice)
        elsewhere = {"amount_paid_off_stripe": before["amount_remaining"]}
        return _paid(call, was, {**before, **elsewhere})
    method = _method(call, params, before)
    tried = {**before, "attempted": True, "attempt_count": before["attempt_count"] + 1}
    try:
        payments.charge(call=call, invoice=invoice, method=method)
    except CardError as error:
        _tell_failure(call, invoices.save(call=call, was=was, after=tried), error)
        raise
    return _paid(call, was, tried)


def send(*, call: Call, params: Body, invoice: str) -> Body:  # noqa: ARG001 - every operation takes params
    """Note that the customer was written to; as in Stripe's test mode no e-mail leaves."""
    found = call.fetch(kind="invoice", id=invoice)
    if found["collection_method"] != "send_invoice":
        message = "You can only manually send an invoice if its collection method is 'send_invoice'."
        raise InvalidRequestError(message)
    _require_status(found, "send", ("open",))
    shown = invoices.show(call, found)
    events.emit(call=call, type="invoice.sent", body=shown)
    return shown


def void(*, call: Call, params: Body, invoice: str) -> Body:  # noqa: ARG001 - every operation takes params
    """Cancel the claim for good, keeping number and record; an applied balance goes back to the customer."""
    before = call.fetch(kind="invoice", id=invoice)
    _require_status(before, "void", ("open", "uncollectible"))
    payments.cancel(call=call, invoice=invoice)
    _move_balance(call, before, before["starting_balance"] - before["ending_balance"])
    after = _moved(before, "void", "voided_at", call.now)
    shown = invoices.save(call=call, was=invoices.show(call, before), after=after)
    events.emit(call=call, type="invoice.voided", body=shown)
    return shown


def mark_uncollectible(*, call: Call, params: Body, invoice: str) -> Body:  # noqa: ARG001 - every operation takes params
    """Write the claim off; it may still be paid or voided."""
    before = call.fetch(kind="invoice", id=invoice)
    _require_status(before, "mark as uncollectible", ("open",))
    after = _moved(before, "uncollectible", "marked_uncollectible_at", call.now)
    shown = invoices.save(call=call, was=invoices.show(call, before), after=after)
    events.emit(call=call, type="invoice.marked_uncollectible", body=shown)
    return shown


def _frozen(call: Call, draft: Body) -> Body:
    """The draft, made owed: number, sums and balance as of now; the customer's balance and sequence move with it."""
    customer = customers.fetch_living(call=call, id=draft["customer"], param="customer")
    number = draft["number"] or f"{customer['invoice_prefix']}-{customer['next_invoice_sequence']:04d}"
    amounts = [line["amount"] for line in invoices.lines_of(call=call, invoice=draft["id"])]
    balance = totals.usable_balance(customer=customer, currency=draft["currency"])
    invoice = totals.with_totals(invoice=draft, line_amounts=amounts, balance=balance)
    ending = totals.settle(total=invoice["total"], balance=balance, currency=draft["currency"]).ending_balance
    sequence = customer["next_invoice_sequence"] + (0 if draft["number"] else 1)
    customers.bill(call=call, customer=customer, added=ending - balance, currency=draft["currency"], sequence=sequence)
    final = {**invoice, "number": number, "ending_balance": ending, "effective_at": draft["effective_at"] or call.now}
    return _moved(final, "open", "finalized_at", call.now)


def _paid(call: Call, was: Body, invoice: Body) -> Body:
    after = _moved(invoice, "paid", "paid_at", call.now)
    after.update(attempted=True, amount_paid=invoice["amount_due"], amount_remaining=0)
    shown = invoices.save(call=call, was=was, after=after)
    events.emit(call=call, type="invoice.paid", body=shown)
    events.emit(call=call, type="invoice.payment_succeeded", body=shown)
    return shown


def _moved(invoice: Body, status: str, moment: str, now: int) -> Body:
    return {**invoice, "status": status, "status_transitions": {**invoice["status_transitions"], moment: now}}


def _method(call: Call, params: Body, invoice: Body) -> Body:
    customer = customers.fetch_living(call=call, id=invoice["customer"], param="customer")
    default = customer["invoice_settings"]["default_payment_method"]
    method = params.get("payment_method") or invoice["default_payment_method"] or default
    if not method:
        message = "There is no `default_payment_method` set on this Customer or Invoice. "
        raise InvalidRequestError(message + "Please set a `default_payment_method`.")
    found = cards.find(call=call, id=method, param="payment_method")
    if found["customer"] not in (None, customer["id"]):
        message = "The payment method you provided belongs to another customer."
        raise InvalidRequestError(message, code="payment_method_unexpected_state", param="payment_method")
    return found


def _tell_failure(call: Call, shown: Body, error: CardError) -> None:
    needs_action = error.code == "invoice_payment_intent_requires_action"
    kind = "invoice.payment_action_required" if needs_action else "invoice.payment_failed"
    events.emit(call=call, type=kind, body=shown)


def _move_balance(call: Call, invoice: Body, amount: int) -> None:
    customer = call.fetch(kind="customer", id=invoice["customer"])
    sequence = customer["next_invoice_sequence"]
    customers.bill(call=call, customer=customer, added=amount, currency=invoice["currency"], sequence=sequence)


def _require_payable(invoice: Body) -> None:
    if invoice["status"] == "paid":
        raise InvalidRequestError("Invoice is already paid", code="invoice_already_paid")
    _require_status(invoice, "pay", ("open", "uncollectible"))


def _require_status(invoice: Body, action: str, allowed: tuple[str, ...]) -> None:
    if invoice["status"] not in allowed:
        message = f"You can only {action} an invoice that is {' or '.join(allowed)}. This one is {invoice['status']}."
        raise InvalidRequestError(message, code="invoice_not_editable" if invoice["status"] == "paid" else None)
