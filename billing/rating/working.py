"""Working out what one rate card costs for one period: an ordered list of steps, computed exactly."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, Inexact, localcontext
from fractions import Fraction
from functools import lru_cache
from typing import Any, Final, Generic

from billing.errors import NegativeQuantityError
from billing.periods import Period
from billing.rating import proration, quantities, shares
from billing.rating.card import Card
from billing.rating.cost import PriceRow, amount_of, explain, transactions
from billing.rating.kinds import Capacity, Credits, Percentage
from billing.rating.numbers import EXACT, N, exactly, text_of
from billing.rating.shares import Free, Share
from billing.rating.usage import Part, Usage

OWN: Final = ""  # the key of a card's own allowance among its sources
_FIXED: Final = (Part(Decimal(1)),)


@dataclass(frozen=True, slots=True)
class Source:
    """Units that need not be paid for: the card's own allowance, a pool's or a grant's, and how many are `left`."""

    key: str
    text: str
    left: Decimal | Fraction


@dataclass(slots=True)
class Working(Generic[N]):
    """A charge in the making; each step changes it. All its numbers are of one kind, `number`.

    `used` is what was used in the card's unit, `taken` what came out of each source.
    """

    card: Card
    number: type[N]
    unit: str
    period: Period
    full: Period
    sources: Sequence[Source]
    shares: list[Share[N]]
    free: list[Free[N]]
    used: N
    amount: N
    rows: list[PriceRow[N]] = field(default_factory=list)
    taken: dict[str, N] = field(default_factory=dict)

    def formula(self) -> tuple[PriceRow[N], ...]:
        """Return the rows, which add up to the amount."""
        return tuple(self.rows)

    def quantity(self) -> N:
        """Return the sum of the shares as they are now."""
        found = self.shares
        return found[0].quantity if len(found) == 1 else sum((one.quantity for one in found), self.number(0))


@lru_cache(maxsize=1024)
def included(*, allowance: Decimal, rolled: Decimal) -> Source:
    """Return the units that a card includes, those carried over from the period before among them."""
    text = f"{text_of(allowance + rolled)} included"
    return Source(OWN, f"{text}, {text_of(rolled)} of them carried over" if rolled else text, allowance + rolled)


AnyWorking = Working[Decimal] | Working[Fraction]
Step = Callable[[Working[Any]], None]


def work_out(
    *, card: Card, usage: Usage | None, period: Period, full: Period, sources: Sequence[Source] = ()
) -> AnyWorking:
    """Work out exactly what a card costs for a period; rounding is left to the line.

    `usage` is None for a fixed fee, whose quantity is one. `full` is the whole period of the plan that `period` lies
    in. `sources` are used up in their order. Computed in decimals, and in fractions where those would not be exact.
    Raises NegativeQuantityError, PeriodError and RatingError.
    """
    with localcontext(EXACT):
        return work_exactly(card=card, usage=usage, period=period, full=full, sources=sources)


def work_exactly(
    *, card: Card, usage: Usage | None, period: Period, full: Period, sources: Sequence[Source] = ()
) -> AnyWorking:
    """Do as `work_out`, for a caller that has set `numbers.EXACT` for many cards."""
    try:
        return work_in(Decimal, card=card, usage=usage, period=period, full=full, sources=sources)
    except Inexact:
        return work_in(Fraction, card=card, usage=usage, period=period, full=full, sources=sources)


def work_in(
    number: type[N], *, card: Card, usage: Usage | None, period: Period, full: Period, sources: Sequence[Source]
) -> Working[N]:
    """Work out a card in one kind of number. Raises decimal.Inexact under `numbers.EXACT`, and what `work_out` does."""
    unit, parts = (card.unit, _FIXED) if usage is None else (usage.unit, usage.parts)
    divided, free = shares.divide(card, parts, number)
    work = Working(card, number, unit, period, full, sources, divided, free, number(0), number(0))
    for step in STEPS:
        step(work)
    return work


def _refuse_negative(work: Working[N]) -> None:
    for share in work.shares:
        if share.quantity < 0:
            text = f"{text_of(share.quantity)} {work.unit}"
            raise NegativeQuantityError(f"{work.card.key}: the meter {work.card.meter!r} reports {text}")
    work.used = work.quantity()


