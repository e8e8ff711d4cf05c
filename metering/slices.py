"""Cuts a period into slices on a local calendar, and slices into stretches of windows and of events; pure."""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from metering.aggregation import EPOCH, MICROSECOND
from metering.errors import InvalidQueryError

MINUTE: Final = timedelta(minutes=1)
HOUR: Final = timedelta(hours=1)
BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)
MAX_SLICES: Final = 10_000


class Span(StrEnum):
    """How long the slices of an answer are; a day or month is one of the local calendar."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


class Slice(Struct, frozen=True):
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
    bounds, at = [first], whole.starts_at
    while at < whole.ends_at:
        if len(bounds) > MAX_SLICES:
            raise InvalidQueryError("window", f"The answer would have more than {MAX_SLICES} windows.")
        at = _next_bound(bounds[-1], at, span)
        bounds.append(at.astimezone(zone))
    bounds[-1] = last
    return [Slice(one, other) for one, other in pairwise(bounds)]


def _next_bound(local: datetime, at: datetime, span: Span) -> datetime:
    """Return, in UTC, the next start of a local span after `local`, which is `at` in UTC.

    Minutes and hours are counted in elapsed time. Where a clock change skips midnight, a day starts with the change.
    """
    if span is Span.MINUTE:
        return at + MINUTE - timedelta(seconds=local.second, microseconds=local.microsecond)
    if span is Span.HOUR:
        return at + HOUR - timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    if span is Span.DAY:
        day = local.date() + timedelta(days=1)
        return datetime(day.year, day.month, day.day, tzinfo=local.tzinfo).astimezone(UTC)
    year, month = local.year + local.month // 12, local.month % 12 + 1
    return datetime(year, month, 1, tzinfo=local.tzinfo).astimezone(UTC)


def stretches(*, slices: Sequence[Slice], widths: Sequence[int], with_history: bool) -> list[Stretch]:
    """Return how to read the slices, which must adjoin, in order and without gap or overlap.

    `widths` are those of the windows there are, longest first; no window reaches over the bound of a slice. With
    `with_history` all that came before the first slice is read, too.
    """
    bounds = [(at - EPOCH) // MICROSECOND for at in (slices[0].starts_at, *(one.ends_at for one in slices))]
    found: list[list[int]] = []
    if with_history:
        _extend(found, _split((BEGINNING - EPOCH) // MICROSECOND, bounds[0], widths))
    common = _common_width(bounds, widths)
    if common is not None:
        _extend(found, [(common, bounds[0], bounds[-1])])
    else:
        for starts_at, ends_at in pairwise(bounds):
            _extend(found, _split(starts_at, ends_at, widths))
    return [Stretch(width, EPOCH + first * MICROSECOND, EPOCH + last * MICROSECOND) for width, first, last in found]


def equal_length(*, slices: Sequence[Slice]) -> timedelta | None:
    """Return the whole seconds that all slices last, but that the outer two may be shorter; null where they differ.

    There must be three of them, so that the length is certain.
    """
    bounds = [one.starts_at.astimezone(UTC) for one in slices]
    lengths = {last - first for first, last in pairwise(bounds[1:])}
    if len(lengths) != 1:
        return None
    (length,) = lengths
    outer = bounds[1] - bounds[0], slices[-1].ends_at.astimezone(UTC) - bounds[-1]
    return length if max(outer) <= length and not length.microseconds else None


def _extend(found: list[list[int]], more: Iterable[tuple[int, int, int]]) -> None:
    """Add stretches (width, from, to), making one of two that adjoin and are read in the same way."""
    for width, first, last in more:
        if found and found[-1][0] == width:
            found[-1][2] = last
        else:
            found.append([width, first, last])


def _common_width(bounds: Sequence[int], widths: Sequence[int]) -> int | None:
    """Return the width whose windows fill every slice, where no longer ones would fit: a short cut for many slices."""
    unit, longest = math.gcd(*bounds), max(last - first for first, last in pairwise(bounds))
    for place, width in enumerate(widths):
        if unit % (width * 10**6) == 0:
            return width if place == 0 or longest < widths[place - 1] * 10**6 else None
    return None


def _split(starts_at: int, ends_at: int, widths: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Yield the longest windows that fit, and what they leave at both ends in shorter ones, and at last in events."""
    if starts_at >= ends_at:
        return
    if not widths:
        yield 0, starts_at, ends_at
        return
    width = widths[0] * 10**6
    first, last = -(-starts_at // width) * width, ends_at // width * width
    if first >= last:
        yield from _split(starts_at, ends_at, widths[1:])
        return
    yield from _split(starts_at, first, widths[1:])
    yield widths[0], first, last
    yield from _split(last, ends_at, widths[1:])
