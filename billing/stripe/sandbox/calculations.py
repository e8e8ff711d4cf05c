"""Stripe Tax asked without an invoice: calculations, the transactions they become, and their reversals."""

from collections import defaultdict
from decimal import Decimal

from billing.stripe.sandbox import currencies, pagination, shapes, taxes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InternalError, InvalidParameterError, InvalidRequestError
from billing.stripe.sandbox.objects import Body, merge_metadata, public
from billing.stripe.sandbox.store import Filter

KEEP_SECONDS = 90 * 86_400
"""A calculation can be made a transaction for 90 days."""
_GENERAL_CODE = "txcd_10000000"
_ADDRESS = ("city", "country", "line1", "line2", "postal_code", "state")


def create(*, call: Call, params: Body) -> Body:
    """Work out the tax on the lines. Raises InvalidRequestError where the address does not tell where tax is due."""
    if call.is_tax_down:
        raise InternalError("Stripe Tax could not work out the tax.", code="stripe_tax_error")
    currency = currencies.find(code=params["currency"]).code
    details = _details(call, params)
    calculation = shapes.new(
        kind="tax.calculation",
        created=call.now,
        currency=currency,
        customer=params.get("customer"),
        customer_details=details,
        expires_at=call.now + KEEP_SECONDS,
        tax_date=params.get("tax_date", call.now),
    )
    items = [_item(call, details, sent, index) for index, sent in enumerate(params["line_items"])]
    calculation = _with_sums(calculation, items)
    call.store.insert(body=calculation, now=call.now)
    for item in items:
        call.store.insert(body=item, now=call.now, parent=calculation["id"])
    return public(body=calculation)


