"""Replaces ids in an answer by the objects they stand for, where `expand` asks for it."""

from billing.stripe.sandbox import calculations, cards, charges, customers, invoices, payments, refunds
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidParameterError
from billing.stripe.sandbox.objects import Body

MAX_DEPTH = 4
_ABSENT = object()
_LISTS = ("tax_breakdown",)  # plain lists that Stripe lets be asked for


def expand(*, call: Call, body: Body, paths: list[str]) -> Body:
    """The answer with each path expanded, such as "payments" or "data.customer". Raises InvalidParameterError."""
    for path in paths:
        names = path.split(".")
        if len(names) > MAX_DEPTH:
            message = f"You cannot expand more than {MAX_DEPTH} levels of a property: {path}"
            raise InvalidParameterError(message, param="expand")
        _expand(call, body, names, path)
    return body


def _expand(call: Call, body: Body, names: list[str], path: str) -> None:
    name, rest = names[0], names[1:]
    _include(call, body, name)
    child = body.get(name, _ABSENT)
    if isinstance(child, str):
        child = body[name] = _object(call, name, child, path)
    if child is _ABSENT or not (rest or name in _LISTS or _is_expanded(child)):
        raise _unexpandable(path)
    for item in child if isinstance(child, list) else [child]:
        if rest and isinstance(item, dict):
            _expand(call, item, rest, path)


def _include(call: Call, body: Body, name: str) -> None:
    """Lists that an object shows only where they are asked for."""
    match body.get("object"), name:
        case "invoice", "payments":
            body[name] = payments.list_all(call=call, params={"invoice": body["id"]})
        case "tax.calculation", "line_items":
            body[name] = calculations.list_items(call=call, params={}, calculation=body["id"])
        case "tax.transaction", "line_items":
            body[name] = calculations.list_transaction_items(call=call, params={}, transaction=body["id"])


def _is_expanded(child: object) -> bool:
    return child is None or isinstance(child, dict)


def _object(call: Call, name: str, id: str, path: str) -> Body:  # noqa: A002 - Stripe's word
    match name:
        case "customer":
            return customers.retrieve(call=call, params={}, customer=id)
        case "invoice":
            return invoices.retrieve(call=call, params={}, invoice=id)
        case "charge" | "latest_charge":
            return charges.retrieve(call=call, params={}, charge=id)
        case "refund":
            return refunds.retrieve(call=call, params={}, refund=id)
        case "payment_method" | "default_payment_method":
            return cards.retrieve(call=call, params={}, payment_method=id)
        case "payment_intent":
            return payments.retrieve_intent(call=call, params={}, intent=id)
    raise _unexpandable(path)


def _unexpandable(path: str) -> InvalidParameterError:
    return InvalidParameterError(f"This property cannot be expanded ({path}).", param="expand")
