"""Cuts a period into slices on a local calendar, and slices into stretches of windows and of events; pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from metering.aggregation import EPOCH
from metering.errors import InvalidQueryError

HOUR: Final = timedelta(hours=1)
BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)
MAX_SLICES: Final = 10_000


class Span(StrEnum):
    """How long the slices of an answer are; a day or month is one of the local calendar."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Slice:
    """A half-open part of the period asked for, whose quantity is one row of the answer (per group)."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time that is read in one way: from the windows of `width` seconds that fill it, or for 0 from events."""

    width: int
    starts_at: datetime
    ends_at: datetime


def period(*, starts_at: datetime, ends_at: datetime) -> Slice:
    """Return the period in UTC. Raises InvalidQueryError unless the bounds are aware and in order."""
    for name, bound in (("starts_at", starts_at), ("ends_at", ends_at)):
        if bound.tzinfo is None:
            raise InvalidQueryError(name, "A time needs an offset from UTC.")
    # Compared in UTC: two times of one zone compare by their wall clocks, which run twice through one hour a year.
    one = Slice(starts_at.astimezone(UTC), ends_at.astimezone(UTC))
    if one.starts_at >= one.ends_at:
        raise InvalidQueryError("ends_at", "The period must end after it starts.")
    return one


def cut(*, whole: Slice, span: Span | None, zone: ZoneInfo) -> list[Slice]:
    """Return the slices of a period (from `period`) in order; the outer two may be parts of a local span.

    Raises InvalidQueryError where there would be more than MAX_SLICES.
    """
    first, last = whole.starts_at.astimezone(zone), whole.ends_at.astimezone(zone)
    if span is None:
        return [Slice(first, last)]
    bounds = [first]
    while bounds[-1].astimezone(UTC) < whole.ends_at:
        if len(bounds) > MAX_SLICES:
            raise InvalidQueryError("window", f"The answer would have more than {MAX_SLICES} windows.")
        bounds.append(_next_bound(bounds[-1], span, zone))
    bounds[-1] = last
    return [Slice(one, other) for one, other in pairwise(bounds)]


def _next_bound(local: datetime, span: Span, zone: ZoneInfo) -> datetime:
    """Return the next start of a local span after `local`; minutes and hours are counted in elapsed time."""
    if span is Span.MINUTE:
        return (local.replace(second=0, microsecond=0).astimezone(UTC) + timedelta(minutes=1)).astimezone(zone)
    if span is Span.HOUR:
        hour = local.replace(minute=0, second=0, microsecond=0)
        return (hour.astimezone(UTC) + HOUR).astimezone(zone)
    if span is Span.DAY:
        day = local.date() + timedelta(days=1)
        return _midnight(day.year, day.month, day.day, zone)
    return _midnight(local.year + local.month // 12, local.month % 12 + 1, 1, zone)


def _midnight(year: int, month: int, day: int, zone: ZoneInfo) -> datetime:
    """Return when a local day starts; where a clock change skips midnight, the instant of the change."""
    return datetime(year, month, day, tzinfo=zone).astimezone(UTC).astimezone(zone)


def stretches(*, slices: Sequence[Slice], widths: Sequence[int], with_history: bool) -> list[Stretch]:
    """Return how to read the slices, which must adjoin, in order and without gap or overlap.

    `widths` are those of the windows there are, longest first; no window reaches over the bound of a slice. With
    `with_history` all that came before the first slice is read, too.
    """
    bounds = [slices[0].starts_at, *(one.ends_at for one in slices)]
    found: list[Stretch] = []
    for starts_at, ends_at in pairwise(([BEGINNING] if with_history else []) + [at.astimezone(UTC) for at in bounds]):
        for one in _split(starts_at, ends_at, widths):
            if found and found[-1].width == one.width:
                found[-1] = replace(found[-1], ends_at=one.ends_at)
            else:
                found.append(one)
    return found


def _split(starts_at: datetime, ends_at: datetime, widths: Sequence[int]) -> Iterator[Stretch]:
    """Yield the longest windows that fit, and what they leave at both ends in shorter ones, and at last in events."""
    if starts_at >= ends_at:
        return
    if not widths:
        yield Stretch(0, starts_at, ends_at)
        return
    width = timedelta(seconds=widths[0])
    first, last = EPOCH + -((EPOCH - starts_at) // width) * width, EPOCH + (ends_at - EPOCH) // width * width
    if first >= last:
        yield from _split(starts_at, ends_at, widths[1:])
        return
    yield from _split(starts_at, first, widths[1:])
    yield Stretch(widths[0], first, last)
    yield from _split(last, ends_at, widths[1:])
