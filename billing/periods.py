"""Billing periods: half-open stretches of time, cut at the same local instant of each month, whatever the clocks do."""

from calendar import monthrange
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from billing.errors import PeriodError

MONTHS: Final[Mapping[str, int]] = MappingProxyType({"month": 1, "quarter": 3, "year": 12})
_MICROSECOND: Final = timedelta(microseconds=1)


def seconds_between(starts_at: datetime, ends_at: datetime) -> Fraction:
    """Return the exact seconds from one instant to another."""
    return Fraction((ends_at - starts_at) // _MICROSECOND, 10**6)


@dataclass(frozen=True, slots=True)
class Period:
    """The half-open `[starts_at, ends_at)` between two instants. Raises PeriodError for naive or swapped bounds."""

    starts_at: datetime
    ends_at: datetime

    def __post_init__(self) -> None:
        if self.starts_at.utcoffset() is None or self.ends_at.utcoffset() is None:
            raise PeriodError("a period's bounds need a time zone")
        # In UTC, because Python subtracts two datetimes of one zone by their wall clocks, DST or not.
        object.__setattr__(self, "starts_at", self.starts_at.astimezone(UTC))
        object.__setattr__(self, "ends_at", self.ends_at.astimezone(UTC))
        if self.ends_at <= self.starts_at:
            raise PeriodError(f"a period must end after it starts: {self.starts_at} to {self.ends_at}")

    @property
    def seconds(self) -> Fraction:
        """How long it is; a month that loses an hour to DST is an hour shorter."""
        return seconds_between(self.starts_at, self.ends_at)

    def contains(self, instant: datetime) -> bool:
        """Whether the instant is in it; the start is, the end is not."""
        return self.starts_at <= instant < self.ends_at

    def fraction_of(self, full: "Period") -> Fraction:
        """Return which part of `full` this is. Raises PeriodError where it is not within `full`."""
        if self.starts_at < full.starts_at or self.ends_at > full.ends_at:
            raise PeriodError(f"{self} is not within {full}")
        return self.seconds / full.seconds

    def __str__(self) -> str:
        return f"[{self.starts_at.isoformat()}, {self.ends_at.isoformat()})"


def full_period(*, anchor_at: datetime, zone: str, interval: str, at: datetime) -> Period:
    """Return the whole period of a plan that holds the instant `at`.

    Periods are counted from `anchor_at` in the customer's IANA `zone`: the same day and time of each month, the last
    day of a month that lacks the day (31 January, 28 February, 31 March). A local time that the clocks skip is taken
    as if they had not yet changed. Raises PeriodError for an unknown zone or interval, or a naive instant.
    """
    if anchor_at.utcoffset() is None or at.utcoffset() is None:
        raise PeriodError("anchor and instant need a time zone")
    anchor = anchor_at.astimezone(_zone(zone))
    step = _months(interval)
    local = at.astimezone(anchor.tzinfo)
    index = ((local.year - anchor.year) * 12 + local.month - anchor.month) // step
    if _boundary(anchor, index * step) > at:
        index -= 1
    return Period(_boundary(anchor, index * step), _boundary(anchor, (index + 1) * step))


def finest(intervals: Iterable[str]) -> str:
    """Return the shortest of at least one interval: at its bounds all the longer ones change, too."""
    return min(intervals, key=_months)


def after(*, start: datetime, zone: str, months: int = 0, days: int = 0) -> datetime:
    """Return the instant so many months, then days, after `start` by the calendar and clocks of the IANA `zone`.

    Raises PeriodError for an unknown zone or a naive instant.
    """
    if start.utcoffset() is None:
        raise PeriodError("an instant needs a time zone")
    local = _boundary(start.astimezone(_zone(zone)), months).astimezone(_zone(zone))
    return (local + timedelta(days=days)).astimezone(UTC)  # of one zone, so Python moves the wall clock


def clip(*, full: Period, starts_at: datetime, ends_at: datetime | None = None) -> Period:
    """Return the part of `full` within `[starts_at, ends_at)`: the partial first or last period of a subscription.

    Raises PeriodError where they do not meet.
    """
    return Period(max(full.starts_at, starts_at), full.ends_at if ends_at is None else min(full.ends_at, ends_at))


def split(*, period: Period, at: datetime) -> tuple[Period, Period]:
    """Cut a period in two; the instant of the cut belongs to the later part. Raises PeriodError at or past a bound."""
    return Period(period.starts_at, at), Period(at, period.ends_at)


def _boundary(anchor: datetime, months: int) -> datetime:
    """Return the instant `months` after the anchor, in UTC; always counted from the anchor, so that days recover.

    Only the anchor itself may be the second of two equal wall-clock times; carried into a gap, that mark would move a
    boundary backwards, perhaps into the month before.
    """
    year, month = divmod(anchor.year * 12 + anchor.month - 1 + months, 12)
    day = min(anchor.day, monthrange(year, month + 1)[1])
    fold = anchor.fold if months == 0 else 0
    return anchor.replace(year=year, month=month + 1, day=day, fold=fold).astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        raise PeriodError(f"{name!r} is no IANA time zone") from None


def _months(interval: str) -> int:
    try:
        return MONTHS[interval]
    except KeyError:
        raise PeriodError(f"{interval!r} is not one of {', '.join(MONTHS)}") from None


def instant(*, text: str) -> datetime:
    """Return an ISO 8601 time that names its offset. Raises PeriodError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise PeriodError(f"{text!r} is no ISO 8601 time") from None
    if at.utcoffset() is None:
        raise PeriodError(f"{text!r} has no offset from UTC")
    return at
