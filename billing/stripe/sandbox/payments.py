"""Money that is asked for: a finalized invoice has one PaymentIntent and one InvoicePayment to show for it."""

from billing.stripe.sandbox import cards, charges, events, pagination, shapes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import CardError
from billing.stripe.sandbox.objects import Body, new_id, public
from billing.stripe.sandbox.store import Filter

_ACTION_MESSAGE = (
    "This payment requires additional user action before it can be completed successfully. "
    "Payment can be completed using the PaymentIntent associated with the invoice."
)


def request(*, call: Call, invoice: Body) -> None:
    """Ask for what is due on an invoice that was just finalized."""
    intent = shapes.new(
        kind="payment_intent",
        created=call.now,
        amount=invoice["amount_due"],
        currency=invoice["currency"],
        customer=invoice["customer"],
        description=f"Payment for Invoice {invoice['number']}",
        payment_method_types=invoice["payment_settings"]["payment_method_types"] or ["card"],
    )
    intent["client_secret"] = f"{intent['id']}_secret_{new_id(prefix='sandbox')}"
    call.store.insert(body=intent, now=call.now, parent=invoice["id"])
    payment = shapes.new(
        kind="invoice_payment",
        created=call.now,
        amount_requested=invoice["amount_due"],
        currency=invoice["currency"],
        invoice=invoice["id"],
        payment={"charge": None, "payment_intent": intent["id"], "payment_record": None, "type": "payment_intent"},
    )
    call.store.insert(body=payment, now=call.now, parent=invoice["id"])
    events.emit(call=call, type="payment_intent.created", body=public(body=intent))


def ask_for(*, call: Call, invoice: str, amount: int) -> None:
    """Ask for another amount: a credit note lowered what is to pay. Nothing is asked for any more where it is zero."""
    if amount == 0:
        cancel(call=call, invoice=invoice)
        return
    call.store.replace(body={**intent_of(call=call, invoice=invoice), "amount": amount})
    payment = _payment(call, invoice)
    call.store.replace(body={**payment, "amount_requested": amount})


def charge(*, call: Call, invoice: str, method: Body) -> Body:
    """Charge the card what the invoice asks for. Raises CardError, the attempt recorded, when it refuses."""
    intent = intent_of(call=call, invoice=invoice)
    card = cards.test_card(method=method)
    if card.error_code is not None:
        raise _refuse(call, intent, method, card)
    made = charges.succeed(call=call, intent=intent, method=method)
    received = {**_tried(intent, method), "status": "succeeded", "amount_received": intent["amount"]}
    received["latest_charge"] = made["id"]
    call.store.replace(body=received)
    events.emit(call=call, type="payment_intent.succeeded", body=public(body=received))
    _settle_payment(call, invoice, status="paid", moment="paid_at", amount_paid=intent["amount"])
    return made


def cancel(*, call: Call, invoice: str) -> None:
    """Ask no longer: the invoice was voided, or paid elsewhere."""
    intent = intent_of(call=call, invoice=invoice)
    canceled = {**intent, "status": "canceled", "canceled_at": call.now, "cancellation_reason": "void_invoice"}
    call.store.replace(body=canceled)
    events.emit(call=call, type="payment_intent.canceled", body=public(body=canceled))
    _settle_payment(call, invoice, status="canceled", moment="canceled_at", amount_paid=None)


def retrieve_intent(*, call: Call, params: Body, intent: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The PaymentIntent."""
    return public(body=call.fetch(kind="payment_intent", id=intent))


def retrieve(*, call: Call, params: Body, invoice_payment: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The InvoicePayment."""
    return public(body=call.fetch(kind="invoice_payment", id=invoice_payment))


def list_all(*, call: Call, params: Body) -> Body:
    """InvoicePayments, newest first, by invoice, status, PaymentIntent and creation."""
    names = {"invoice": params.get("invoice"), "status": params.get("status")}
    names["payment.payment_intent"] = params.get("payment", {}).get("payment_intent")
    return pagination.list_objects(
        call=call,
        kind="invoice_payment",
        url="/v1/invoice_payments",
        params=params,
        filters=[Filter(name, "eq", value) for name, value in names.items() if value is not None],
        show=lambda _, payment: public(body=payment),
    )


def intent_of(*, call: Call, invoice: str) -> Body:
    """The one PaymentIntent of a finalized invoice for which something was asked."""
    return call.store.select(kind="payment_intent", filters=[Filter("parent", "eq", invoice)])[0]


def _payment(call: Call, invoice: str) -> Body:
    return call.store.select(kind="invoice_payment", filters=[Filter("parent", "eq", invoice)])[0]


def _tried(intent: Body, method: Body) -> Body:
    return {**intent, "payment_method": method["id"], "last_payment_error": None, "next_action": None}


def _settle_payment(call: Call, invoice: str, *, status: str, moment: str, amount_paid: int | None) -> None:
    payment = _payment(call, invoice)
    transitions = {**payment["status_transitions"], moment: call.now}
    settled = {**payment, "status": status, "amount_paid": amount_paid, "status_transitions": transitions}
    call.store.replace(body=settled)
    if status == "paid":
        events.emit(call=call, type="invoice_payment.paid", body=public(body=settled))


def _refuse(call: Call, intent: Body, method: Body, card: cards.TestCard) -> CardError:
    """Record that the card refused, and give the error to answer with."""
    if card.needs_action:
        return _ask_for_action(call, intent, method)
    error = CardError(card.message, code=card.error_code, decline_code=card.decline_code)
    failure = {**error.envelope()["error"], "payment_method": public(body=method), "source": None}
    failed = {**_tried(intent, method), "payment_method": None, "last_payment_error": failure}
    failed["status"] = "requires_payment_method"
    failed["latest_charge"] = charges.fail(call=call, intent=intent, method=method, error=error)["id"]
    call.store.replace(body=failed)
    events.emit(call=call, type="payment_intent.payment_failed", body=public(body=failed))
    return error


def _ask_for_action(call: Call, intent: Body, method: Body) -> CardError:
    action = {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
    waiting = {**_tried(intent, method), "status": "requires_action", "next_action": action}
    call.store.replace(body=waiting)
    events.emit(call=call, type="payment_intent.requires_action", body=public(body=waiting))
    return CardError(_ACTION_MESSAGE, code="invoice_payment_intent_requires_action")
