"""What a quantity costs at a price, exactly, and how that comes about.

Everything here computes in the kind of number it is given: decimals, which are fast and end, or fractions, which hold
what no decimal does. Decimals must be computed with under `numbers.EXACT`, where rounding is an error.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache
from typing import Generic

from billing.errors import NegativeQuantityError
from billing.rating.kinds import Flat, Graduated, Package, Percentage, Scalar, StairStep, Tier, Unit, Volume
from billing.rating.numbers import N, text_of


@dataclass(frozen=True, slots=True)
class PriceRow(Generic[N]):
    """One row of a formula, all exact: `quantity` times `unit_price` makes `amount`.

    Rows that only explain a quantity (a conversion, an allowance) have neither price nor amount; a row of proration has
    an amount only.
    """

    text: str
    quantity: N
    unit_price: Decimal | None = None
    amount: N | None = None


def cost(price: Scalar | Percentage, quantity: N) -> N:
    """Return the exact cost of the first `quantity` units of a period.

    It is cumulative: what a later slice costs is the cost at its end less the cost at its start, which may be negative
    where a total falls. Raises NegativeQuantityError.
    """
    return amount_of(explain(price, quantity), type(quantity))


def amount_of(rows: Sequence[PriceRow[N]], number: type[N]) -> N:
    """Return the sum of the rows' amounts."""
    amount = number(0)
    for row in rows:
        if row.amount is not None:
            amount += row.amount
    return amount


def explain(price: Scalar | Percentage, quantity: N) -> tuple[PriceRow[N], ...]:
    """Return the rows whose amounts add up to the cost; a percentage takes the quantity as one transaction.

    Raises NegativeQuantityError.
    """
    if quantity < 0:
        raise NegativeQuantityError(f"a quantity of {text_of(quantity)} has no price")
    match price:
        case Unit(amount):
            return (_row("each", quantity, amount),)
        case Flat(amount):
            return (_row("fixed amount", type(quantity)(1), amount),)
        case Package(size, amount):
            # Not -(-a // b): Decimal's // truncates toward zero, and seven units in packs of five would make one pack.
            packages = type(quantity)(_packages(quantity, size))
            return (_row(f"started packages of {text_of(size)}", packages, amount),)
        case Graduated(tiers):
            return tuple(_graduated_rows(tiers, quantity))
        case Volume(tiers) | StairStep(tiers):
            return tuple(_volume_rows(tiers, quantity, has_units=isinstance(price, Volume)))
        case Percentage():
            return transactions(price, [quantity])


def transactions(price: Percentage, amounts: Sequence[N]) -> tuple[PriceRow[N], ...]:
    """Return the rows of what a percentage takes of these transactions, each with its fixed amount and bounds."""
    if not amounts:
        return ()
    number = type(amounts[0])
    rate = price.percent.scaleb(-2)
    rows = [_row(f"{text_of(price.percent)} % of the amount", sum(amounts, number(0)), rate)]
    if price.fixed:
        rows.append(_row("fixed amount for each transaction", number(len(amounts)), price.fixed))
    each = [amount * number(rate) + number(price.fixed) for amount in amounts]
    if price.minimum is not None:
        least = number(price.minimum)
        rows += _changes(f"at least {text_of(least)} each", [least - one for one in each if one < least])
    if price.maximum is not None:
        most = number(price.maximum)
        rows += _changes(f"at most {text_of(most)} each", [most - one for one in each if one > most])
    return tuple(rows)


def _changes(text: str, changes: list[N]) -> list[PriceRow[N]]:
    """Return the row of what bounds on single transactions change, if any were reached."""
    if not changes:
        return []
    number = type(changes[0])
    return [PriceRow(text, quantity=number(len(changes)), amount=sum(changes, number(0)))]


def _packages(quantity: N, size: Decimal) -> int:
    """Return how many packages are started: whole ones by division with a rest, which no number of digits can round."""
    whole, rest = divmod(quantity, type(quantity)(size))
    return int(whole) + (1 if rest else 0)


def _graduated_rows(tiers: tuple[Tier, ...], quantity: N) -> Iterator[PriceRow[N]]:
    number, below = type(quantity), Decimal(0)
    for tier in tiers:
        if below and quantity <= number(below):
            return
        text = _tier_text(below, tier.up_to)
        if tier.flat:
            yield _row(f"{text}, fixed amount", number(1), tier.flat)
        top = quantity if tier.up_to is None else min(quantity, number(tier.up_to))
        yield _row(text, top - number(below), tier.unit)
        below = tier.up_to or below


def _volume_rows(tiers: tuple[Tier, ...], quantity: N, *, has_units: bool) -> Iterator[PriceRow[N]]:
    number, below = type(quantity), Decimal(0)
    for tier in tiers:
        if tier.up_to is None or quantity <= number(tier.up_to):
            text = f"in the tier {_tier_text(below, tier.up_to)}"
            if tier.flat or not has_units:
                yield _row(f"fixed amount, {text}", number(1), tier.flat)
            if has_units:
                yield _row(f"each, {text}", quantity, tier.unit)
            return
        below = tier.up_to


@lru_cache(maxsize=1024)
def _tier_text(below: Decimal, up_to: Decimal | None) -> str:
    if up_to is None:
        return f"above {text_of(below)}" if below else "all"
    return f"above {text_of(below)} up to {text_of(up_to)}" if below else f"up to {text_of(up_to)}"


def _row(text: str, quantity: N, unit_price: Decimal) -> PriceRow[N]:
    return PriceRow(text=text, quantity=quantity, unit_price=unit_price, amount=quantity * type(quantity)(unit_price))
