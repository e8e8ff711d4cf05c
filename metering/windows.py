"""Writes windows: adds events to them, takes voided ones out, makes them anew; and compares them with the events."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from psycopg.sql import SQL, Composable, Literal

from metering import readings
from metering.cells import cells
from metering.judging import MAX_AHEAD
from metering.rules import DAY, HOUR, QUARTER, Rule

_EVENTS: Final = SQL("SELECT {content} FROM {relation} e JOIN metering_batch b ON b.id = e.batch_id WHERE {which}")
_KEY: Final = SQL("""
(w.customer_id, w.meter_id, w.environment, w.is_total, w.width, w.starts_at, w.series_id)
    = (c.customer_id, c.meter_id, c.environment, c.is_total, c.width, c.starts_at, c.series_id)""")

# In the order of the key, so that the pages of the index are visited one after the other.
_ADD: Final = SQL("""
{cells},
series AS (
    INSERT INTO metering_series (customer_id, id, meter_id, environment, is_total, dimensions, member)
    SELECT DISTINCT customer_id, series_id, meter_id, environment, is_total, dimensions, member FROM cells
    ON CONFLICT DO NOTHING)
INSERT INTO metering_window AS w (customer_id, meter_id, environment, is_total, width, starts_at, series_id,
                                  count, total, minimum, maximum, weighted, last)
SELECT customer_id, meter_id, environment, is_total, width, starts_at, series_id,
       count, total, minimum, maximum, weighted, last
FROM cells
ORDER BY customer_id, meter_id, environment, is_total, width, starts_at, series_id
ON CONFLICT (customer_id, meter_id, environment, is_total, width, starts_at, series_id) DO UPDATE SET
    count = w.count + excluded.count,
    total = w.total + excluded.total,
    minimum = least(w.minimum, excluded.minimum),
    maximum = greatest(w.maximum, excluded.maximum),
    weighted = w.weighted + excluded.weighted,
    last = greatest(w.last COLLATE "C", excluded.last COLLATE "C")
""")

_TAKE_OUT: Final = SQL("""
{cells},
emptied AS (DELETE FROM metering_window w USING cells c WHERE {key} AND w.count = c.count)
UPDATE metering_window w
SET count = w.count - c.count, total = w.total - c.total, weighted = w.weighted - c.weighted
FROM cells c WHERE {key} AND w.count <> c.count
""")

_TOUCHED: Final = SQL("{cells} SELECT DISTINCT customer_id, environment, starts_at FROM cells")
_TIMES: Final = SQL("""
unnest({customers}::bigint[], {environments}::text[], {starts}::timestamptz[])
    AS t (customer_id, environment, starts_at)""")
_FORGET: Final = SQL("""
DELETE FROM metering_window w USING {times}
WHERE w.customer_id = t.customer_id AND w.meter_id = {meter} AND w.environment = t.environment
  AND w.width IN ({quarter}, {hour}, {day})
  AND w.starts_at = date_bin(make_interval(secs => w.width), t.starts_at, 'epoch'::timestamptz)
""")
_QUARTERS: Final = SQL("""
SELECT r.* FROM {times} CROSS JOIN LATERAL (
    SELECT {content} FROM {relation} e JOIN metering_batch b ON b.id = e.batch_id
    WHERE e.customer_id = t.customer_id AND e.environment = t.environment
      AND e.time >= t.starts_at AND e.time < t.starts_at + make_interval(secs => {quarter})
      AND e.received_at >= t.starts_at - {ahead} AND {which}
    OFFSET 0) r
""")
_RAISE: Final = SQL("""
INSERT INTO metering_window (customer_id, meter_id, environment, is_total, width, starts_at, series_id,
                             count, minimum, maximum, last)
SELECT w.customer_id, w.meter_id, w.environment, w.is_total, {width}, t.starts_at, w.series_id,
       sum(w.count), min(w.minimum), max(w.maximum), max(w.last COLLATE "C")
FROM (SELECT DISTINCT t.customer_id, t.environment,
             date_bin(make_interval(secs => {width}), t.starts_at, 'epoch'::timestamptz) AS starts_at FROM {times}) t
JOIN metering_window w ON w.customer_id = t.customer_id AND w.meter_id = {meter} AND w.environment = t.environment
     AND w.width = {quarter} AND w.starts_at >= t.starts_at
     AND w.starts_at < t.starts_at + make_interval(secs => {width})
