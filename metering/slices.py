"""Cuts a period into slices on a local calendar, and slices into whole hours and edges; pure."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from metering.errors import InvalidQueryError

HOUR: Final = timedelta(hours=1)
BEGINNING: Final = datetime(1, 1, 1, tzinfo=UTC)
MAX_SLICES: Final = 10_000


class Span(StrEnum):
    """How long the slices of an answer are; a day or month is one of the local calendar."""

    HOUR = "hour"
    DAY = "day"
    MONTH = "month"


@dataclass(frozen=True, slots=True)
class Slice:
    """A half-open part of the period asked for, whose quantity is one row of the answer (per group)."""

    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of slice `number` that is read in one way: `whole` hours from windows, edges from events."""

    number: int
    starts_at: datetime
    ends_at: datetime
    whole: bool


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
    """Return the slices of a period (from `period`) in order; the outer two may be parts of a local hour, day or month.

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
    """Return the next start of a local hour, day or month after `local`; hours are counted in elapsed time."""
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


def pieces(*, slices: list[Slice], use_windows: bool, with_history: bool) -> list[Piece]:
    """Return how to read the slices; with `with_history` all that came before each slice is read for it, too."""
    return [
        piece
        for number, one in enumerate(slices)
        for piece in _pieces(number, BEGINNING if with_history else one.starts_at, one, use_windows=use_windows)
    ]


def _pieces(number: int, since: datetime, one: Slice, *, use_windows: bool) -> Iterator[Piece]:
    bounds = [since.astimezone(UTC), one.starts_at.astimezone(UTC), one.ends_at.astimezone(UTC)]
    for starts_at, ends_at in pairwise(bounds):
        if starts_at < ends_at:
            yield from (
                _split(number, starts_at, ends_at) if use_windows else [Piece(number, starts_at, ends_at, whole=False)]
            )


def _split(number: int, starts_at: datetime, ends_at: datetime) -> Iterator[Piece]:
    first, last = -(-_since_beginning(starts_at) // HOUR), _since_beginning(ends_at) // HOUR
    if first >= last:
        yield Piece(number, starts_at, ends_at, whole=False)
        return
    core_start, core_end = BEGINNING + first * HOUR, BEGINNING + last * HOUR
    yield Piece(number, core_start, core_end, whole=True)
    if starts_at < core_start:
        yield Piece(number, starts_at, core_start, whole=False)
    if core_end < ends_at:
        yield Piece(number, core_end, ends_at, whole=False)


def _since_beginning(time: datetime) -> timedelta:
    return time - BEGINNING
