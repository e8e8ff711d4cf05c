"""Asks PostgreSQL for the partial sums of a question: whole hours from windows, edges from events, in one statement.

One statement sees one state of the database, so windows and events are always those of the same fold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from psycopg.sql import SQL, Composable, Literal

from metering import readings
from metering.quantities import EXACT
from metering.rules import Rule
from metering.slices import Piece, Slice

Group = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Question:
    """What to add up: a meter's usage of one customer and environment in `slices`, by group, under filters.

    With `as_of`, only events of folds up to that one count.
    """

    rule: Rule
    customer_id: int
    environment: str
    slices: list[Slice]
    group_by: tuple[str, ...]
    filters: Mapping[str, Sequence[str]]
    as_of: int | None


@dataclass(frozen=True, slots=True)
class Tally:
    """The sums of some events; two tallies of different events make one of both."""

    count: int
    total: Decimal
    low: Decimal
    high: Decimal

    def __add__(self, other: "Tally") -> "Tally":
        return Tally(
            count=self.count + other.count,
            total=EXACT.add(self.total, other.total),
            low=min(self.low, other.low),
            high=max(self.high, other.high),
        )


@dataclass(frozen=True, slots=True)
class Tallies:
    """The answer: the newest fold it reflects, and a tally per slice, group and (for a peak) fixed window."""

    newest: int
    by_slice: Mapping[tuple[int, Group], Mapping[int | None, Tally]]


_STATEMENT: Final = SQL("""
WITH newest AS (SELECT coalesce(max(number), 0) AS number FROM metering_fold)
SELECT newest.number, t.* FROM newest LEFT JOIN ({parts}) t ON true
""")

_PIECES: Final = SQL("""
unnest({numbers}::int[], {starts}::timestamptz[], {ends}::timestamptz[], {since}::timestamptz[], {until}::timestamptz[])
    AS p (n, starts, ends, since, until)""")

_FROM_WINDOWS: Final = SQL("""
SELECT p.n, {group} AS grp, {bucket} AS bucket,
       sum(w.count)::bigint AS count, sum({total}) AS total, min(w.minimum) AS low, max(w.maximum) AS high
FROM {pieces}
JOIN metering_window w ON w.customer_id = {customer} AND w.meter_id = {meter}
     AND w.starts_at >= p.starts AND w.starts_at < p.ends
WHERE w.environment = {environment} AND {filters}
GROUP BY 1, 2, 3
""")
_WINDOW_LEVEL: Final = SQL("""
CASE WHEN w.starts_at < p.since THEN w.total * extract(epoch FROM p.until - p.since)
     ELSE w.weighted + w.total * extract(epoch FROM p.until - (w.starts_at + interval '1 hour')) END""")

_FROM_EVENTS: Final = SQL("""
SELECT r.n, r.grp, {bucket} AS bucket, count(*) AS count, {sums}
FROM (SELECT p.n, p.since, p.until, {group} AS grp, {value} AS value, e.time, e.source, e.event_id
      FROM {pieces}
      JOIN metering_event e ON e.customer_id = {customer} AND e.time >= p.starts AND e.time < p.ends
      JOIN metering_batch b ON b.id = e.batch_id
      WHERE e.environment = {environment} AND {matches} AND {filters} AND {folded}) r
WHERE r.value IS NOT NULL
GROUP BY 1, 2, 3
""")
_SUMS: Final = SQL("sum({}) AS total, min(r.value) AS low, max(r.value) AS high")
_UNIQUE: Final = SQL("count(DISTINCT r.value)::numeric AS total, 0::numeric AS low, 0::numeric AS high")
_LATEST: Final = SQL("""
(array_agg(r.value ORDER BY r.time DESC, r.source COLLATE "C" DESC, r.event_id COLLATE "C" DESC))[1] AS total,
min(r.value) AS low, max(r.value) AS high""")
_EVENT_LEVEL: Final = SQL("r.value * extract(epoch FROM r.until - greatest(r.time, r.since))")


def collect(*, question: Question, pieces: Sequence[Piece]) -> Tallies:
    """Add up the pieces of a question."""
    whole = [piece for piece in pieces if piece.whole]
    edges = [piece for piece in pieces if not piece.whole]
    parts = ([_from_windows(question, whole)] if whole else []) + ([_from_events(question, edges)] if edges else [])
    rows = readings.fetch(_STATEMENT.format(parts=SQL(" UNION ALL ").join(parts)))
    by_slice: dict[tuple[int, Group], dict[int | None, Tally]] = {}
    for _, number, group, bucket, *sums in rows:
        if number is not None:
            tallies = by_slice.setdefault((number, tuple(group)), {})
            found = Tally(*sums)
            tallies[bucket] = tallies[bucket] + found if bucket in tallies else found
    return Tallies(newest=rows[0][0], by_slice=by_slice)


def _from_windows(question: Question, pieces: Sequence[Piece]) -> Composable:
    column = {name: SQL("(w.dimensions ->> {})").format(Literal(name)) for name in question.rule.dimensions}
    return _FROM_WINDOWS.format(
        group=_group(question, column),
        bucket=_bucket(question.rule, SQL("w.starts_at")),
        total=_WINDOW_LEVEL if question.rule.aggregation.key == "level" else SQL("w.total"),
        pieces=_rows_of(pieces, question.slices),
        customer=Literal(question.customer_id),
        meter=Literal(question.rule.id),
        environment=Literal(question.environment),
        filters=readings.within(question.filters, column),
    )


def _from_events(question: Question, pieces: Sequence[Piece]) -> Composable:
    column = {name: readings.dimension(name) for name in question.rule.dimensions}
    return _FROM_EVENTS.format(
        group=_group(question, column),
        value=readings.value(question.rule),
        bucket=_bucket(question.rule, SQL("r.time")),
        sums=_sums(question.rule),
        pieces=_rows_of(pieces, question.slices),
        customer=Literal(question.customer_id),
        environment=Literal(question.environment),
        matches=readings.matches(question.rule),
        filters=readings.within(question.filters, column),
        folded=_folded(question.as_of),
    )


def _group(question: Question, column: Mapping[str, Composable]) -> Composable:
    return SQL("ARRAY[{}]::text[]").format(SQL(", ").join(column[name] for name in question.group_by))


def _bucket(rule: Rule, time: Composable) -> Composable:
    if rule.aggregation.key != "peak":
        return SQL("NULL::bigint")
    return SQL("floor(extract(epoch FROM {}) / {})::bigint").format(time, Literal(rule.window_seconds))


def _sums(rule: Rule) -> Composable:
    known = {"unique": _UNIQUE, "latest": _LATEST, "level": _SUMS.format(_EVENT_LEVEL)}
    return known.get(rule.aggregation.key) or _SUMS.format(SQL("r.value"))


def _folded(as_of: int | None) -> Composable:
    return SQL("b.fold_id IS NOT NULL") if as_of is None else SQL("b.fold_id <= {}").format(Literal(as_of))


def _rows_of(pieces: Sequence[Piece], slices: Sequence[Slice]) -> Composable:
    """Return the pieces as rows, each with the bounds of its slice, between which a level is weighed."""
    return _PIECES.format(
        numbers=Literal([piece.number for piece in pieces]),
        starts=_times([piece.starts_at for piece in pieces]),
        ends=_times([piece.ends_at for piece in pieces]),
        since=_times([slices[piece.number].starts_at for piece in pieces]),
        until=_times([slices[piece.number].ends_at for piece in pieces]),
    )


def _times(times: list[datetime]) -> Literal:
    return Literal(times)
