"""Customers: created, changed, deleted; their balance is what they owe (positive) or are owed (negative)."""

import secrets
import string

from billing.stripe.sandbox import cards, events, pagination, shapes, taxes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidParameterError, InvalidRequestError, ResourceMissingError
from billing.stripe.sandbox.objects import Body, merge_metadata, public
from billing.stripe.sandbox.store import Filter

_PREFIX_ALPHABET = string.ascii_uppercase + string.digits
_PLAIN = (
    "address",
    "balance",
    "business_name",
    "description",
    "email",
    "individual_name",
    "invoice_prefix",
    "name",
    "next_invoice_sequence",
    "phone",
    "preferred_locales",
    "shipping",
)
_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def create(*, call: Call, params: Body) -> Body:
    """A new customer, with the card that `payment_method` names on file."""
    prefix = "".join(secrets.choice(_PREFIX_ALPHABET) for _ in range(8))
    customer = shapes.new(kind="customer", created=call.now, invoice_prefix=prefix)
    call.store.insert(body=customer, now=call.now)
    cards_by_token: dict[str, str] = {}
    if "payment_method" in params:
        method = cards.find(call=call, id=params["payment_method"], param="payment_method")
        cards.attach_to(call=call, method=method, customer=customer["id"])
        # The same test token in invoice_settings means this very card, not a second one.
        cards_by_token[params["payment_method"]] = method["id"]
    customer = _changed(call, customer, params, cards_by_token)
    call.store.replace(body=customer)
    events.emit(call=call, type="customer.created", body=public(body=customer))
    return public(body=customer)


def update(*, call: Call, params: Body, customer: str) -> Body:
    """Change what is given. Raises ResourceMissingError for a deleted customer."""
    before = fetch_living(call=call, id=customer)
    after = _changed(call, before, params, {})
    call.store.replace(body=after)
    events.emit_update(call=call, type="customer.updated", before=public(body=before), after=public(body=after))
    return public(body=after)


def retrieve(*, call: Call, params: Body, customer: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The customer; of a deleted one only that it was deleted."""
    found = call.fetch(kind="customer", id=customer)
    return _tombstone(customer) if found.get("_deleted") else public(body=found)


def delete(*, call: Call, params: Body, customer: str) -> Body:  # noqa: ARG001 - every operation takes params
    """Delete the customer; its invoices stay."""
    found = fetch_living(call=call, id=customer)
    call.store.replace(body={**found, "_deleted": 1})
    events.emit(call=call, type="customer.deleted", body=public(body=found))
    return _tombstone(customer)


def list_all(*, call: Call, params: Body) -> Body:
    """Living customers, newest first, by e-mail address and creation."""
    filters = [Filter("_deleted", "is", None)]
    if "email" in params:
        filters.append(Filter("email", "eq", params["email"]))
    return pagination.list_objects(
        call=call,
        kind="customer",
        url="/v1/customers",
        params=params,
        filters=filters,
        show=lambda _, customer: public(body=customer),
    )


def fetch_living(*, call: Call, id: str, param: str | None = None) -> Body:  # noqa: A002 - Stripe's word
    """The customer. Raises ResourceMissingError where there is none or it was deleted."""
    customer = call.fetch(kind="customer", id=id, param=param)
    if customer.get("_deleted"):
        raise ResourceMissingError(kind="customer", id=id, param=param or "id", status=400 if param else 404)
    return customer


def bill(*, call: Call, customer: Body, currency: str, sequence: int) -> None:
    """What an invoice changes: `sequence` numbers the next one; a customer keeps the first currency it is billed in."""
    after = {**customer, "next_invoice_sequence": sequence, "currency": customer["currency"] or currency}
    call.store.replace(body=after)
    events.emit_update(call=call, type="customer.updated", before=public(body=customer), after=public(body=after))


def _tombstone(customer: str) -> Body:
    return {"id": customer, "object": "customer", "deleted": True}


def _changed(call: Call, customer: Body, params: Body, cards_by_token: dict[str, str]) -> Body:
    after = {**customer, **{name: params[name] or None for name in _PLAIN if name in params}}
    after["balance"] = after["balance"] or 0
    after["preferred_locales"] = after["preferred_locales"] or []
    after["address"] = _full_address(after["address"])
    if "metadata" in params:
        after["metadata"] = merge_metadata(current=customer["metadata"], sent=params["metadata"])
    if "tax_exempt" in params:
        after["tax_exempt"] = params["tax_exempt"] or "none"
    if "invoice_settings" in params:
        after["invoice_settings"] = _settings(call, after, params["invoice_settings"], cards_by_token)
    _check_numbering(after)
    _check_location(after, params)
    return after


def _full_address(address: Body | None) -> Body | None:
    return None if address is None else {name: address.get(name) or None for name in _ADDRESS}


def _settings(call: Call, customer: Body, sent: Body, cards_by_token: dict[str, str]) -> Body:
    settings = {**customer["invoice_settings"], **{name: value or None for name, value in sent.items()}}
    named = settings["default_payment_method"]
    if named is not None:
        settings["default_payment_method"] = _card_on_file(call, customer["id"], cards_by_token.get(named, named))
    return settings


def _card_on_file(call: Call, customer: str, method: str) -> str:
    param = "invoice_settings[default_payment_method]"
    found = cards.find(call=call, id=method, param=param)
    if method in cards.TEST_CARDS:
        found = cards.attach_to(call=call, method=found, customer=customer)
    if found["customer"] != customer:
        message = "The customer does not have a payment method with the ID " + method
        message += ". The payment method must be attached to the customer."
        raise InvalidRequestError(message, code="resource_missing", param=param)
    return str(found["id"])


def _check_location(customer: Body, params: Body) -> None:
    """Where the caller asks for it at once: an address by which tax can be worked out."""
    wanted = params.get("tax", {}).get("validate_location")
    if wanted == "immediately" and not taxes.is_located(address=customer["address"]):
        raise InvalidRequestError(taxes.LOCATION_MESSAGE, code="customer_tax_location_invalid", param="address")


def _check_numbering(customer: Body) -> None:
    prefix = customer["invoice_prefix"] or ""
    if not (3 <= len(prefix) <= 12 and set(prefix) <= set(_PREFIX_ALPHABET)):  # noqa: PLR2004 - Stripe's limits
        message = "The invoice prefix must be 3 to 12 uppercase letters or digits."
        raise InvalidParameterError(message, param="invoice_prefix")
    if (customer["next_invoice_sequence"] or 0) < 1:
        raise InvalidParameterError("The next invoice sequence starts at 1.", param="next_invoice_sequence")
