"""Charges: the lines of one card; those of a card that stands alone are worked out once for all who used as much."""

from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from typing import Final

from billing.errors import RatingError
from billing.money import round_half_up
from billing.periods import Period
from billing.rating.card import Card
from billing.rating.kinds import SCALARS
from billing.rating.lines import Line, LineKind
from billing.rating.numbers import plain
from billing.rating.terms import Terms
from billing.rating.usage import Usage
from billing.rating.working import AnyWorking, included, work_exactly

_CARDS: Final = 1024  # of a period
_QUANTITIES: Final = 4096  # of a card

Lines = tuple[Line, ...]


@dataclass(slots=True)
class Tariff:
    """A card in one period, with the lines of quantities that were asked for lately.

    Only of a card that stands alone: what it costs follows from its quantity, for its usage is not split, and nothing
    of it is carried over.
    """

    card: Card
    stands_alone: bool
    kept: dict[tuple[str, Decimal] | None, Lines] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Month:
    """A period that thousands of customers share, with its tariffs by the identity of the card."""

    period: Period
    full: Period
    currency: str
    tariffs: dict[int, Tariff] = field(default_factory=dict)


def alone(terms: Terms) -> dict[str, Lines]:
    """Return the lines of each card that neither shares nor inherits anything; another customer may have had the same.

    To be called under `numbers.EXACT`. Raises RatingError and what `working.work_out` raises.
    """
    if terms.pools or terms.rollover:
        return {}
    found: dict[str, Lines] = {}
    month = _month(terms.period, terms.full, terms.currency)
    for card in terms.cards:
        service = terms.services.get(card.key)
        here = month if service is None else _month(service.period, service.full, terms.currency)
        tariff = here.tariffs.get(id(card)) or _tariff(here, card)
        if tariff.stands_alone:
            usage = usage_of(terms, card) if card.meter else None
            name = None if usage is None else (usage.unit, _quantity(usage))
            found[card.key] = tariff.kept.get(name) or _work_out(here, tariff, usage, name)
    return found


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


def _work_out(month: Month, tariff: Tariff, usage: Usage | None, name: tuple[str, Decimal] | None) -> Lines:
    card = tariff.card
    sources = (included(allowance=card.allowance, rolled=Decimal(0)),) if card.allowance else ()
    work = work_exactly(card=card, usage=usage, period=month.period, full=month.full, sources=sources)
    if len(tariff.kept) >= _QUANTITIES:
        tariff.kept.clear()
    lines = tariff.kept[name] = lines_of(card, work, month.currency)
    return lines


def _tariff(month: Month, card: Card) -> Tariff:
    """Return a card's new tariff; it holds the card, so that no other can have its identity meanwhile."""
    if len(month.tariffs) >= _CARDS:
        month.tariffs.clear()
    stands_alone = isinstance(card.price, SCALARS) and not card.zero_rates and not card.rollover
    tariff = month.tariffs[id(card)] = Tariff(card, stands_alone)
    return tariff


_month: Final = lru_cache(maxsize=64)(Month)


def _quantity(usage: Usage) -> Decimal:
    parts = usage.parts
    return parts[0].quantity if len(parts) == 1 else sum((part.quantity for part in parts), Decimal(0))
