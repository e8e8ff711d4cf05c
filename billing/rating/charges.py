"""Charges: what one rate card costs for one period, as an ordered list of steps."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Final

from billing.errors import NegativeQuantityError
from billing.money import Money, round_half_up, total
from billing.periods import Period
from billing.rating import proration, quantities
from billing.rating.card import Card
from billing.rating.cost import PriceRow, explain
from billing.rating.numbers import plain, text_of

__all__ = ["Card", "Charge", "Measured", "RatedPeriod", "charge"]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a meter reported for a card in a period, in the meter's own unit."""

    quantity: Decimal
    unit: str


@dataclass(frozen=True, slots=True)
class Charge:
    """A line before it is on an invoice.

    `quantity` is what was used in the card's unit, the allowance included, to twelve digits for showing and storing;
    `rows` say, exactly, how it became `amount`.
    """

    card: str
    description: str
    meter: str
    quantity: Decimal
    unit: str
    amount: Money
    rows: tuple[PriceRow, ...]

    def detail(self) -> list[dict[str, str]]:
        """Return the rows as texts, as an invoice line keeps them; empty where a row has no price or amount."""
        return [
            {
                "text": row.text,
                "quantity": text_of(row.quantity),
                "unit_price": "" if row.unit_price is None else text_of(row.unit_price),
                "amount": "" if row.amount is None else text_of(row.amount),
            }
            for row in self.rows
        ]


@dataclass(frozen=True, slots=True)
class RatedPeriod:
    """All charges of a plan version for `period`, read at usage fold `fold`; nothing of it is written anywhere.

    `period` is None where a preview was asked for before the period began, when there is nothing to charge yet.
    """

    period: Period | None
    currency: str
    fold: int
    charges: tuple[Charge, ...]

    @property
    def total(self) -> Money:
        """The sum of the lines, each rounded once."""
        return total([charge.amount for charge in self.charges], self.currency)


@dataclass(frozen=True, slots=True)
class Working:
    """A charge in the making; each step returns the next one."""

    card: Card
    measured: Measured
    period: Period
    full: Period
    used: Fraction
    quantity: Fraction
    amount: Fraction = Fraction(0)
    rows: tuple[PriceRow, ...] = ()

    def add(self, *rows: PriceRow) -> tuple[PriceRow, ...]:
        """Return the rows so far and these."""
        return (*self.rows, *rows)


Step = Callable[[Working], Working]


def _convert(work: Working) -> Working:
    """Divide into the card's unit, and by the seconds of the full period where the meter integrates over time."""
    card = work.card
    if card.divide_by == 1 and not card.per_period:
        return work
    seconds = work.full.seconds if card.per_period else None
    quantity = quantities.convert(quantity=work.quantity, divide_by=card.divide_by, period_seconds=seconds)
    by = [text_of(card.divide_by)] if card.divide_by != 1 else []
    by += [f"{proration.seconds_text(work.full)} of the full period"] if card.per_period else []
    text = f"{text_of(work.quantity)} {work.measured.unit} divided by {' and '.join(by)}"
    return replace(work, used=quantity, quantity=quantity, rows=work.add(PriceRow(text, quantity)))


def _round(work: Working) -> Working:
    """Make whole units where the card says so."""
    quantity = quantities.round_units(quantity=work.quantity, rounding=work.card.rounding)
    if quantity == work.quantity:
        return work
    row = PriceRow(f"rounded {work.card.rounding.replace('_', ' ')} to whole units", quantity)
    return replace(work, used=quantity, quantity=quantity, rows=work.add(row))


def _allow(work: Working) -> Working:
    """Take off the units included."""
    if not work.card.allowance:
        return work
    quantity = quantities.exceed(quantity=work.quantity, allowance=work.card.allowance)
    text = f"{text_of(work.used)} used, {text_of(work.card.allowance)} included"
    return replace(work, quantity=quantity, rows=work.add(PriceRow(text, quantity)))


def _price(work: Working) -> Working:
    """Apply the price."""
    rows = explain(work.card.price, work.quantity)
    amount = sum((row.amount for row in rows if row.amount is not None), Fraction(0))
    return replace(work, amount=amount, rows=work.add(*rows))


def _prorate(work: Working) -> Working:
    """Charge a fixed fee for the part of the full period that is billed; what a meter measured is in part already."""
    if work.card.meter or not work.card.prorated or work.period == work.full:
        return work
    amount = proration.prorate(amount=work.amount, period=work.period, full=work.full)
    seconds = f"{proration.seconds_text(work.period)} of {proration.seconds_text(work.full)}"
    row = PriceRow(
        f"for {seconds} of the full period",
        quantity=work.period.fraction_of(work.full),
        amount=amount - work.amount,
    )
    return replace(work, amount=amount, rows=work.add(row))


STEPS: Final[Sequence[Step]] = (_convert, _round, _allow, _price, _prorate)


def charge(*, card: Card, measured: Measured | None, period: Period, full: Period, currency: str) -> Charge:
    """Return what a card costs for a period; rounded once, at the end.

    `measured` is None for a fixed fee, whose quantity is one. `full` is the whole period of the plan that `period` lies
    in. Raises NegativeQuantityError, PeriodError, UnknownCurrencyError.
    """
    measured = measured or Measured(quantity=Decimal(1), unit=card.unit)
    quantity = Fraction(measured.quantity)
    if quantity < 0:
        raise NegativeQuantityError(f"{card.key}: the meter {card.meter!r} reports {text_of(quantity)} {measured.unit}")
    work = Working(card, measured, period, full, used=quantity, quantity=quantity)
    for step in STEPS:
        work = step(work)
    return Charge(
        card=card.key,
        description=card.name,
        meter=card.meter,
        quantity=plain(work.used),
        unit=card.unit,
        amount=round_half_up(work.amount, currency),
        rows=work.rows,
    )
