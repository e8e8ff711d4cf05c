"""Bank transfers: money a customer sent is its cash balance, and pays its open invoices by itself."""

from billing.stripe.sandbox import collection, currencies, customers, events, invoices, pagination, payments, shapes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidParameterError
from billing.stripe.sandbox.objects import Body, public
from billing.stripe.sandbox.store import Filter

METHOD = "customer_balance"
_ACCOUNT = {
    "account_holder_address": {
        "city": "Berlin",
        "country": "DE",
        "line1": "1 Sandbox Street",
        "line2": None,
        "postal_code": "10115",
        "state": None,
    },
    "account_holder_name": "Agentmeter sandbox",
    "bank_address": {
        "city": "Berlin",
        "country": "DE",
        "line1": "2 Sandbox Street",
        "line2": None,
        "postal_code": "10115",
        "state": None,
    },
    "bic": "SANDDEFFXXX",
    "country": "DE",
    "iban": "DE00000000000000000000",
}


def fund(*, call: Call, params: Body, customer: str) -> Body:
    """Money arrives from a customer's bank (Stripe's own test helper), and pays what it is enough for."""
    customers.fetch_living(call=call, id=customer)
    currency = currencies.find(code=params["currency"]).code
    if params["amount"] < 1:
        raise InvalidParameterError("Invalid positive integer", code="parameter_invalid_integer", param="amount")
    told = {"reference": params.get("reference"), "type": "eu_bank_transfer"}
    sender = {"eu_bank_transfer": {"bic": None, "iban_last4": "0000", "sender_name": None}}
    details: Body = {"bank_transfer": {**told, **sender}}
    movement = _move(call, customer, params["amount"], currency, "funded", funded=details)
    _reconcile(call, customer, currency)
    return public(body=movement)


def retrieve(*, call: Call, params: Body, customer: str) -> Body:  # noqa: ARG001 - every operation takes params
    """What is left of the money that a customer sent, by currency."""
    found = customers.fetch_living(call=call, id=customer)
    held = {currency: amount for currency, amount in found.get("_cash", {}).items() if amount}
    return {
        "object": "cash_balance",
        "available": held or None,
        "customer": customer,
        "customer_account": None,
        "livemode": False,
        "settings": {"reconciliation_mode": "automatic", "using_merchant_default": True},
    }


def list_all(*, call: Call, params: Body, customer: str) -> Body:
    """The movements of a customer's cash balance, newest first."""
    call.fetch(kind="customer", id=customer)
    return pagination.list_objects(
        call=call,
        kind="customer_cash_balance_transaction",
        url=f"/v1/customers/{customer}/cash_balance_transactions",
        params=params,
        filters=[Filter("parent", "eq", customer)],
        show=lambda _, movement: public(body=movement),
    )


def instructions(*, call: Call, params: Body, customer: str) -> Body:
    """The made-up account that a customer would transfer to."""
    customers.fetch_living(call=call, id=customer)
    address = {"iban": _ACCOUNT, "supported_networks": ["sepa"], "type": "iban"}
    transfer = {"country": "DE", "financial_addresses": [address], "type": params["bank_transfer"]["type"]}
    return {
        "object": "funding_instructions",
        "bank_transfer": transfer,
        "currency": currencies.find(code=params["currency"]).code,
        "funding_type": "bank_transfer",
        "livemode": False,
    }


def _reconcile(call: Call, customer: str, currency: str) -> None:
    """Pay the invoice of exactly that amount, else the oldest that the money is enough for, until none is left."""
    while (invoice := _next(call, customer, currency)) is not None:
        amount = invoice["amount_remaining"]
        method = _method(call, customer)
        was = invoices.show(call, invoice)
        payments.charge(call=call, invoice=invoice["id"], method=method)
        applied: Body = {"payment_intent": payments.intent_of(call=call, invoice=invoice["id"])["id"]}
        _move(call, customer, -amount, currency, "applied_to_payment", applied_to_payment=applied)
        collection.settle(call=call, was=was, invoice={**invoice, "attempted": True})


def _next(call: Call, customer: str, currency: str) -> Body | None:
    held = call.fetch(kind="customer", id=customer).get("_cash", {}).get(currency, 0)
    conditions = [Filter("parent", "eq", customer), Filter("status", "eq", "open"), Filter("currency", "eq", currency)]
    waiting = [one for one in call.store.select(kind="invoice", filters=conditions) if is_accepted(invoice=one)]
    exact = [one for one in waiting if one["amount_remaining"] == held]
    enough = [one for one in waiting if 0 < one["amount_remaining"] <= held]
    if not enough and waiting and held:
        intent = payments.intent_of(call=call, invoice=waiting[0]["id"])
        events.emit(call=call, type="payment_intent.partially_funded", body=public(body=intent))
    return next(iter(exact or enough), None)


def is_accepted(*, invoice: Body) -> bool:
    """Whether the invoice may be paid by bank transfer."""
    return METHOD in (invoice["payment_settings"]["payment_method_types"] or [])


def _method(call: Call, customer: str) -> Body:
    """The payment method that stands for the cash balance of a customer, made when first needed."""
    known = [Filter("customer", "eq", customer), Filter("type", "eq", METHOD)]
    for found in call.store.select(kind="payment_method", filters=known, limit=1):
        return found
    made = shapes.new(
        kind="payment_method",
        created=call.now,
        customer=customer,
        type=METHOD,
        customer_balance={},
        _token="",
    )
    call.store.insert(body=made, now=call.now)
    return made


def _move(call: Call, customer: str, amount: int, currency: str, kind: str, **details: Body) -> Body:
    found = call.fetch(kind="customer", id=customer)
    held = {**found.get("_cash", {})}
    held[currency] = held.get(currency, 0) + amount
    call.store.replace(body={**found, "_cash": held})
    movement = shapes.new(
        kind="customer_cash_balance_transaction",
        created=call.now,
        currency=currency,
        customer=customer,
        ending_balance=held[currency],
        net_amount=amount,
        type=kind,
        **details,
    )
    call.store.insert(body=movement, now=call.now, parent=customer)
    events.emit(call=call, type="customer_cash_balance_transaction.created", body=public(body=movement))
    return movement