WHERE {which}
GROUP BY w.customer_id, w.meter_id, w.environment, w.is_total, t.starts_at, w.series_id
""")

_DIFFER: Final = SQL("""
{cells}
SELECT customer_id, starts_at, width, environment,
       CASE WHEN is_total THEN 'all' ELSE coalesce(c.dimensions, s.dimensions)::text END,
       w.count, c.count, w.total, c.total, w.minimum, c.minimum, w.maximum, c.maximum, w.weighted, c.weighted,
       w.last, c.last
FROM (SELECT * FROM metering_window WHERE meter_id = {meter} AND starts_at >= {since}) w
FULL JOIN (SELECT * FROM cells WHERE starts_at >= {since}) c
     USING (customer_id, meter_id, environment, is_total, width, starts_at, series_id)
LEFT JOIN (SELECT customer_id AS owner, id, dimensions FROM metering_series) s
       ON s.owner = w.customer_id AND s.id = w.series_id
WHERE (w.count, w.total, w.minimum, w.maximum, w.weighted, w.last)
      IS DISTINCT FROM (c.count, c.total, c.minimum, c.maximum, c.weighted, c.last)
ORDER BY customer_id, starts_at, width, environment, is_total, series_id
""")


def events(*, rules: Sequence[Rule], which: Composable) -> Composable:
    """Return the query of the events `e`, of batches `b`, of which `which` holds."""
    return _EVENTS.format(content=readings.content(rules), relation=readings.EVENTS, which=which)


def add(*, rules: Sequence[Rule], which: Composable) -> None:
    """Add the events of which `which` holds to the windows of these meters."""
    if rules:
        readings.run(_ADD.format(cells=cells(rules=rules, events=events(rules=rules, which=which))))


def take_out(*, rule: Rule, which: Composable, remaining: Composable) -> None:
    """Take the events of which `which` holds out of the windows of a meter; `remaining` says which stay in.

    Where that needs the other events (the greatest went; which is it now?), the quarters touched are made anew.
    """
    gone = events(rules=[rule], which=which)
    if rule.aggregation.is_reversible:
        readings.run(_TAKE_OUT.format(cells=cells(rules=[rule], events=gone), key=_KEY))
        return
    touched = readings.fetch(_TOUCHED.format(cells=cells(rules=[rule], events=gone, rises=False)))
    if touched:
        _make_anew(rule, _times(touched), remaining)


def _make_anew(rule: Rule, times: Composable, remaining: Composable) -> None:
    meter, quarter, hour, day = Literal(rule.id), Literal(QUARTER), Literal(HOUR), Literal(DAY)
    readings.run(_FORGET.format(times=times, meter=meter, quarter=quarter, hour=hour, day=day))
    found = _QUARTERS.format(
        times=times,
        content=readings.content([rule]),
        relation=readings.EVENTS,
        quarter=quarter,
        ahead=Literal(MAX_AHEAD),
        which=remaining,
    )
    readings.run(_ADD.format(cells=cells(rules=[rule], events=found, rises=False)))
    for width, which in ((hour, SQL("w.is_total")), (day, readings.TRUE)):
        readings.run(_RAISE.format(width=width, times=times, meter=meter, quarter=quarter, which=which))


def _times(touched: Sequence[tuple[int, str, datetime]]) -> Composable:
    customers, environments, starts = (list(column) for column in zip(*touched, strict=True))
    return _TIMES.format(customers=Literal(customers), environments=Literal(environments), starts=Literal(starts))


def forget(*, rule: Rule) -> None:
    """Delete the windows of a meter; its series may be used again."""
    readings.run(SQL("DELETE FROM metering_window WHERE meter_id = {}").format(Literal(rule.id)))


def differences(*, rule: Rule, which: Composable, since: datetime) -> list[tuple[Any, ...]]:
    """Return what is wrong with the windows from `since` on, which should hold the events of which `which` holds."""
    which = readings.every([SQL("e.time >= {}").format(Literal(since)), which])
    made = cells(rules=[rule], events=events(rules=[rule], which=which))
    return readings.fetch(_DIFFER.format(cells=made, meter=Literal(rule.id), since=Literal(since)))
