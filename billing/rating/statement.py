"""The statement: all lines of a billing period, from its terms; pure, shared by invoice, preview and rehearsal."""

from collections.abc import Callable, Sequence
from decimal import localcontext
from typing import Final

from billing.rating import charges, commitments, discounts, memory, promotions, taxes
from billing.rating.allowances import Allowances
from billing.rating.card import Card, ZeroRate
from billing.rating.lines import Draw, Line, LineKind, RatedPeriod
from billing.rating.numbers import EXACT
from billing.rating.shares import dimensions
from billing.rating.sheet import Sheet
from billing.rating.terms import Discount, Grant, Pool, Service, TaxRate, TaxRule, Terms, Treatment
from billing.rating.usage import Part, Usage
from billing.rating.working import work_exactly

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
    lines = memory.recall(terms)
    if len(lines) < len(terms.cards):
        lines |= {card.key: _charge(terms, card, allowances) for card in allowances.order() if card.key not in lines}
    for card in terms.cards:
        for line in lines[card.key]:
            sheet.write(line)
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


def _charge(terms: Terms, card: Card, allowances: Allowances) -> charges.Lines:
    """Return the lines of a card that takes from what it shares with others, or passes on to the next period."""
    service = terms.services.get(card.key)
    work = work_exactly(
        card=card,
        usage=charges.usage_of(terms, card),
        period=service.period if service else terms.period,
        full=service.full if service else terms.full,
        sources=allowances.sources(card),
    )
    allowances.take(card, work)
    return charges.lines_of(card, work, terms.currency)
