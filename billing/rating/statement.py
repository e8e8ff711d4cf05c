"""The statement: all lines of a billing period, from its terms; pure, shared by invoice, preview and rehearsal."""

from collections.abc import Callable, Sequence
from decimal import localcontext
from typing import Final

from billing.errors import RatingError
from billing.money import round_half_up
from billing.rating import commitments, discounts, promotions, taxes
from billing.rating.allowances import Allowances
from billing.rating.card import Card, ZeroRate
from billing.rating.lines import Draw, Line, LineKind, RatedPeriod
from billing.rating.numbers import EXACT, plain
from billing.rating.shares import dimensions
from billing.rating.sheet import Sheet
from billing.rating.terms import Discount, Grant, Pool, Service, TaxRate, TaxRule, Terms, Treatment
from billing.rating.usage import Part, Usage
from billing.rating.working import AnyWorking, work_exactly

__all__ = [
    "Card",
    "Discount",
    "Draw",
    "Grant",
    "Line",
    "LineKind",
    "Part",
    "Pool",
    "RatedPeriod",
    "Service",
    "TaxRate",
    "TaxRule",
    "Terms",
    "Treatment",
    "Usage",
    "ZeroRate",
    "dimensions",
    "rate",
]


def rate(terms: Terms) -> RatedPeriod:
    """Return all lines of a period: each card's charge, then what the steps around the prices add, in their order.

    Raises RatingError (NegativeQuantityError among them), PeriodError, UnknownCurrencyError and MoneyError.
    """
    with localcontext(EXACT):
        return _rate(terms)


def _rate(terms: Terms) -> RatedPeriod:
    sheet, allowances = Sheet(terms), Allowances.of(terms)
    worked = {card.key: _work_out(terms, card, allowances) for card in allowances.order()}
    for card in terms.cards:
        _write_charge(sheet, card, worked[card.key])
    for step in STEPS:
        step(sheet)
    return RatedPeriod(
        period=terms.period,
        currency=terms.currency,
        lines=tuple(sheet.lines),
        draws=(*allowances.draws, *sheet.draws),
        carried=allowances.carried,
        fold=terms.fold,
    )


def _adjust(sheet: Sheet) -> None:
    """Take over the lines that were worked out elsewhere: nothing around the prices changes them, but tax is due."""
    for line in sheet.terms.adjustments:
        sheet.write(line)


STEPS: Final[Sequence[Callable[[Sheet], None]]] = (
    discounts.take_off,
    commitments.cap,
    commitments.true_up,
    promotions.spend,
    _adjust,
    taxes.add_tax,
)


def _work_out(terms: Terms, card: Card, allowances: Allowances) -> AnyWorking:
    usage = terms.usage.get(card.key) if card.meter else None
    if card.meter and usage is None:
        raise RatingError(f"{card.key}: nobody read the meter {card.meter!r}")
    service = terms.services.get(card.key)
    work = work_exactly(
        card=card,
        usage=usage,
        period=service.period if service else terms.period,
        full=service.full if service else terms.full,
        sources=allowances.sources(card),
    )
    allowances.take(card, work)
    return work


def _write_charge(sheet: Sheet, card: Card, work: AnyWorking) -> None:
    starts_at, ends_at = work.period.starts_at, work.period.ends_at
    amount = round_half_up(work.amount, sheet.terms.currency)
    used = plain(work.used)
    rows = work.formula()
    sheet.write(
        Line(LineKind.CHARGE, card.key, card.name, card.meter, used, card.unit, amount, rows, starts_at, ends_at)
    )
    for free in work.free:
        sheet.write(
            Line(
                kind=LineKind.ZERO_RATED,
                card=card.key,
                description=f"{card.name}: {free.rule.name}",
                meter=card.meter,
                quantity=plain(free.quantity),
                unit=card.unit,
                amount=round_half_up(work.number(0), sheet.terms.currency),
                rows=(),
                starts_at=starts_at,
                ends_at=ends_at,
                source=free.rule.key,
            )
        )
