"""Stripe's test cards and the payment methods made of them.

Naming a test token such as pm_card_visa where a payment method is wanted makes a new card, as in Stripe's test mode.
"""

from dataclasses import dataclass

from billing.stripe.sandbox import events, pagination, shapes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidParameterError, InvalidRequestError
from billing.stripe.sandbox.objects import Body, public
from billing.stripe.sandbox.store import Filter


@dataclass(frozen=True, slots=True)
class TestCard:
    """How a test card looks, and how it answers a charge: None accepts, else the code and the reason."""

    brand: str
    last4: str
    error_code: str | None = None
    decline_code: str | None = None
    message: str = "Your card was declined."

    @property
    def needs_action(self) -> bool:
        """True where the cardholder must authenticate before the charge goes through."""
        return self.error_code == "authentication_required"


# docs.stripe.com/testing. Stripe refuses to attach a pm_card_chargeDeclined* to a customer; the sandbox attaches it.
TEST_CARDS = {
    "pm_card_visa": TestCard("visa", "4242"),
    "pm_card_mastercard": TestCard("mastercard", "4444"),
    "pm_card_amex": TestCard("amex", "8431"),
    "pm_card_chargeDeclined": TestCard("visa", "0002", "card_declined", "generic_decline"),
    "pm_card_chargeCustomerFail": TestCard("visa", "0341", "card_declined", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": TestCard(
        "visa", "9995", "card_declined", "insufficient_funds", "Your card has insufficient funds."
    ),
    "pm_card_chargeDeclinedExpiredCard": TestCard(
        "visa", "0069", "expired_card", "expired_card", "Your card has expired."
    ),
    "pm_card_chargeDeclinedIncorrectCvc": TestCard(
        "visa", "0127", "incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect."
    ),
    "pm_card_chargeDeclinedProcessingError": TestCard(
        "visa", "0119", "processing_error", "processing_error", "An error occurred while processing your card."
    ),
    "pm_card_createDispute": TestCard("visa", "0259"),
    "pm_card_authenticationRequired": TestCard("visa", "3184", "authentication_required", "authentication_required"),
}

DISPUTED = "pm_card_createDispute"
_ALWAYS_ACCEPTS = TestCard("", "")
_EXPIRY_YEAR = 2099


def find(*, call: Call, id: str, param: str) -> Body:  # noqa: A002 - Stripe's word
    """The payment method of that id, or a new card where the id is a test token; with the sandbox's own members.

    Raises ResourceMissingError naming `param`.
    """
    if id not in TEST_CARDS:
        return call.fetch(kind="payment_method", id=id, param=param)
    card = TEST_CARDS[id]
    method = shapes.new(kind="payment_method", created=call.now, card=_face(card), _token=id)
    call.store.insert(body=method, now=call.now)
    return method


def test_card(*, method: Body) -> TestCard:
    """How the card behind a payment method answers; what is no card has the money already."""
    return TEST_CARDS.get(method["_token"], _ALWAYS_ACCEPTS)


def _face(card: TestCard) -> Body:
    return {
        "brand": card.brand,
        "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "pass"},
        "country": "US",
        "display_brand": card.brand,
        "exp_month": 12,
        "exp_year": _EXPIRY_YEAR,
        "fingerprint": f"sandbox{card.last4}",
        "funding": "credit",
        "generated_from": None,
        "last4": card.last4,
        "networks": {"available": [card.brand], "preferred": None},
        "regulated_status": "unregulated",
        "three_d_secure_usage": {"supported": True},
        "wallet": None,
    }


def attach(*, call: Call, params: Body, payment_method: str) -> Body:
    """Put a card on file with a customer. Raises InvalidRequestError where it is on another's file."""
    if "customer" not in params:
        raise InvalidParameterError("Missing required param: customer.", code="parameter_missing", param="customer")
    customer = call.fetch(kind="customer", id=params["customer"], param="customer")
    method = _addressed(call, payment_method)
    return public(body=attach_to(call=call, method=method, customer=customer["id"]))


def attach_to(*, call: Call, method: Body, customer: str) -> Body:
    """The method, on that customer's file; one that already is stays as it is."""
    if method["customer"] == customer:
        return method
    if method["customer"] is not None:
        message = "The payment method you provided has already been attached to a customer."
        raise InvalidRequestError(message, code="payment_method_unexpected_state", param="payment_method")
    attached = {**method, "customer": customer}
    call.store.replace(body=attached)
    events.emit(call=call, type="payment_method.attached", body=public(body=attached))
    return attached


def detach(*, call: Call, params: Body, payment_method: str) -> Body:  # noqa: ARG001 - every operation takes params
    """Take a card off its customer's file, and from the customer's default where it was that."""
    method = call.fetch(kind="payment_method", id=payment_method)
    if method["customer"] is None:
        message = "The payment method you provided is not attached to a customer so detachment is impossible."
        raise InvalidRequestError(message, code="payment_method_unexpected_state", param="payment_method")
    _forget_default(call, customer=method["customer"], method=payment_method)
    detached = {**method, "customer": None}
    call.store.replace(body=detached)
    before = {"customer": method["customer"]}
    events.emit(call=call, type="payment_method.detached", body=public(body=detached), previous=before)
    return public(body=detached)


def _forget_default(call: Call, *, customer: str, method: str) -> None:
    owner = call.store.find(kind="customer", id=customer)
    if owner is None or owner["invoice_settings"]["default_payment_method"] != method:
        return
    settings = {**owner["invoice_settings"], "default_payment_method": None}
    call.store.replace(body={**owner, "invoice_settings": settings})


def _addressed(call: Call, id: str) -> Body:  # noqa: A002 - Stripe's word
    """The payment method that a path names: a test token makes one, anything else must exist (404)."""
    return find(call=call, id=id, param="id") if id in TEST_CARDS else call.fetch(kind="payment_method", id=id)


def retrieve(*, call: Call, params: Body, payment_method: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The payment method."""
    return public(body=call.fetch(kind="payment_method", id=payment_method))


def list_all(*, call: Call, params: Body, customer: str | None = None) -> Body:
    """The cards on a customer's file, newest first."""
    if customer is not None:
        call.fetch(kind="customer", id=customer)
    owner = customer or params.get("customer")
    names = {"customer": owner, "type": params.get("type")}
    filters = [Filter(name, "eq", value) for name, value in names.items() if value is not None]
    url = f"/v1/customers/{customer}/payment_methods" if customer else "/v1/payment_methods"
    return pagination.list_objects(
        call=call,
        kind="payment_method",
        url=url,
        params=params,
        filters=filters,
        show=lambda _, method: public(body=method),
    )
