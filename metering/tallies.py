"""Asks PostgreSQL for the sums of a question: from windows where they fill its slices, at the edges from events.

One statement sees one state of the database, so windows and events are always those of the same fold.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from msgspec import Struct
from psycopg.sql import SQL, Composable, Literal

from metering import horizon, readings, rewinds, slices
from metering.aggregation import Period, rank_of
from metering.errors import ArchivedUsageError, InvalidQueryError, YoungMeterError
from metering.judging import MAX_AHEAD
from metering.rules import Rule
from metering.slices import BEGINNING, Slice, Stretch

Group = tuple[str | None, ...]
MAX_ROWS: Final = 100_000
BEFORE: Final = -1  # the number of what came before the first slice, where the history counts


@dataclass(frozen=True, slots=True)
class Question:
    """What to add up: a meter's usage of one customer and environment in `slices`, by group, under filters.

    With `as_of`, only events of folds up to that one count. `relation` is where events are read from, where that is not
    what is stored; it must hold all of them.
    """

    rule: Rule
    customer_id: int
    environment: str
    slices: list[Slice]
    group_by: tuple[str, ...]
    filters: Mapping[str, Sequence[str]]
    as_of: int | None
    rewinds: bool = False  # windows are read as of an older fold
    relation: Composable | None = None

    @property
    def reads_totals(self) -> bool:
        """Whether the windows of all dimensions together answer it."""
        return not self.rule.dimensions or (not self.group_by and not self.filters)


class Tally(Struct, frozen=True):
    """What one slice of a group came to; for a level, what its events add to it, and by how much they change it."""

    quantity: Decimal
    change: Decimal


@dataclass(frozen=True, slots=True)
class Tallies:
    """The answer: the newest fold it reflects, whether windows held all of the meter, a tally per slice and group."""

    newest: int
    is_complete: bool
    by_slice: Mapping[tuple[int, Group], Tally]


@dataclass(frozen=True, slots=True)
class _Measure:
    """How an aggregation takes its parts from a window `w` (of series `s`) and an event `e`, and puts them together."""

    window: Composable
    event: Composable
    whole: Composable
    has_series: bool = False


_ONE_VALUE: Final = SQL("e.value")
_SUM: Final = SQL("sum(p.value)")
_MEASURES: Final[Mapping[str, _Measure]] = MappingProxyType(
    {
        "count": _Measure(SQL("w.count::numeric"), _ONE_VALUE, _SUM),
        "sum": _Measure(SQL("w.total"), _ONE_VALUE, _SUM),
        "peak": _Measure(SQL("w.total"), _ONE_VALUE, _SUM),
        "level": _Measure(SQL("w.total"), _ONE_VALUE, _SUM),
        "min": _Measure(SQL("w.minimum"), _ONE_VALUE, SQL("min(p.value)")),
        "max": _Measure(SQL("w.maximum"), _ONE_VALUE, SQL("max(p.value)")),
        "unique": _Measure(SQL("s.member"), _ONE_VALUE, SQL("count(DISTINCT p.value)::numeric"), has_series=True),
        "latest": _Measure(SQL("w.last"), SQL("e.last"), SQL('(max(p.value COLLATE "C"))[4]::numeric')),
    }
)

_STATEMENT: Final = SQL("""
WITH state AS (
    SELECT coalesce(f.newest, 0) AS newest, c.since,
           coalesce(c.through_fold >= c.from_fold - 1, f.newest IS NULL) AS is_complete
    FROM (SELECT max(number) AS newest FROM metering_fold) f LEFT JOIN metering_coverage c ON c.meter_id = {meter}),
p AS ({parts})
SELECT state.newest, state.is_complete, state.since, t.* FROM state LEFT JOIN ({whole}) t ON true
""")
_WHOLE: Final = SQL("""
SELECT p.n, p.grp, {value} AS quantity, {change} AS change FROM p GROUP BY p.n, p.grp HAVING {some} LIMIT {limit}""")
_SOME: Final = SQL("sum(p.events) > 0")  # a rewind may leave none
_PEAK: Final = SQL("""
SELECT b.n, b.grp, coalesce((array_agg(b.value ORDER BY b.value DESC))[({ranks}::int[])[b.n + 1]], 0) AS quantity,
       0::numeric AS change
