"""Back-test: every customer's last periods priced on a plan version, to see who would pay more before it is sold."""

import heapq
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import groupby
from typing import Final

from django.db.models import F, QuerySet, Window
from django.db.models.functions import RowNumber

from agents.models import Customer
from billing import contracts, simulate
from billing.errors import BillingError
from billing.models import BillingPeriod, PlanVersion
from billing.models.subscriptions import PeriodStatus
from billing.money import Money, total, zero
from billing.simulate import Past
from metering import usage
from metering.errors import MeteringError

CHUNK: Final = 50  # customers held in memory at a time
BIGGEST: Final = 10
Watch = Callable[[int, int], None]  # customers done, customers in all


@dataclass(frozen=True, slots=True)
class Outcome:
    """One customer: what its invoices said `before`, and what they would have said `after`, on the version tested.

    A customer that the version cannot price has a `reason`, and counts in no sum.
    """

    customer: Customer
    periods: int
    before: Money
    after: Money
    reason: str = ""

    @property
    def change(self) -> Money:
        """What it would pay more; less where negative."""
        return self.after - self.before


@dataclass(slots=True)
class Revenue:
    """What the customers who pay in one currency come to; memory does not grow with them.

    `winners` would pay less, `losers` more: the ten with the largest change each, the largest first.
    """

    currency: str
    customers: int = 0
    periods: int = 0
    before: Money = field(init=False)
    after: Money = field(init=False)
    winners: tuple[Outcome, ...] = ()
    losers: tuple[Outcome, ...] = ()

    def __post_init__(self) -> None:
        self.before = self.after = zero(self.currency)

    @property
    def change(self) -> Money:
        """What would be earned more; less where negative."""
        return self.after - self.before

    def add(self, outcome: Outcome) -> None:
        """Count a customer that could be priced."""
        self.customers += 1
        self.periods += outcome.periods
        self.before += outcome.before
        self.after += outcome.after
        if outcome.change < zero(self.currency):
            self.winners = _biggest(self.winners, outcome, sign=-1)
        elif outcome.change:
            self.losers = _biggest(self.losers, outcome, sign=1)


@dataclass(slots=True)
class Backtest:
    """What a version would have brought: by currency, and how many customers it cannot price, the first ten of them."""

    version: PlanVersion
    periods: int
    fold: int
    revenue: dict[str, Revenue] = field(default_factory=dict)
    unpriced: int = 0
    unpriced_first: tuple[Outcome, ...] = ()

    def add(self, outcome: Outcome) -> None:
        """Count a customer."""
        if outcome.reason:
            self.unpriced += 1
            self.unpriced_first = (*self.unpriced_first, outcome)[:BIGGEST]
        else:
            self.revenue.setdefault(outcome.before.currency, Revenue(outcome.before.currency)).add(outcome)


def backtest(
    *,
    version: PlanVersion,
    periods: int,
    now: datetime,
    watch: Watch | None = None,
    keep: Callable[[Sequence[Outcome]], None] | None = None,
) -> Backtest:
    """Price the last `periods` periods of every customer, closed before `now`, on a draft or published version.

    Usage is read as of the newest fold, late usage where it happened. `watch` is told after each chunk of customers how
    far it is; `keep` is given the outcomes of the chunk. Writes nothing. Both sides are without credits and taxes.
    """
    tested = Backtest(version=version, periods=periods, fold=usage.latest_fold())
    done, everyone = 0, _closed(now).values("subscription__customer").distinct().count()
    with contracts.holding(version):
        for chunk in _chunks(now):
            outcomes = [_outcome(rows, version, tested.fold) for rows in _last(chunk, periods, now)]
            for outcome in outcomes:
                tested.add(outcome)
            done += len(chunk)
            if keep is not None:
                keep(outcomes)
            if watch is not None:
                watch(done, everyone)
    return tested


def _closed(now: datetime) -> QuerySet[BillingPeriod]:
    return BillingPeriod.objects.filter(status=PeriodStatus.CLOSED, ends_at__lte=now)


def _chunks(now: datetime) -> Iterator[Sequence[int]]:
    """Yield the customers that have a closed period, in the order of their keys, some at a time."""
    customers = _closed(now).values_list("subscription__customer_id", flat=True).distinct()
    last = 0
    while chunk := list(
        customers.filter(subscription__customer_id__gt=last).order_by("subscription__customer_id")[:CHUNK]
    ):
        yield chunk
        last = chunk[-1]


def _last(customers: Sequence[int], periods: int, now: datetime) -> Iterator[Sequence[BillingPeriod]]:
    """Yield the last periods of each customer, the oldest first."""
    rank = Window(RowNumber(), partition_by=F("subscription__customer_id"), order_by=F("ends_at").desc())
    found = _closed(now).filter(subscription__customer_id__in=customers).annotate(rank=rank).filter(rank__lte=periods)
    rows = found.select_related("subscription__customer", "subscription__version__plan")
    ordered = rows.order_by("subscription__customer_id", "starts_at")
    for _, group in groupby(ordered, key=lambda row: row.subscription.customer_id):
        yield list(group)


def _outcome(periods: Sequence[BillingPeriod], version: PlanVersion, fold: int) -> Outcome:
    """Return what one customer's periods come to; with the reason where they cannot be priced."""
    customer, currency = periods[0].subscription.customer, periods[0].subscription.currency
    before = total([one.amount for one in simulate.billed(periods=periods)], currency)
    past = Past.of(periods=periods, as_of=fold)
    try:
        after = total([one.amount for one in simulate.priced(past=past, version=version)], currency)
    except (BillingError, MeteringError) as error:
        return Outcome(customer, len(periods), before, zero(currency), reason=f"{type(error).__name__}: {error}")
    return Outcome(customer, len(periods), before, after)


def _biggest(held: tuple[Outcome, ...], outcome: Outcome, *, sign: int) -> tuple[Outcome, ...]:
    """Return the largest changes of one direction, the largest first; the earlier customer where they are equal."""
    return tuple(heapq.nlargest(BIGGEST, (*held, outcome), key=lambda one: sign * one.change.amount))