def retrieve(*, call: Call, params: Body, calculation: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The calculation. Raises InvalidRequestError once it has expired."""
    return public(body=_living(call, calculation, None))


def list_items(*, call: Call, params: Body, calculation: str) -> Body:
    """The lines of a calculation with their taxes, in the order in which they were sent."""
    call.fetch(kind="tax.calculation", id=calculation)
    return _list(call, params, "tax.calculation_line_item", calculation, f"/v1/tax/calculations/{calculation}")


def record(*, call: Call, params: Body) -> Body:
    """Make a calculation a tax transaction; its `reference` is unique. Raises InvalidRequestError."""
    calculation = _living(call, params["calculation"], "calculation")
    _refuse_taken(call, params["reference"])
    transaction = shapes.new(
        kind="tax.transaction",
        created=call.now,
        currency=calculation["currency"],
        customer=calculation["customer"],
        customer_details=calculation["customer_details"],
        metadata=merge_metadata(current={}, sent=params.get("metadata", {})),
        posted_at=params.get("posted_at", call.now),
        reference=params["reference"],
        tax_date=calculation["tax_date"],
    )
    call.store.insert(body=transaction, now=call.now)
    for item in _items(call, "tax.calculation_line_item", calculation["id"]):
        _keep_item(call, transaction, item, {})
    return public(body=transaction)


def reverse(*, call: Call, params: Body) -> Body:
    """Reverse a transaction, in full, by a flat amount (negative, tax included) or by lines."""
    original = call.fetch(kind="tax.transaction", id=params["original_transaction"], param="original_transaction")
    if original["type"] == "reversal":
        raise InvalidRequestError("A reversal cannot be reversed.", param="original_transaction")
    _refuse_taken(call, params["reference"])
    reversal = shapes.new(
        kind="tax.transaction",
        created=call.now,
        **{name: original[name] for name in ("currency", "customer", "customer_details", "tax_date")},
        metadata=merge_metadata(current={}, sent=params.get("metadata", {})),
        posted_at=call.now,
        reference=params["reference"],
        reversal={"original_transaction": original["id"]},
        type="reversal",
    )
    call.store.insert(body=reversal, now=call.now)
    for item, changes in _reversed_items(call, params, original["id"]):
        _keep_item(
            call, reversal, item, {**changes, "type": "reversal", "reversal": {"original_line_item": item["id"]}}
        )
    return public(body=reversal)


def retrieve_transaction(*, call: Call, params: Body, transaction: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The tax transaction."""
    return public(body=call.fetch(kind="tax.transaction", id=transaction))


def list_transaction_items(*, call: Call, params: Body, transaction: str) -> Body:
    """The lines of a tax transaction."""
    call.fetch(kind="tax.transaction", id=transaction)
    return _list(call, params, "tax.transaction_line_item", transaction, f"/v1/tax/transactions/{transaction}")


def _details(call: Call, params: Body) -> Body:
    sent = params.get("customer_details", {})
    address, exempt = sent.get("address"), "none"
    if "customer" in params:
        customer = call.fetch(kind="customer", id=params["customer"], param="customer")
        address, exempt = address or customer["address"], customer["tax_exempt"]
    if not taxes.is_located(address=address):
        param = "customer_details[address]"
        raise InvalidRequestError(taxes.LOCATION_MESSAGE, code="customer_tax_location_invalid", param=param)
    words = {"exempt": "customer_exempt", "reverse": "reverse_charge", "none": "none"}
    return {
        "address": {name: (address or {}).get(name) or None for name in _ADDRESS},
        "address_source": sent.get("address_source", "billing"),
        "ip_address": sent.get("ip_address"),
        "tax_ids": sent.get("tax_ids", []),
        "taxability_override": sent.get("taxability_override", words[exempt]),
    }


def _item(call: Call, details: Body, sent: Body, index: int) -> Body:
    behavior = sent.get("tax_behavior", "exclusive")
    exempt = {"customer_exempt": "exempt", "reverse_charge": "reverse"}.get(details["taxability_override"], "none")
    rate, reason = taxes.ruling(address=details["address"], tax_exempt=exempt)
    tax = taxes.tax_on(amount=sent["amount"], rate=rate, is_inclusive=behavior == "inclusive")
    taxable = sent["amount"] - (tax if behavior == "inclusive" else 0)
    country = details["address"]["country"]
    named = {"display_name": "VAT", "percentage_decimal": f"{rate:f}", "tax_type": "vat"}
    breakdown = {
        "amount": tax,
        "jurisdiction": {"country": country, "display_name": country, "level": "country", "state": None},
        "sourcing": "destination",
        "tax_rate_details": named if rate else None,
        "taxability_reason": reason,
        "taxable_amount": taxable,
    }
    return shapes.new(
        kind="tax.calculation_line_item",
        created=call.now,
        amount=sent["amount"],
        amount_tax=tax,
        metadata=sent.get("metadata"),
        product=sent.get("product"),
        quantity=sent.get("quantity", 1),
        reference=sent.get("reference", f"L{index + 1}"),
        tax_behavior=behavior,
        tax_breakdown=[breakdown],
        tax_code=sent.get("tax_code", _GENERAL_CODE),
    )


def _with_sums(calculation: Body, items: list[Body]) -> Body:
    exclusive = sum(item["amount_tax"] for item in items if item["tax_behavior"] == "exclusive")
    inclusive = sum(item["amount_tax"] for item in items if item["tax_behavior"] == "inclusive")
    return {
        **calculation,
        "amount_total": sum(item["amount"] for item in items) + exclusive,
        "tax_amount_exclusive": exclusive,
        "tax_amount_inclusive": inclusive,
        "tax_breakdown": _breakdown(calculation["customer_details"]["address"]["country"], items),
    }


def _breakdown(country: str, items: list[Body]) -> list[Body]:
    """The taxes of all lines, those of one kind added up."""
    sums: dict[tuple[bool, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for item in items:
        (tax,) = item["tax_breakdown"]
        percent = (tax["tax_rate_details"] or {"percentage_decimal": "0"})["percentage_decimal"]
        group = sums[item["tax_behavior"] == "inclusive", percent, tax["taxability_reason"]]
        group[0] += tax["amount"]
        group[1] += tax["taxable_amount"]
    return [
        {
            "amount": amount,
            "inclusive": is_inclusive,
            "tax_rate_details": _rate_details(country, percent),
            "taxability_reason": reason,
            "taxable_amount": taxable,
        }
        for (is_inclusive, percent, reason), (amount, taxable) in sums.items()
    ]


def _rate_details(country: str, percent: str) -> Body:
    kind = "vat" if Decimal(percent) else None
    return {
        "country": country,
        "flat_amount": None,
        "percentage_decimal": percent,
        "rate_type": "percentage",
        "state": None,
        "tax_type": kind,
    }


def _reversed_items(call: Call, params: Body, original: str) -> list[tuple[Body, Body]]:
    """Which lines are reversed, each with its negative amounts and its reference."""
    items = _items(call, "tax.transaction_line_item", original)
    if params["mode"] == "full":
        return [(item, {"amount": -item["amount"], "amount_tax": -item["amount_tax"]}) for item in items]
    if "line_items" in params:
        known = {item["id"]: item for item in items}
        return [(_known(known, sent), _line_reversal(sent)) for sent in params["line_items"]]
    if "flat_amount" not in params:
        raise InvalidParameterError("A partial reversal needs line_items or flat_amount.", param="mode")
    return _spread(items, params["flat_amount"])


def _line_reversal(sent: Body) -> Body:
    return {"amount": sent["amount"], "amount_tax": sent["amount_tax"], "reference": sent["reference"]}


def _known(items: dict[str, Body], sent: Body) -> Body:
    if sent["original_line_item"] not in items:
        raise InvalidRequestError("No such line in the original transaction.", param="line_items")
    return items[sent["original_line_item"]]


def _spread(items: list[Body], flat_amount: int) -> list[tuple[Body, Body]]:
    """A flat amount over the lines in proportion; the last takes what is left."""
    whole = sum(item["amount"] + item["amount_tax"] for item in items)
    if not -whole <= flat_amount < 0:
        raise InvalidRequestError(f"flat_amount lies between {-whole} and -1.", param="flat_amount")
    found, left = [], flat_amount
    for index, item in enumerate(items, start=1):
        gross = item["amount"] + item["amount_tax"]
        share = left if index == len(items) else flat_amount * gross // whole
        tax = share * item["amount_tax"] // gross if gross else 0
        found.append((item, {"amount": share - tax, "amount_tax": tax}))
        left -= share
    return found


def _keep_item(call: Call, transaction: Body, item: Body, changes: Body) -> None:
    names = ("amount", "amount_tax", "metadata", "product", "quantity", "reference", "tax_behavior", "tax_code")
    kept = {**{name: item[name] for name in names}, **changes}
    made = shapes.new(kind="tax.transaction_line_item", created=call.now, **kept)
    call.store.insert(body=made, now=call.now, parent=transaction["id"])


def _refuse_taken(call: Call, reference: str) -> None:
    if call.store.count(kind="tax.transaction", filters=[Filter("reference", "eq", reference)]):
        raise InvalidRequestError(f"The reference {reference} is in use already.", param="reference")


def _living(call: Call, id: str, param: str | None) -> Body:  # noqa: A002 - Stripe's word
    found = call.fetch(kind="tax.calculation", id=id, param=param)
    if found["expires_at"] <= call.now:
        raise InvalidRequestError("The tax calculation has expired.", code="resource_missing", param=param or "id")
    return found


def _items(call: Call, kind: str, parent: str) -> list[Body]:
    return call.store.select(kind=kind, filters=[Filter("parent", "eq", parent)])


def _list(call: Call, params: Body, kind: str, parent: str, url: str) -> Body:
    return pagination.list_objects(
        call=call,
        kind=kind,
        url=f"{url}/line_items",
        params=params,
        filters=[Filter("parent", "eq", parent)],
        show=lambda _, item: public(body=item),
        oldest_first=True,
    )