FROM (SELECT p.n, p.grp, p.bucket, sum(p.value) AS value FROM p GROUP BY 1, 2, 3 HAVING {some}) b
GROUP BY 1, 2 LIMIT {limit}""")

# Which slice a window or event lies in: the slices adjoin, so one search in their bounds tells; 0 is before them.
_NUMBER: Final = SQL("width_bucket({time}, {bounds}) - 1")
_NUMBER_OF_EQUALS: Final = SQL("floor(extract(epoch FROM {time} - {first}) / {seconds})::int")
_UNTIL: Final = SQL("extract(epoch FROM ({bounds})[width_bucket({time}, {bounds}) + 1] - {time})")

_FROM_WINDOWS: Final = SQL("""
SELECT {number} AS n, {group} AS grp, {value} AS value, {weighted} AS weighted, {bucket} AS bucket, w.count AS events
FROM unnest({widths}::int[], {starts}::timestamptz[], {ends}::timestamptz[]) AS x (width, starts, ends)
CROSS JOIN LATERAL (
    SELECT * FROM metering_window w
    WHERE w.customer_id = {customer} AND w.meter_id = {meter} AND w.environment = {environment} AND w.is_total = {total}
      AND w.width = x.width AND w.starts_at >= x.starts AND w.starts_at < x.ends
    OFFSET 0) w
{series}
WHERE {filters}""")
_SERIES: Final = SQL("JOIN metering_series s ON s.customer_id = w.customer_id AND s.id = w.series_id")
_EVENT_WEIGHT: Final = SQL("e.value * {until}")
_SIGNED_WEIGHT: Final = SQL("e.value * e.sign * {until}")
_WINDOW_WEIGHT: Final = SQL("w.weighted + w.total * ({until} - w.width)")

_FROM_EVENTS: Final = SQL("""
SELECT {number} AS n, e.grp, {value} AS value, {weighted} AS weighted, {bucket} AS bucket, e.sign AS events
FROM (SELECT e.time, e.sign, {group} AS grp, {reading} AS value, {place} AS last
      FROM (SELECT {content}, e.sign FROM ({source}) e OFFSET 0) e
      WHERE {matches} AND {filters}) e
WHERE e.value IS NOT NULL""")
_EDGES: Final = SQL("""
SELECT e.*, 1 AS sign
FROM unnest({starts}::timestamptz[], {ends}::timestamptz[], {received}::timestamptz[]) AS x (starts, ends, received)
CROSS JOIN LATERAL (
    SELECT e.* FROM {relation} e JOIN metering_batch b ON b.id = e.batch_id
    WHERE e.customer_id = {customer} AND e.environment = {environment} AND {type}
      AND e.time >= x.starts AND e.time < x.ends AND e.received_at >= x.received AND {counted}
    OFFSET 0) e
