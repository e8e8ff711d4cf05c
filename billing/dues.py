"""Dues: which rate cards fall due in a cycle, for which stretch of time, and what prepaid time is given back; pure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from fractions import Fraction

from billing import periods
from billing.money import Money, round_half_up
from billing.periods import Period, seconds_between
from billing.planned import ADVANCE, PlannedCard
from billing.rating.terms import Service


@dataclass(frozen=True, slots=True)
class Clock:
    """What full periods are counted by: the anchor of a subscription and its IANA zone."""

    anchor_at: datetime
    zone: str

    def full(self, *, interval: str, at: datetime) -> Period:
        """Return the full period that holds an instant. Raises PeriodError."""
        return periods.full_period(anchor_at=self.anchor_at, zone=self.zone, interval=interval, at=at)


@dataclass(frozen=True, slots=True)
class Run:
    """A rate card on the same terms without interruption; `free` says why it costs nothing, where it does not.

    `terms` is the digest of its terms: two runs with the same one are one agreement with a gap between.
    """

    planned: PlannedCard
    version_id: int
    rate_card_id: int
    terms: str
    starts_at: datetime
    ends_at: datetime | None = None
    free: str = ""


@dataclass(frozen=True, slots=True)
class Due:
    """A run that is charged for a part of its time, and the full period around that part."""

    run: Run
    service: Service


@dataclass(frozen=True, slots=True)
class Prepaid:
    """A line that was charged in advance: `net` after discounts, `returned` what was given back of it since."""

    line_id: int
    version_id: int
    rate_card_id: int
    card: str
    description: str
    unit: str
    terms: str
    period: Period
    net: Money
    returned: Money


@dataclass(frozen=True, slots=True)
class Unused:
    """What is due back for prepaid time that is no longer agreed; below nothing where it is agreed again."""

    prepaid: Prepaid
    amount: Money
    seconds: Fraction


def in_arrears(*, runs: Iterable[Run], cycle: Period, clock: Clock) -> Iterator[Due]:
    """Yield what is charged after the fact: each part of a run that ends in the cycle, its last instant included.

    A part is what lies within one full period of the card. Free runs are among them, for their usage is shown.
    """
    for run in runs:
        if run.planned.billed == ADVANCE:
            continue
        for service in _services(run, cycle, clock):
            if cycle.starts_at < service.period.ends_at <= cycle.ends_at:
                yield Due(run, service)


def in_advance(*, runs: Iterable[Run], window: Period, prepaid: Sequence[Prepaid], clock: Clock) -> Iterator[Due]:
    """Yield what is charged beforehand in a window: what is agreed in the full periods it meets, and not prepaid."""
    for run in runs:
        if run.planned.billed != ADVANCE or run.free:
            continue
        covered = [one.period for one in prepaid if one.terms == run.terms]
        for service in _services(run, window, clock):
            for part in _without(service.period, covered):
                yield Due(run, Service(period=part, full=service.full))


def unused(*, runs: Sequence[Run], prepaid: Iterable[Prepaid]) -> Iterator[Unused]:
    """Yield what is due back on lines charged in advance: to the second, of what was really charged.

    What is due is the whole less what was returned before, so that asking twice returns nothing twice.
    """
    for line in prepaid:
        held = sum((_overlap(line.period, run) for run in runs if _still_agreed(line, run)), Fraction(0))
        seconds = line.period.seconds - held
        back = round_half_up(Fraction(line.net.amount) * seconds / line.period.seconds, line.net.currency)
        amount = back - line.returned
        if amount:
            yield Unused(prepaid=line, amount=amount, seconds=seconds)


def _still_agreed(line: Prepaid, run: Run) -> bool:
    return run.terms == line.terms and not run.free


def _services(run: Run, window: Period, clock: Clock) -> Iterator[Service]:
    """Yield the run's part of each full period that meets both it and the window."""
    at = max(run.starts_at, window.starts_at)
    last = window.ends_at if run.ends_at is None else min(run.ends_at, window.ends_at)
    while at < last:
        full = clock.full(interval=run.planned.interval, at=at)
        yield Service(period=periods.clip(full=full, starts_at=run.starts_at, ends_at=run.ends_at), full=full)
        at = full.ends_at


def _overlap(period: Period, run: Run) -> Fraction:
    starts_at = max(period.starts_at, run.starts_at)
    ends_at = period.ends_at if run.ends_at is None else min(period.ends_at, run.ends_at)
    return max(seconds_between(starts_at, ends_at), Fraction(0))


def _without(period: Period, covered: Iterable[Period]) -> Iterator[Period]:
    """Yield the parts of a period that no other one covers."""
    at = period.starts_at
    for one in sorted(covered, key=lambda other: other.starts_at):
        if one.ends_at <= at or one.starts_at >= period.ends_at:
            continue
        if one.starts_at > at:
            yield Period(at, one.starts_at)
        at = one.ends_at
    if at < period.ends_at:
        yield Period(at, period.ends_at)
