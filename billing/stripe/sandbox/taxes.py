"""A small stand-in for Stripe Tax: one rate a country, and the ways in which it cannot be worked out."""

from collections import defaultdict
from decimal import Decimal

from billing.stripe.sandbox import shapes
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.errors import InvalidRequestError
from billing.stripe.sandbox.lines import rounded
from billing.stripe.sandbox.objects import Body
from billing.stripe.sandbox.store import Filter

# Standard rates in percent. Countries that are not here are ones where the sandbox's seller collects nothing.
RATES = {
    "AT": Decimal(20),
    "BE": Decimal(21),
    "CH": Decimal("8.1"),
    "DE": Decimal(19),
    "ES": Decimal(21),
    "FR": Decimal(20),
    "GB": Decimal(20),
    "IE": Decimal(23),
    "IT": Decimal(22),
    "JP": Decimal(10),
    "NL": Decimal(21),
    "SE": Decimal(25),
}
_NEEDS_POSTAL_CODE = ("CA", "US")
_EXEMPTIONS = {"exempt": "customer_exempt", "reverse": "reverse_charge"}
LOCATION_MESSAGE = (
    "The customer's location isn't recognized. Set a valid customer address in order to automatically calculate tax."
)


def is_located(*, address: Body | None) -> bool:
    """Whether an address tells where tax is due: a country, in North America also the postal code."""
    if not address or not address.get("country"):
        return False
    return address["country"] not in _NEEDS_POSTAL_CODE or bool(address.get("postal_code"))


def ruling(*, address: Body, tax_exempt: str) -> tuple[Decimal, str]:
    """The rate in percent, and Stripe's word for why it is that."""
    if tax_exempt in _EXEMPTIONS:
        return Decimal(0), _EXEMPTIONS[tax_exempt]
    rate = RATES.get(address["country"])
    return (Decimal(0), "not_collecting") if rate is None else (rate, "standard_rated")


def tax_on(*, amount: int, rate: Decimal, is_inclusive: bool) -> int:
    """The tax on an amount in the smallest unit, rounded by itself: on top of it, or contained in it."""
    return rounded(amount * rate / ((100 + rate) if is_inclusive else 100))


def assess(*, call: Call, invoice: Body, lines: list[Body]) -> Body:
    """The draft, with what Stripe Tax says of it; its lines are given their taxes.

    Raises InvalidRequestError for what automatic tax does not go with: negative lines, an unspecified tax behaviour.
    """
    if not invoice["automatic_tax"]["enabled"]:
        return invoice
    _refuse_misfits(lines)
    is_known = is_located(address=invoice["customer_address"])
    for line in lines:
        line["taxes"] = [_line_tax(call, invoice, line)] if is_known else []
        call.store.replace(body=line)
    told = {"status": "complete" if is_known else "requires_location_inputs", "provider": "stripe"}
    return {**invoice, "automatic_tax": {**invoice["automatic_tax"], **told}}


def total_taxes(*, lines: list[Body]) -> list[Body]:
    """The taxes of all lines, those of one rate added up."""
    sums: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for tax in [tax for line in lines for tax in line["taxes"]]:
        group = sums[tax["tax_behavior"], tax["tax_rate_details"]["tax_rate"], tax["taxability_reason"]]
        group[0] += tax["amount"]
        group[1] += tax["taxable_amount"]
    return [
        {
            "amount": amount,
            "tax_behavior": behavior,
            "tax_rate_details": {"tax_rate": rate},
            "taxability_reason": reason,
            "taxable_amount": taxable,
            "type": "tax_rate_details",
        }
        for (behavior, rate, reason), (amount, taxable) in sums.items()
    ]


def _refuse_misfits(lines: list[Body]) -> None:
    for line in lines:
        if line["amount"] < 0:
            raise InvalidRequestError("Automatic tax does not go with negative lines.", param="automatic_tax[enabled]")
        if line["taxes"] and not line.get("_is_assessed"):
            message = "Automatic tax does not go with taxes that are given by hand."
            raise InvalidRequestError(message, param="automatic_tax[enabled]")
        if line.get("_tax_behavior") == "unspecified":
            message = "Automatic tax needs a tax_behavior of inclusive or exclusive on every price."
            raise InvalidRequestError(message, param="automatic_tax[enabled]")


def _line_tax(call: Call, invoice: Body, line: Body) -> Body:
    rate, reason = ruling(address=invoice["customer_address"], tax_exempt=invoice["customer_tax_exempt"])
    is_inclusive = line.get("_tax_behavior") == "inclusive"
    line["_is_assessed"] = True
    amount = tax_on(amount=line["amount"], rate=rate, is_inclusive=is_inclusive)
    return {
        "amount": amount,
        "tax_behavior": "inclusive" if is_inclusive else "exclusive",
        "tax_rate_details": {"tax_rate": _rate_object(call, invoice["customer_address"]["country"], rate)},
        "taxability_reason": reason,
        "taxable_amount": line["amount"] - (amount if is_inclusive else 0),
        "type": "tax_rate_details",
    }


def _rate_object(call: Call, country: str, rate: Decimal) -> str:
    """The id of the tax rate of that country, made when first needed."""
    known = [Filter("country", "eq", country), Filter("_percent", "eq", f"{rate:f}")]
    for found in call.store.select(kind="tax_rate", filters=known, limit=1):
        return str(found["id"])
    made = shapes.new(
        kind="tax_rate",
        created=call.now,
        display_name="VAT" if rate else "Tax",
        country=country,
        jurisdiction=country,
        percentage=float(rate),
        tax_type="vat" if rate else None,
        _percent=f"{rate:f}",
    )
    call.store.insert(body=made, now=call.now)
    return str(made["id"])


def retrieve_rate(*, call: Call, params: Body, tax_rate: str) -> Body:  # noqa: ARG001 - every operation takes params
    """The tax rate that a tax names."""
    found = call.fetch(kind="tax_rate", id=tax_rate)
    return {name: value for name, value in found.items() if not name.startswith("_")}