""")


def collect(*, question: Question, stretches: Sequence[Stretch]) -> Tallies:
    """Add up what a question asks for.

    Raises InvalidQueryError where the answer would have more than MAX_ROWS rows, ArchivedUsageError where windows
    cannot answer it and some of the events lie in an archive, and YoungMeterError where these windows never held them.
    """
    windows = [one for one in stretches if one.width]
    edges = [one for one in stretches if not one.width]
    if question.relation is None:
        _require_stored(edges)
    parts = SQL(" UNION ALL ").join(_parts(question, windows, edges))
    rows = readings.fetch(_STATEMENT.format(meter=Literal(question.rule.id), parts=parts, whole=_whole(question)))
    if len(rows) > MAX_ROWS:
        raise InvalidQueryError("group_by", f"The answer would have more than {MAX_ROWS} rows; ask for less of it.")
    newest, is_complete, since, *_ = rows[0]
    if windows and since is not None and windows[0].starts_at < since:
        raise YoungMeterError(question.rule.key, since)
    by_slice = {
        (number, tuple(group)): Tally(quantity, change)
        for *_, number, group, quantity, change in rows
        if number is not None
    }
    return Tallies(newest=newest, is_complete=is_complete, by_slice=by_slice)


def _parts(question: Question, windows: Sequence[Stretch], edges: Sequence[Stretch]) -> Iterator[Composable]:
    measure = _MEASURES[question.rule.aggregation.key]
    if windows:
        yield _from_windows(question, windows)
    if windows and question.rewinds:
        found = rewinds.source(
            rule=question.rule,
            customer_id=question.customer_id,
            environment=question.environment,
            as_of=question.as_of or 0,
            stretches=windows,
        )
        yield _from_events(question, found, value=SQL("e.value * e.sign"), weight=_SIGNED_WEIGHT)
    if edges:
        yield _from_events(question, _edges(question, edges), value=measure.event, weight=_EVENT_WEIGHT)


def _require_stored(edges: Sequence[Stretch]) -> None:
    since = horizon.complete_since() if edges else None
    if since is not None and edges[0].starts_at < since:
        raise ArchivedUsageError(since)


def _whole(question: Question) -> Composable:
    limit = Literal(MAX_ROWS + 1)
    key = question.rule.aggregation.key
    if key == "peak":
        ranks = Literal([_rank(question.rule, one) for one in question.slices])
        return _PEAK.format(ranks=ranks, some=_SOME, limit=limit)
    if key == "level":
        return _WHOLE.format(value=SQL("sum(p.weighted)"), change=_SUM, some=readings.TRUE, limit=limit)
    return _WHOLE.format(value=_MEASURES[key].whole, change=SQL("0::numeric"), some=_SOME, limit=limit)


def _rank(rule: Rule, one: Slice) -> int:
    """Return the place of the peak among the sums of its windows from the greatest on, counted from 1."""
    period = Period(one.starts_at, one.ends_at, width=rule.window_seconds, statistic=rule.statistic)
    return rank_of(period=period) + 1


def _from_windows(question: Question, stretches: Sequence[Stretch]) -> Composable:
    measure, time = _MEASURES[question.rule.aggregation.key], SQL("w.starts_at")
    column = {name: SQL("(s.dimensions ->> {})").format(Literal(name)) for name in question.rule.dimensions}
    return _FROM_WINDOWS.format(
        number=_number(question, time),
        group=_group(question, column),
        value=measure.window,
        weighted=_weighted(question, _WINDOW_WEIGHT, time),
        bucket=time if question.rule.aggregation.key == "peak" else SQL("NULL::timestamptz"),
        widths=Literal([one.width for one in stretches]),
        starts=readings.times([one.starts_at for one in stretches]),
        ends=readings.times([one.ends_at for one in stretches]),
        customer=Literal(question.customer_id),
        meter=Literal(question.rule.id),
        environment=Literal(question.environment),
        total=Literal(question.reads_totals),
        series=_SERIES if measure.has_series or not question.reads_totals else SQL(""),
        filters=readings.within(question.filters, column),
    )


def _from_events(question: Question, source: Composable, *, value: Composable, weight: SQL) -> Composable:
    rule, time = question.rule, SQL("e.time")
    column = {name: readings.dimension(readings.field(name)) for name in rule.dimensions}
    return _FROM_EVENTS.format(
        number=_number(question, time),
        group=_group(question, column),
        value=value,
        weighted=_weighted(question, weight, time),
        bucket=_bucket(rule),
        reading=readings.value(rule),
        place=readings.place_in_time(rule) if rule.aggregation.key == "latest" else SQL("NULL::text[]"),
        content=readings.content([rule]),
        source=source,
        matches=readings.matches(rule),
        filters=readings.within(question.filters, column),
    )


def _edges(question: Question, stretches: Sequence[Stretch]) -> Composable:
    return _EDGES.format(
        relation=question.relation or readings.EVENTS,
        starts=readings.times([one.starts_at for one in stretches]),
        ends=readings.times([one.ends_at for one in stretches]),
        received=readings.times([_received(one.starts_at) for one in stretches]),
        customer=Literal(question.customer_id),
        environment=Literal(question.environment),
        type=readings.matches_type(question.rule),
        counted=readings.counted(question.as_of),
    )


def _number(question: Question, time: Composable) -> Composable:
    """Return the number of the slice that holds `time`; of many equal slices it is computed, not searched for."""
    length = None if question.rule.aggregation.key == "level" else slices.equal_length(slices=question.slices)
    if length is None:
        return _NUMBER.format(time=time, bounds=_bounds(question))
    first = question.slices[1].starts_at.astimezone(UTC) - length
    return _NUMBER_OF_EQUALS.format(time=time, first=Literal(first), seconds=Literal(int(length.total_seconds())))


def _weighted(question: Question, weight: SQL, time: Composable) -> Composable:
    if question.rule.aggregation.key != "level":
        return SQL("NULL::numeric")
    return weight.format(until=_UNTIL.format(bounds=_bounds(question), time=time))


def _bucket(rule: Rule) -> Composable:
    if rule.aggregation.key != "peak":
        return SQL("NULL::timestamptz")
    return SQL("date_bin(make_interval(secs => {}), e.time, 'epoch'::timestamptz)").format(Literal(rule.window_seconds))


def _group(question: Question, column: Mapping[str, Composable]) -> Composable:
    return SQL("ARRAY[{}]::text[]").format(SQL(", ").join(column[name] for name in question.group_by))


def _bounds(question: Question) -> Composable:
    return SQL("{}::timestamptz[]").format(
        readings.times([question.slices[0].starts_at, *(one.ends_at for one in question.slices)])
    )


def _received(starts_at: datetime) -> datetime:
    """Return the earliest receipt of what happened from `starts_at` on; it spares the partitions of earlier months."""
    return max(starts_at, BEGINNING + MAX_AHEAD) - MAX_AHEAD
