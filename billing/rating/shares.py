"""Shares: a card's usage, divided into what is priced apart and what costs nothing."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Generic

from billing.rating.card import Card, ZeroRate
from billing.rating.kinds import (
    SCALARS,
    Capacity,
    CreditRow,
    Credits,
    Match,
    Matrix,
    MatrixRow,
    Percentage,
    Scalar,
    Unit,
    dimensions_of,
    matches,
)
from billing.rating.numbers import N
from billing.rating.usage import Part

OTHER: Final = "other"


@dataclass(slots=True)
class Share(Generic[N]):
    """A quantity that is priced by itself; steps change it on the way from the meter's unit to what is paid for.

    `credits` is what a unit takes where the card's price is in credits. `is_covered` says that nothing is left of it.
    """

    label: str
    price: Scalar | Percentage
    quantity: N
    credits: Decimal | None = None
    is_covered: bool = False


@dataclass(slots=True)
class Free(Generic[N]):
    """Usage that a rule of the card has made free; a step turns its quantity into the card's unit."""

    rule: ZeroRate
    quantity: N


def dimensions(card: Card) -> tuple[str, ...]:
    """Return the dimensions by which the usage of a card must be split, by name; none for most cards."""
    filtered = {name for rule in card.zero_rates for name in rule.filters}
    return tuple(sorted(filtered | dimensions_of(card.price)))


def divide(card: Card, parts: Sequence[Part], number: type[N]) -> tuple[list[Share[N]], list[Free[N]]]:
    """Return the shares of a card in the order in which allowances are used up, and what was made free."""
    if not card.zero_rates:
        return _shares(card, parts, number), []
    paid, free = _set_free(card.zero_rates, parts)
    return _shares(card, paid, number), [Free(rule, _sum(found, number)) for rule, found in free if found]


def _set_free(rules: Sequence[ZeroRate], parts: Sequence[Part]) -> tuple[list[Part], list[tuple[ZeroRate, list[Part]]]]:
    """Sort parts into paid ones and those of each rule; the first rule that matches has it."""
    paid: list[Part] = []
    free: list[tuple[ZeroRate, list[Part]]] = [(rule, []) for rule in rules]
    for part in parts:
        home = next((found for rule, found in free if matches(rule.filters, part.group)), paid)
        home.append(part)
    return paid, free


def _shares(card: Card, parts: Sequence[Part], number: type[N]) -> list[Share[N]]:
    price = card.price
    if isinstance(price, SCALARS):
        return [Share("", price, _sum(parts, number))]
    match price:
        case Matrix(rows, default):
            sums = _by_row(rows, parts, number)
            labels = [(_label(row.match), row.price) for row in rows] + [(OTHER, default)]
            return [Share(label, price, amount) for (label, price), amount in zip(labels, sums, strict=True)]
        case Credits(rows=rows, credits=other, amount=amount):
            sums = _by_row(rows, parts, number)
            classes = [(_label(row.match), row.credits) for row in rows] + [(OTHER if rows else "", other)]
            return [
                Share(label, Unit(amount), used, credits=each)
                for (label, each), used in zip(classes, sums, strict=True)
            ]
        case Percentage(transaction=transaction) if transaction:
            return [Share("", price, number(part.quantity)) for part in parts]
        case Capacity(inner):
            return [Share("", inner, _sum(parts, number))]
        case _:
            return [Share("", price, _sum(parts, number))]


def _by_row(rows: Sequence[MatrixRow] | Sequence[CreditRow], parts: Sequence[Part], number: type[N]) -> list[N]:
    """Return what was used in each row, and last in none of them; the most specific row that matches has it."""
    order = sorted(range(len(rows)), key=lambda index: -len(rows[index].match))
    sums = [number(0)] * (len(rows) + 1)
    for part in parts:
        home = next((index for index in order if matches(rows[index].match, part.group)), len(rows))
        sums[home] += number(part.quantity)
    return sums


def _sum(parts: Sequence[Part], number: type[N]) -> N:
    if len(parts) == 1:
        return number(parts[0].quantity)
    return sum((number(part.quantity) for part in parts), number(0))


def _label(match: Match) -> str:
    return ", ".join(f"{name} {' or '.join(values)}" for name, values in match.items())
