"""Rehearsals: a back-test asked for in the admin, run in the background, and kept row by row for those who decide."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_FLOOR, Decimal
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count, F, QuerySet, Sum

from billing import approvals
from billing.backtest import BIGGEST, Backtest, Outcome, backtest
from billing.models import PlanVersion, Rehearsal, RehearsalResult
from billing.models.rehearsals import RehearsalState
from billing.money import Money

LOCK: Final = 0x52454845  # the class of advisory locks that rehearsals take, by their key
STEP: Final = 5  # percent of change that one bar of the chart is wide
EDGE: Final = 50  # percent from which on all is one bar


@dataclass(frozen=True, slots=True)
class Bar:
    """How many customers would pay so much more: `from_percent` inclusive, `to_percent` exclusive, None without end."""

    from_percent: int | None
    to_percent: int | None
    customers: int


@dataclass(frozen=True, slots=True)
class Summary:
    """What a rehearsal found for the customers who pay in one currency; `bars` cover every change without a gap."""

    currency: str
    customers: int
    before: Money
    after: Money
    winners: tuple[RehearsalResult, ...]
    losers: tuple[RehearsalResult, ...]
    bars: tuple[Bar, ...]

    @property
    def change(self) -> Money:
        """What would be earned more; less where negative."""
        return self.after - self.before

    @property
    def percent(self) -> Decimal | None:
        """The change in percent, to a tenth; None where nothing was earned before."""
        return None if not self.before else (100 * self.change.amount / self.before.amount).quantize(Decimal("0.1"))


def request(*, version: PlanVersion, periods: int, by: User | None, now: datetime) -> Rehearsal:
    """Ask for a back-test of a version; `run` does it. Raises IntegrityError for less than one period."""
    digest = approvals.digest_of(version)
    return Rehearsal.objects.create(version=version, digest=digest, periods=periods, requested_by=by, requested_at=now)


def run(*, rehearsal: Rehearsal, now: datetime) -> Backtest | None:
    """Do a rehearsal and keep each customer's result; None where it is done, or being done by another worker.

    A run that was killed is begun anew. One that fails says so on its row, and raises what it failed of.
    """
    with _alone(rehearsal) as alone:
        rows = Rehearsal.objects.filter(pk=rehearsal.pk)
        if not alone or rows.exclude(state=RehearsalState.DONE).update(state=RehearsalState.RUNNING) != 1:
            return None
        RehearsalResult.objects.filter(rehearsal=rehearsal).delete()
        try:
            tested = _run(rehearsal, rows, now)
        except Exception as error:
            rows.update(state=RehearsalState.FAILED, error=f"{type(error).__name__}: {error}", finished_at=now)
            raise
        rows.update(state=RehearsalState.DONE, fold=tested.fold, finished_at=now, error="")
        return tested


def summaries(*, rehearsal: Rehearsal) -> tuple[Summary, ...]:
    """Return what was found, by currency; customers that could not be priced are in `unpriced`."""
    found = _priced(rehearsal).values("currency").order_by("currency")
    sums = found.annotate(customers=Count("pk"), before=Sum("before"), after=Sum("after"))
    return tuple(_summary(rehearsal, row) for row in sums)


def unpriced(*, rehearsal: Rehearsal) -> QuerySet[RehearsalResult]:
    """Return the customers that the version cannot price, each with its reason."""
    return rehearsal.results.exclude(reason="").select_related("customer").order_by("customer__key")


def is_current(*, rehearsal: Rehearsal) -> bool:
    """Whether the version still says what was rehearsed."""
    return approvals.digest_of(rehearsal.version) == rehearsal.digest


def _run(rehearsal: Rehearsal, rows: QuerySet[Rehearsal], now: datetime) -> Backtest:
    def watch(done: int, everyone: int) -> None:
        rows.update(customers_done=done, customers_total=everyone)

    def keep(outcomes: Sequence[Outcome]) -> None:
        RehearsalResult.objects.bulk_create(_row(rehearsal, outcome) for outcome in outcomes)

    return backtest(version=rehearsal.version, periods=rehearsal.periods, now=now, watch=watch, keep=keep)


def _row(rehearsal: Rehearsal, outcome: Outcome) -> RehearsalResult:
    return RehearsalResult(
        rehearsal=rehearsal,
        customer=outcome.customer,
        currency=outcome.before.currency,
        periods=outcome.periods,
        before=outcome.before.amount,
        after=outcome.after.amount,
        reason=outcome.reason,
    )


@contextmanager
def _alone(rehearsal: Rehearsal) -> Iterator[bool]:
    """Hold the rehearsal against other workers for as long as this connection lives; says whether it is held."""
    key = [LOCK, rehearsal.pk]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_lock(%s, %s)", key)
        held = bool(cursor.fetchone()[0])
    try:
        yield held
    finally:
        if held:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_unlock(%s, %s)", key)


def _priced(rehearsal: Rehearsal) -> QuerySet[RehearsalResult]:
    return rehearsal.results.filter(reason="")


def _summary(rehearsal: Rehearsal, row: Mapping[str, Any]) -> Summary:
    currency: str = row["currency"]
    results = _priced(rehearsal).filter(currency=currency).annotate(change=F("after") - F("before"))
    people = results.select_related("customer")
    amounts = {name: Money(row[name], currency) for name in ("before", "after")}
    return Summary(
        currency=currency,
        customers=row["customers"],
        **amounts,
        winners=tuple(people.filter(change__lt=0).order_by("change", "customer_id")[:BIGGEST]),
        losers=tuple(people.filter(change__gt=0).order_by("-change", "customer_id")[:BIGGEST]),
        bars=_bars(results),
    )


def _bars(results: QuerySet[RehearsalResult]) -> tuple[Bar, ...]:
    counted = Counter(_bucket(before, after) for before, after in results.values_list("before", "after").iterator())
    inner = tuple(Bar(at, at + STEP, counted[at]) for at in range(-EDGE, EDGE, STEP))
    return (Bar(None, -EDGE, counted[-EDGE - STEP]), *inner, Bar(EDGE, None, counted[EDGE]))


def _bucket(before: Decimal, after: Decimal) -> int:
    """Return where the bar of a change starts; who paid nothing before counts at an edge, or as unchanged."""
    if before <= 0:
        return 0 if after == before else EDGE if after > before else -EDGE - STEP
    steps = (100 * (after - before) / before / STEP).to_integral_value(rounding=ROUND_FLOOR)
    return max(-EDGE - STEP, min(EDGE, int(steps) * STEP))
