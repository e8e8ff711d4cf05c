"""Usage over time as people read it: a value for every hour or day, and seats as a number held, not as seat-seconds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from metering import usage
from metering.usage import MeterInfo, Span

LEVEL: Final = "level"
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Moment:
    """One hour or day of the time asked for; the first and the last may be parts of one."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Course:
    """What one value of the split (None: events that do not say) came to in each moment, and in the whole time."""

    name: str | None
    quantities: tuple[Decimal, ...]
    whole: Decimal


@dataclass(frozen=True, slots=True)
class Reading:
    """The usage of a meter over time, largest course first, as of a fold."""

    moments: tuple[Moment, ...]
    courses: tuple[Course, ...]
    fold: int


def unit_of(meter: MeterInfo) -> str:
    """Return the unit that is shown: what a level holds, else the meter's own."""
    return meter.unit.removesuffix("-second") if meter.aggregation == LEVEL else meter.unit


def read_courses(
    *,
    customer_id: int,
    meter: MeterInfo,
    starts_at: datetime,
    ends_at: datetime,
    window: Span,
    zone: ZoneInfo,
    split: str = "",
    filters: Mapping[str, Sequence[str]] | None = None,
) -> Reading:
    """Return the usage of each hour or day in [starts_at, ends_at), with a zero where nothing was used.

    The whole time is read by itself, because peaks and the like do not add up. Raises what `usage.read` raises.
    """
    ask = partial(
        usage.read,
        customer_id=customer_id,
        meter=meter.key,
        starts_at=starts_at,
        ends_at=ends_at,
        group_by=(split,) if split else (),
        filters=filters,
    )
    sliced = ask(window=window, zone=zone.key)
    whole = ask(as_of=sliced.fold)
    found = {(row.starts_at.astimezone(UTC), row.group.get(split)): row for row in sliced.rows}
    moments = _moments(starts_at, ends_at, window, zone, {at for at, _ in found})
    courses = [
        Course(
            name=row.group.get(split),
            quantities=tuple(_shown(meter, found, moment, row.group.get(split)) for moment in moments),
            whole=_level(meter, row),
        )
        for row in whole.rows
    ]
    courses.sort(key=lambda course: (-course.whole, course.name or ""))
    return Reading(moments=moments, courses=tuple(courses), fold=sliced.fold)


def _shown(
    meter: MeterInfo,
    found: Mapping[tuple[datetime, str | None], usage.UsageRow],
    moment: Moment,
    name: str | None,
) -> Decimal:
    row = found.get((moment.starts_at.astimezone(UTC), name))
    return _level(meter, row) if row else Decimal(0)


def _level(meter: MeterInfo, row: usage.UsageRow) -> Decimal:
    """Turn unit-seconds into the average number held; every other quantity is shown as it is."""
    if meter.aggregation != LEVEL:
        return row.quantity
    # In UTC, because Python subtracts two datetimes of one zone by their wall clocks, DST or not.
    length = row.ends_at.astimezone(UTC) - row.starts_at.astimezone(UTC)
    return row.quantity / (Decimal(length // _MICROSECOND) / 10**6)


def _moments(
    starts_at: datetime, ends_at: datetime, window: Span, zone: ZoneInfo, known: set[datetime]
) -> tuple[Moment, ...]:
    """Return the hours or days of the time; those that metering answered with are `known`, the rest fills the gaps."""
    bounds = {starts_at.astimezone(UTC)} | known
    local = starts_at.astimezone(zone)
    while (local := _next_bound(local, window, zone)) < ends_at:
        bounds.add(local.astimezone(UTC))
    ordered = [*sorted(bounds), ends_at.astimezone(UTC)]
    return tuple(
        Moment(starts_at=one.astimezone(zone), ends_at=other.astimezone(zone)) for one, other in pairwise(ordered)
    )


def _next_bound(local: datetime, window: Span, zone: ZoneInfo) -> datetime:
    """Return the next full hour (of elapsed time) or local midnight."""
    if window is Span.HOUR:
        hour = local.replace(minute=0, second=0, microsecond=0).astimezone(UTC)
        return (hour + timedelta(hours=1)).astimezone(zone)
    day = local.date() + timedelta(days=1)
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC).astimezone(zone)