def _convert(work: Working[N]) -> None:
    """Divide into the card's unit, and by the seconds of the full period where the meter integrates over time."""
    card = work.card
    if card.divide_by == 1 and not card.per_period:
        return
    seconds = exactly(proration.seconds_of(work.full), work.number) if card.per_period else None
    for share in work.shares:
        share.quantity = quantities.convert(quantity=share.quantity, divide_by=card.divide_by, period_seconds=seconds)
    for free in work.free:
        free.quantity = quantities.convert(quantity=free.quantity, divide_by=card.divide_by, period_seconds=seconds)
    by = [text_of(card.divide_by)] if card.divide_by != 1 else []
    by += [f"{proration.seconds_text(work.full)} of the full period"] if card.per_period else []
    text = f"{text_of(work.used)} {work.unit} divided by {' and '.join(by)}"
    work.used = work.quantity()
    work.rows.append(PriceRow(text, work.used))


def _round(work: Working[N]) -> None:
    """Make whole units where the card says so, of each share."""
    if work.card.rounding == quantities.AS_IT_IS:
        return
    for share in work.shares:
        share.quantity = quantities.round_units(quantity=share.quantity, rounding=work.card.rounding)
    if (rounded := work.quantity()) != work.used:
        work.used = rounded
        text = f"rounded {work.card.rounding.replace('_', ' ')} to whole units"
        work.rows.append(PriceRow(text, rounded))


def _class(work: Working[N]) -> None:
    """Turn units into the credits that they take, where the price is in credits."""
    if not isinstance(work.card.price, Credits):
        return
    for share in work.shares:
        each = share.credits or Decimal(0)
        taken = share.quantity * work.number(each)
        if share.quantity:
            label = f"{share.label}: " if share.label else ""
            text = f"{label}{text_of(share.quantity)} {work.card.unit}, {text_of(each)} {work.card.price.currency} each"
            work.rows.append(PriceRow(text, taken))
        share.quantity = taken
    work.shares = [Share("", work.shares[0].price, work.quantity())]


def _allow(work: Working[N]) -> None:
    """Take off the units that are included, from each source in turn and from the shares in their order."""
    for source in work.sources:
        before = work.quantity()
        left = exactly(source.left, work.number)
        for share in work.shares:
            taken = min(left, share.quantity)
            left, share.quantity = left - taken, share.quantity - taken
            share.is_covered = share.is_covered or bool(taken and not share.quantity)
        after = work.quantity()
        work.taken[source.key] = before - after
        work.rows.append(PriceRow(f"{text_of(before)} used, {source.text}", after))


def _price(work: Working[N]) -> None:
    """Apply the price."""
    price = work.card.price
    if isinstance(price, Percentage) and price.transaction:
        paid = [share.quantity for share in work.shares if not share.is_covered]
        work.rows += transactions(price, paid)
        work.amount = amount_of(work.rows, work.number)
        return
    for share in work.shares:
        rows = explain(share.price, share.quantity)
        if share.label:
            rows = _labelled(share, rows)
        work.rows += rows
    work.amount = amount_of(work.rows, work.number)


def _labelled(share: Share[N], rows: Sequence[PriceRow[N]]) -> tuple[PriceRow[N], ...]:
    """Return the rows that say something, with the share's name before them."""
    return tuple(
        PriceRow(f"{share.label}: {row.text}", row.quantity, row.unit_price, row.amount) for row in rows if row.quantity
    )


def _prorate(work: Working[N]) -> None:
    """Charge a fixed fee or a capacity for the part of the full period that is billed.

    What a meter adds up over time is in part already.
    """
    card = work.card
    if work.period == work.full or not card.prorated or (card.meter and not isinstance(card.price, Capacity)):
        return
    amount = proration.prorate(amount=work.amount, period=work.period, full=work.full)
    seconds = f"{proration.seconds_text(work.period)} of {proration.seconds_text(work.full)}"
    fraction = exactly(work.period.fraction_of(work.full), work.number)
    work.rows.append(PriceRow(f"for {seconds} of the full period", quantity=fraction, amount=amount - work.amount))
    work.amount = amount


STEPS: Final[Sequence[Step]] = (_refuse_negative, _convert, _round, _class, _allow, _price, _prorate)
