"""The life of a finalized invoice: open, then paid, void, or uncollectible, which may still be paid or voided."""

from billing.stripe.sandbox import balances, cards, customers, disputes, events, invoices, payments, taxes, totals
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import CardError, FinalizationError, InvalidRequestError
from billing.stripe.sandbox.objects import Body


def finalize(*, call: Call, params: Body, invoice: str) -> Body:
    """Give the draft a number and make it owed; an invoice with nothing to charge is paid at once.

    The customer's balance is applied, and what is too small to charge is moved to it. Raises FinalizationError where
    automatic tax cannot be worked out: the draft stays one.
    """
    invoices.refuse_automation(params=params)
    before = call.fetch(kind="invoice", id=invoice)
    invoices.require_draft(invoice=before, action="finalize")
    was = invoices.show(call, before)
    before = invoices.refreshed(call=call, draft=before)
    _require_tax(call, was, before)
    after = _frozen(call, before)
    call.store.replace(body=after)
    events.emit(call=call, type="invoice.finalized", body=invoices.show(call, after))
    if after["amount_due"] > 0:
        payments.request(call=call, invoice=after)
        return invoices.save(call=call, was=was, after=after)
    return settle(call=call, was=was, invoice=after)


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
        return settle(call=call, was=was, invoice={**before, **elsewhere})
    method = _method(call, params, before)
    tried = {**before, "attempted": True, "attempt_count": before["attempt_count"] + 1}
    try:
        charge = payments.charge(call=call, invoice=invoice, method=method)
    except CardError as error:
        _tell_failure(call, invoices.save(call=call, was=was, after=tried), error)
        raise
    shown = settle(call=call, was=was, invoice=tried)
    if method["_token"] == cards.DISPUTED:
        disputes.open_on(call=call, charge=charge)
    return shown


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
    _move_balance(call, before, before["starting_balance"] - before["ending_balance"], "unapplied_from_invoice")
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
    present = invoices.lines_of(call=call, invoice=draft["id"])
    balance = totals.usable_balance(customer=customer, currency=draft["currency"])
    draft = taxes.assess(call=call, invoice=draft, lines=present)
    invoice = totals.with_totals(invoice=draft, lines=present, balance=balance)
    ending = totals.settle(total=invoice["total"], balance=balance, currency=draft["currency"]).ending_balance
    sequence = customer["next_invoice_sequence"] + (0 if draft["number"] else 1)
    customers.bill(call=call, customer=customer, currency=draft["currency"], sequence=sequence)
    _move_balance(call, draft, ending - balance, "applied_to_invoice" if ending <= 0 else "invoice_too_small")
    final = {**invoice, "number": number, "ending_balance": ending, "effective_at": draft["effective_at"] or call.now}
    return _moved(final, "open", "finalized_at", call.now)


def settle(*, call: Call, was: Body, invoice: Body) -> Body:
    """What is due was paid; `was` is the invoice as it was shown before."""
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
    accepted = invoice["payment_settings"]["payment_method_types"] or [found["type"]]
    if found["type"] not in accepted:
        message = f"This invoice takes {', '.join(accepted)} only."
        raise InvalidRequestError(message, code="payment_method_unexpected_state", param="payment_method")
    if found["customer"] not in (None, customer["id"]):
        message = "The payment method you provided belongs to another customer."
        raise InvalidRequestError(message, code="payment_method_unexpected_state", param="payment_method")
    return found


def _tell_failure(call: Call, shown: Body, error: CardError) -> None:
    needs_action = error.code == "invoice_payment_intent_requires_action"
    kind = "invoice.payment_action_required" if needs_action else "invoice.payment_failed"
    events.emit(call=call, type=kind, body=shown)


def _move_balance(call: Call, invoice: Body, amount: int, kind: str) -> None:
    balances.move(
        call=call,
        customer=invoice["customer"],
        amount=amount,
        currency=invoice["currency"],
        kind=kind,
        invoice=invoice["id"],
    )


def _require_tax(call: Call, was: Body, draft: Body) -> None:
    """Raises FinalizationError, the draft told why, where tax is wanted and cannot be worked out."""
    tax = draft["automatic_tax"]
    if not tax["enabled"] or not (call.is_tax_down or tax["status"] == "requires_location_inputs"):
        return
    error = _tax_error(is_down=call.is_tax_down)
    told = {**tax, "status": "failed"} if call.is_tax_down else tax
    failed = {**draft, "automatic_tax": told, "last_finalization_error": {**error.envelope()["error"], "source": None}}
    shown = invoices.save(call=call, was=was, after=failed)
    events.emit(call=call, type="invoice.finalization_failed", body=shown)
    raise error


def _tax_error(*, is_down: bool) -> FinalizationError:
    if is_down:
        return FinalizationError("Stripe Tax could not work out the tax; try again later.", code="stripe_tax_inactive")
    return FinalizationError(taxes.LOCATION_MESSAGE, code="customer_tax_location_invalid")


def _require_payable(invoice: Body) -> None:
    if invoice["status"] == "paid":
        raise InvalidRequestError("Invoice is already paid", code="invoice_already_paid")
    _require_status(invoice, "pay", ("open", "uncollectible"))


def _require_status(invoice: Body, action: str, allowed: tuple[str, ...]) -> None:
    if invoice["status"] not in allowed:
        message = f"You can only {action} an invoice that is {' or '.join(allowed)}. This one is {invoice['status']}."
        raise InvalidRequestError(message, code="invoice_not_editable" if invoice["status"] == "paid" else None)
