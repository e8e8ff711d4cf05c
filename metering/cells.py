"""The SQL that adds events up into the cells of windows, for any meters at once and at every width.

First each meter's events are added up by its shortest windows and its dimensions: the base. Then the base is added up
again to longer windows and to totals over all dimensions, so that an event is looked at once per meter, not per window.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from psycopg.sql import SQL, Composable, Literal

from metering import readings
from metering.rules import DAY, HOUR, Rule

_NOTHING: Final = MappingProxyType(
    {
        "total": SQL("NULL::numeric"),
        "minimum": SQL("NULL::numeric"),
        "maximum": SQL("NULL::numeric"),
        "weighted": SQL("NULL::numeric"),
        "last": SQL("NULL::text[]"),
    }
)
_TOTAL: Final = SQL("sum(r.value)")
_EXTREMES: Final = {"minimum": SQL("min(r.value)"), "maximum": SQL("max(r.value)")}
_WEIGHTED: Final = SQL("sum(r.value * extract(epoch FROM r.starts_at + make_interval(secs => {width}) - r.time))")
# What a window must hold, besides the count, for the quantity of each aggregation.
_AMOUNTS: Final[Mapping[str, Mapping[str, Composable]]] = MappingProxyType(
    {
        "count": {},
        "unique": {},
        "sum": {"total": _TOTAL},
        "peak": {"total": _TOTAL},
        "level": {"total": _TOTAL, "weighted": _WEIGHTED},
        "min": _EXTREMES,
        "max": _EXTREMES,
        "latest": {"last": SQL('max(r.last COLLATE "C")')},
    }
)

_BASE: Final = SQL("""
SELECT {meter}::bigint AS meter_id, {splits} AS splits, {rises} AS rises, {width} AS width,
       g.customer_id, g.environment, {dimensions} AS dimensions, g.member, g.starts_at, g.count,
       g.total, g.minimum, g.maximum, g.weighted, g.last
FROM (SELECT r.customer_id, r.environment, r.names, r.starts_at, {member} AS member,
             count(*) AS count, {total} AS total, {minimum} AS minimum, {maximum} AS maximum,
             {weighted} AS weighted, {last} AS last
      FROM (SELECT e.customer_id, e.environment, e.time, {names} AS names, {value} AS value, {place} AS last,
                   date_bin(make_interval(secs => {width}), e.time, 'epoch'::timestamptz) AS starts_at
            FROM e WHERE {matches}) r
      WHERE r.value IS NOT NULL
      GROUP BY 1, 2, 3, 4, 5) g
""")

# `rises`: there are longer windows than the base. `splits`: there are dimensions; without any, the total is all.
_CELLS: Final = SQL("""
SELECT c.*, encode(substring(sha256(convert_to(
           jsonb_build_array(c.meter_id, c.environment, c.is_total, c.dimensions, c.member)::text, 'UTF8'
       )) FOR 16), 'hex')::uuid AS series_id
FROM (
    SELECT b.customer_id, b.meter_id, b.environment, grouping(b.dimensions) = 1 AS is_total,
           CASE WHEN grouping(b.dimensions) = 0 THEN b.dimensions ELSE '{{}}'::jsonb END AS dimensions, b.member,
           CASE WHEN grouping(b.starts_at) = 0 THEN max(b.width)
                WHEN grouping(b.hour) = 0 THEN {hour} ELSE {day} END AS width,
           coalesce(b.starts_at, b.hour, b.day) AS starts_at,
           sum(b.count)::bigint AS count, sum(b.total) AS total, min(b.minimum) AS minimum, max(b.maximum) AS maximum,
           CASE WHEN grouping(b.starts_at) = 0 THEN sum(b.weighted)
                WHEN grouping(b.hour) = 0 THEN sum(b.weighted + b.total * b.to_hour)
                ELSE sum(b.weighted + b.total * b.to_day) END AS weighted,
           max(b.last COLLATE "C") AS last
    FROM (SELECT base.*, date_trunc('hour', starts_at, 'UTC') AS hour, date_trunc('day', starts_at, 'UTC') AS day,
                 extract(epoch FROM date_trunc('hour', starts_at, 'UTC') - starts_at) + {hour} - width AS to_hour,
                 extract(epoch FROM date_trunc('day', starts_at, 'UTC') - starts_at) + {day} - width AS to_day
          FROM base) b
    GROUP BY b.customer_id, b.meter_id, b.environment, b.member, b.splits, b.rises, GROUPING SETS (
        (b.dimensions, b.starts_at), (b.dimensions, b.day), (b.starts_at), (b.hour), (b.day))
    HAVING (grouping(b.dimensions) = 1 OR b.splits) AND (grouping(b.starts_at) = 0 OR b.rises)
) c
""").format(hour=Literal(HOUR), day=Literal(DAY))

_WITH: Final = SQL("WITH e AS MATERIALIZED ({events}), base AS ({base}), cells AS MATERIALIZED ({cells})")


def cells(*, rules: Sequence[Rule], events: Composable, rises: bool = True) -> Composable:
    """Return a WITH clause of `cells`, the windows that `events` come to for these meters, of which there is one.

    `events` is a query of `readings.content`. Without `rises` only the shortest windows are made.
    """
    base = SQL(" UNION ALL ").join(_base(rule, rises=rises) for rule in rules)
    return _WITH.format(events=events, base=base, cells=_CELLS)


def _base(rule: Rule, *, rises: bool) -> Composable:
    is_unique, is_latest = rule.aggregation.key == "unique", rule.aggregation.key == "latest"
    amounts = _NOTHING | _AMOUNTS[rule.aggregation.key]
    width = Literal(rule.base_width)
    return _BASE.format(
        meter=Literal(rule.id),
        splits=Literal(bool(rule.dimensions)),
        rises=Literal(rises and rule.aggregation.key != "peak"),
        width=width,
        dimensions=readings.dimensions(rule, SQL("g.names")),
        names=readings.names(rule),
        member=SQL("r.value") if is_unique else SQL("NULL::text"),
        value=readings.value(rule),
        place=readings.place_in_time(rule) if is_latest else SQL("NULL::text[]"),
        matches=readings.matches(rule),
        total=amounts["total"],
        minimum=amounts["minimum"],
        maximum=amounts["maximum"],
        weighted=_WEIGHTED.format(width=width) if "weighted" in _AMOUNTS[rule.aggregation.key] else amounts["weighted"],
        last=amounts["last"],
    )
