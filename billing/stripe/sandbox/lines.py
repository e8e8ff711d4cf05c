"""A line of an invoice: what it comes to, rounded once, and the taxes that were given with it."""

from decimal import ROUND_HALF_UP, Decimal

from billing.stripe.sandbox import currencies, shapes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidParameterError, InvalidRequestError
from billing.stripe.sandbox.objects import Body, merge_metadata, new_id

_CENT = Decimal(1)


def build(*, call: Call, invoice: Body, sent: Body, param: str, item: str | None = None) -> Body:
    """A line of `invoice` as it was sent under the name `param`; `item` is the invoice item behind it.

    Raises InvalidRequestError for a period that ends before it starts, or an amount that the currency does not have.
    """
    amount, pricing = priced(sent=sent, currency=invoice["currency"], param=param)
    period = period_of(call=call, sent=sent, param=param)
    behind = {
        "invoice_item": item or new_id(prefix="ii"),
        "proration": False,
        "proration_details": None,
        "subscription": None,
    }
    return shapes.new(
        kind="line_item",
        created=call.now,
        amount=amount,
        subtotal=amount,
        currency=invoice["currency"],
        invoice=invoice["id"],
        description=sent.get("description"),
        discountable=sent.get("discountable", amount >= 0),
        metadata=merge_metadata(current={}, sent=sent.get("metadata", {})),
        parent={"type": "invoice_item_details", "invoice_item_details": behind, "subscription_item_details": None},
        period=period,
        pricing=pricing,
        taxes=[_tax(call, tax) for tax in sent.get("tax_amounts") or []],
        _tax_behavior=sent.get("price_data", {}).get("tax_behavior"),
        **quantities(sent=sent),
    )


def priced(*, sent: Body, currency: str, param: str) -> tuple[int, Body | None]:
    """The amount in the smallest unit, and how it was priced where it was by unit.

    Quantity times unit amount is rounded here, line by line and half away from zero: Stripe's documentation says that
    lines are rounded and leaves the tie open (stripe.md C5).
    """
    price = _price(sent)
    if ("amount" in sent) == (price is not None):
        word = "Missing required param" if price is None else "You may only specify one of amount and price_data"
        raise InvalidParameterError(f"{word}: {param}[amount].", code="parameter_missing", param=f"{param}[amount]")
    if price is None:
        amount: int = sent["amount"]
        _refuse_quantity(sent, param)
    else:
        _require_currency(sent, currency, param)
        amount = rounded(price * quantity(sent=sent))
    currencies.require_step(amount=amount, code=currency, param=f"{param}[amount]")
    return amount, None if price is None else _pricing(price)


def rounded(exact: Decimal) -> int:
    """A whole number of smallest units."""
    return int(exact.quantize(_CENT, rounding=ROUND_HALF_UP))


def quantity(*, sent: Body) -> Decimal:
    """How many units, 1 where it is not said."""
    return Decimal(str(sent.get("quantity_decimal", sent.get("quantity", 1))))


def quantities(*, sent: Body) -> Body:
    """The two members that tell the quantity; a fraction has no whole one."""
    exact = quantity(sent=sent)
    return {
        "quantity": int(exact) if exact == exact.to_integral_value() else None,
        "quantity_decimal": f"{exact.normalize():f}",
    }


def period_of(*, call: Call, sent: Body, param: str) -> Body:
    """The period that the line is for: now, unless one was sent."""
    period = sent.get("period") or {"start": call.now, "end": call.now}
    if period["end"] < period["start"]:
        raise InvalidRequestError("The period must not end before it starts.", param=f"{param}[period][end]")
    return {"start": period["start"], "end": period["end"]}


def _price(sent: Body) -> Decimal | None:
    data = sent.get("price_data", sent)
    for name in ("unit_amount_decimal", "unit_amount"):
        if name in data:
            return Decimal(str(data[name]))
    return None


def _refuse_quantity(sent: Body, param: str) -> None:
    for name in ("quantity", "quantity_decimal"):
        if name in sent:
            message = f"You may only specify one of these parameters: amount, {name}."
            raise InvalidRequestError(message, param=f"{param}[{name}]")


def _require_currency(sent: Body, currency: str, param: str) -> None:
    told = sent.get("price_data", {}).get("currency", currency)
    if told.lower() != currency:
        message = f"The currency of the price ({told}) is not that of the invoice ({currency})."
        raise InvalidRequestError(message, param=f"{param}[price_data][currency]")


def _pricing(price: Decimal) -> Body:
    return {
        "type": "price_details",
        "price_details": {"price": new_id(prefix="price"), "product": new_id(prefix="prod")},
        "unit_amount_decimal": f"{price:f}",
    }


def _tax(call: Call, sent: Body) -> Body:
    """A tax that the caller computed: taken as given, with a tax rate made for it."""
    data = sent["tax_rate_data"]
    rate = shapes.new(
        kind="tax_rate",
        created=call.now,
        display_name=data["display_name"],
        percentage=float(data["percentage"]),
        inclusive=data["inclusive"],
        country=data.get("country"),
        jurisdiction=data.get("jurisdiction"),
        tax_type=data.get("tax_type"),
    )
    call.store.insert(body=rate, now=call.now)
    return {
        "amount": sent["amount"],
        "tax_behavior": "inclusive" if data["inclusive"] else "exclusive",
        "tax_rate_details": {"tax_rate": rate["id"]},
        "taxability_reason": sent.get("taxability_reason", "not_available"),
        "taxable_amount": sent["taxable_amount"],
        "type": "tax_rate_details",
    }
