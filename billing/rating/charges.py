"""Charges as they were before there were statements: one card, one period, one line."""

from dataclasses import dataclass
from decimal import Decimal

from billing.money import Money, round_half_up, total
from billing.periods import Period
from billing.rating.card import Card
from billing.rating.lines import Rows, detail_of
from billing.rating.numbers import plain
from billing.rating.usage import Part, Usage
from billing.rating.working import included, work_out

__all__ = ["Card", "Charge", "Measured", "RatedPeriod", "charge"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a meter reported for a card in a period, in the meter's own unit."""

    quantity: Decimal
    unit: str


@dataclass(frozen=True, slots=True)
class Charge:
    """A line before it is on an invoice."""

    card: str
    description: str
    meter: str
    quantity: Decimal
    unit: str
    amount: Money
    rows: Rows

    def detail(self) -> list[dict[str, str]]:
        """Return the rows as texts, as an invoice line keeps them."""
        return detail_of(self.rows)


@dataclass(frozen=True, slots=True)
class RatedPeriod:
    """All charges of a plan version for `period`, read at usage fold `fold`."""

    period: Period | None
    currency: str
    fold: int
    charges: tuple[Charge, ...]

    @property
    def total(self) -> Money:
        """The sum of the lines, each rounded once."""
        return total([charge.amount for charge in self.charges], self.currency)


def charge(*, card: Card, measured: Measured | None, period: Period, full: Period, currency: str) -> Charge:
    """Return what a card costs for a period; rounded once, at the end."""
    usage = None if measured is None else Usage(card.meter, measured.unit, (Part(measured.quantity),))
    sources = (included(allowance=card.allowance),) if card.allowance else ()
    work = work_out(card=card, usage=usage, period=period, full=full, sources=sources)
    return Charge(
        card=card.key,
        description=card.name,
        meter=card.meter,
        quantity=plain(work.used),
        unit=card.unit,
        amount=round_half_up(work.amount, currency),
        rows=work.formula(),
    )
