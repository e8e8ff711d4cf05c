"""Charges: the lines of one card, once it is worked out."""

from billing.errors import RatingError
from billing.money import round_half_up
from billing.rating.card import Card
from billing.rating.lines import Line, LineKind
from billing.rating.numbers import plain
from billing.rating.terms import Terms
from billing.rating.usage import Usage
from billing.rating.working import AnyWorking

Lines = tuple[Line, ...]


def usage_of(terms: Terms, card: Card) -> Usage | None:
    """Return what was measured for a card; None for a fixed fee. Raises RatingError where nobody read its meter."""
    if not card.meter:
        return None
    usage = terms.usage.get(card.key)
    if usage is None:
        raise RatingError(f"{card.key}: nobody read the meter {card.meter!r}")
    return usage


def lines_of(card: Card, work: AnyWorking, currency: str) -> Lines:
    """Return what a card was worked out to as lines: the charge, and what was made free of it by name."""
    starts_at, ends_at = work.period.starts_at, work.period.ends_at
    amount = round_half_up(work.amount, currency)
    used, rows = plain(work.used), work.formula()
    charge = Line(LineKind.CHARGE, card.key, card.name, card.meter, used, card.unit, amount, rows, starts_at, ends_at)
    if not work.free:
        return (charge,)
    free = (
        Line(
            kind=LineKind.ZERO_RATED,
            card=card.key,
            description=f"{card.name}: {free.rule.name}",
            meter=card.meter,
            quantity=plain(free.quantity),
            unit=card.unit,
            amount=round_half_up(work.number(0), currency),
            rows=(),
            starts_at=starts_at,
            ends_at=ends_at,
            source=free.rule.key,
        )
        for free in work.free
    )
    return (charge, *free)
