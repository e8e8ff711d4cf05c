"""Charges: one for each attempt to take money, whether it came or not."""

from billing.stripe.sandbox import events, pagination, shapes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import CardError
from billing.stripe.sandbox.objects import Body, public
from billing.stripe.sandbox.store import Filter

_BILLING = {"address": None, "email": None, "name": None, "phone": None, "tax_id": None}


def succeed(*, call: Call, intent: Body, method: Body) -> Body:
    """The charge by which the whole amount of a payment intent came."""
    charge = _new(
        call,
        intent,
        method,
        amount_captured=intent["amount"],
        captured=True,
        paid=True,
        status="succeeded",
        outcome={**_outcome("approved_by_network", "authorized"), "seller_message": "Payment complete."},
    )
    events.emit(call=call, type="charge.succeeded", body=public(body=charge))
    return charge


def fail(*, call: Call, intent: Body, method: Body, error: CardError) -> Body:
    """The charge that a card refused."""
    outcome = {**_outcome("declined_by_network", "issuer_declined"), "reason": error.details.get("decline_code")}
    charge = _new(
        call,
        intent,
        method,
        failure_code=error.code,
        failure_message=error.message,
        status="failed",
        outcome={**outcome, "seller_message": "The bank did not return any further details."},
    )
    events.emit(call=call, type="charge.failed", body=public(body=charge))
    return charge


def change(*, call: Call, charge: Body, **fields: object) -> Body:
    """The charge with those members changed, kept."""
    after = {**charge, **fields}
    call.store.replace(body=after)
    return after


def retrieve(*, call: Call, params: Body, charge: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The charge."""
    return public(body=call.fetch(kind="charge", id=charge))


def list_all(*, call: Call, params: Body) -> Body:
    """Charges, newest first, by customer, payment intent and creation."""
    names = [name for name in ("customer", "payment_intent") if name in params]
    return pagination.list_objects(
        call=call,
        kind="charge",
        url="/v1/charges",
        params=params,
        filters=[Filter(name, "eq", params[name]) for name in names],
        show=lambda _, charge: public(body=charge),
    )


def _new(call: Call, intent: Body, method: Body, **fields: object) -> Body:
    kind = method["type"]
    charge = shapes.new(
        kind="charge",
        created=call.now,
        amount=intent["amount"],
        billing_details=dict(_BILLING),
        currency=intent["currency"],
        customer=intent["customer"],
        description=intent["description"],
        payment_intent=intent["id"],
        payment_method=method["id"],
        payment_method_details={"type": kind, kind: _details(method)},
        **fields,
    )
    call.store.insert(body=charge, now=call.now, parent=intent["id"])
    return charge


def _details(method: Body) -> Body:
    """What a charge tells of the card: a part of what the payment method tells, and what is of this charge only."""
    card = method.get("card")
    if card is None:
        return {}
    shared = ("brand", "checks", "country", "exp_month", "exp_year", "fingerprint", "funding", "last4", "wallet")
    told: Body = {name: card[name] for name in (*shared, "regulated_status")}
    unused = ("mandate", "setup_credential_usage", "stored_credential_usage", "three_d_secure", "installments")
    return {**told, **dict.fromkeys(unused), "network": card["brand"]}


def _outcome(network_status: str, kind: str) -> Body:
    return {
        "advice_code": None,
        "network_advice_code": None,
        "network_decline_code": None,
        "network_status": network_status,
        "reason": None,
        "risk_level": "normal",
        "risk_score": 1,
        "rule": None,
        "type": kind,
    }
