"""What a quantity costs at a price, exactly, and how that comes about."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil

from billing.errors import NegativeQuantityError
from billing.rating.numbers import text_of
from billing.rating.prices import Flat, Graduated, Package, Price, Tier, Unit


@dataclass(frozen=True, slots=True)
class PriceRow:
    """One row of a formula, all exact: `quantity` times `unit_price` makes `amount`.

    Rows that only explain a quantity (a conversion, an allowance) have neither price nor amount; a row of proration has
    an amount only.
    """

    text: str
    quantity: Fraction
    unit_price: Decimal | None = None
    amount: Fraction | None = None


def cost(price: Price, quantity: Fraction) -> Fraction:
    """Return the exact cost of the first `quantity` units of a period.

    It is cumulative: what a later slice costs is the cost at its end less the cost at its start.
    Raises NegativeQuantityError.
    """
    return sum((row.amount for row in explain(price, quantity) if row.amount is not None), Fraction(0))


def explain(price: Price, quantity: Fraction) -> tuple[PriceRow, ...]:
    """Return the rows whose amounts add up to the cost. Raises NegativeQuantityError."""
    if quantity < 0:
        raise NegativeQuantityError(f"a quantity of {text_of(quantity)} has no price")
    match price:
        case Flat(amount):
            return (_row("fixed amount", Fraction(1), amount),)
        case Unit(amount):
            return (_row("each", quantity, amount),)
        case Package(size, amount):
            # Not -(-a // b): Decimal's // truncates toward zero, and seven units in packs of five would make one pack.
            packages = Fraction(ceil(quantity / Fraction(size)))
            return (_row(f"started packages of {text_of(size)}", packages, amount),)
        case Graduated(tiers):
            return tuple(_tier_rows(tiers, quantity))


def _tier_rows(tiers: tuple[Tier, ...], quantity: Fraction) -> Iterator[PriceRow]:
    below = Decimal(0)
    for tier in tiers:
        if below and quantity <= below:
            return
        text = _tier_text(below, tier.up_to)
        if tier.flat:
            yield _row(f"{text}, fixed amount", Fraction(1), tier.flat)
        top = quantity if tier.up_to is None else min(quantity, Fraction(tier.up_to))
        yield _row(text, top - Fraction(below), tier.unit)
        below = tier.up_to or below


def _tier_text(below: Decimal, up_to: Decimal | None) -> str:
    if up_to is None:
        return f"above {text_of(below)}" if below else "all"
    return f"above {text_of(below)} up to {text_of(up_to)}" if below else f"up to {text_of(up_to)}"


def _row(text: str, quantity: Fraction, unit_price: Decimal) -> PriceRow:
    return PriceRow(text=text, quantity=quantity, unit_price=unit_price, amount=quantity * Fraction(unit_price))
