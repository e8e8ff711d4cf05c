"""Worked examples: what a rate card asks for a quantity, with its formula, before anybody has used anything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from types import MappingProxyType
from typing import Final

from billing.money import Money
from billing.periods import Period
from billing.rating import statement
from billing.rating.kinds import Capacity, Credits, Graduated, Matrix, Percentage, Price, StairStep, Volume
from billing.rating.numbers import plain
from billing.rating.statement import Card, Line, Part, RatedPeriod, Terms, Usage

# A whole month of thirty days: an example is of no particular one.
MONTH: Final = Period(datetime(2026, 4, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC))
USUAL: Final = (Decimal(10), Decimal(100), Decimal(1000))
NUMBER: Final = 3
Group = Mapping[str, str | None]
_EVERY: Final[Group] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Example:
    """What `quantity` units of a card come to; `group` are the dimensions of the usage where the price asks for any."""

    quantity: Decimal
    group: Group
    amount: Money
    lines: tuple[Line, ...]


def work(*, card: Card, currency: str, quantities: Sequence[Decimal] = ()) -> tuple[Example, ...]:
    """Return what a card asks for each quantity in its own unit, and for each row of a price by dimensions.

    Without quantities they are chosen where the price changes. A fixed fee has one example. Raises RatingError and
    PriceError.
    """
    if not card.meter:
        return (_example(card, currency, Decimal(1), _EVERY),)
    chosen = tuple(quantities) or telling(card)
    return tuple(_example(card, currency, quantity, group) for group in _groups(card.price) for quantity in chosen)


def telling(card: Card) -> tuple[Decimal, ...]:
    """Return three quantities at which the card shows how it works: in and beyond its tiers, or usual ones."""
    bounds = list(_bounds(card.price))
    if not bounds:
        return tuple(card.allowance + quantity for quantity in USUAL)
    inner = bounds[: NUMBER - 1]
    return tuple(card.allowance + bound for bound in (*inner, *_beyond(inner)))


def _bounds(price: Price) -> Iterator[Decimal]:
    match price:
        case Graduated(tiers) | Volume(tiers) | StairStep(tiers):
            yield from (tier.up_to for tier in tiers if tier.up_to is not None)
        case Capacity(inner):
            yield from _bounds(inner)


def _beyond(bounds: Sequence[Decimal]) -> tuple[Decimal, ...]:
    return tuple(bounds[-1] * (factor + 1) for factor in range(1, NUMBER - len(bounds) + 1))


def _groups(price: Price) -> Iterator[Group]:
    """Yield usage of each row, named by the first of the values it asks for, and usage of none."""
    match price:
        case Matrix(rows=rows) | Credits(rows=rows):
            yield from ({name: values[0] for name, values in row.match.items()} for row in rows)
            yield _EVERY
        case Percentage(transaction=transaction) if transaction:
            yield {transaction: "one"}
        case _:
            yield _EVERY


def _example(card: Card, currency: str, quantity: Decimal, group: Group) -> Example:
    rated = _rate(card, currency, quantity, group)
    return Example(quantity=quantity, group=group, amount=rated.subtotal, lines=rated.lines)


def _rate(card: Card, currency: str, quantity: Decimal, group: Group) -> RatedPeriod:
    seconds = MONTH.seconds if card.per_period else Fraction(1)
    measured = plain(Fraction(quantity) * Fraction(card.divide_by) * seconds)
    usage = {card.key: Usage(card.meter, f"measured {card.unit}", (Part(measured, group),))} if card.meter else {}
    return statement.rate(Terms(cards=(card,), usage=usage, period=MONTH, full=MONTH, currency=currency))
