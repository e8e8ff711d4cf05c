"""Reads windows as of an older fold: by the events, taken with a sign, that they hold more or fewer since.

Windows move on with every fold, and an invoice is cut at one. Where little came after it, that little is taken out of
what the windows hold, which spares reading all events of a month; where much did, the events are read.
"""

from collections.abc import Sequence
from typing import Final

from psycopg.sql import SQL, Composable, Literal

from metering import horizon, readings
from metering.rules import Rule
from metering.slices import Stretch

MOST_BATCHES: Final = 2_000
MOST_EVENTS: Final = 100_000
_ADDITIVE: Final = frozenset({"count", "sum", "level", "peak"})  # a negative part undoes a positive one

_SINCE: Final = SQL("""
SELECT count(*), coalesce(sum(event_count), 0), min(received_at) FROM (
    SELECT event_count, received_at FROM metering_batch WHERE fold_id > {as_of} AND customer_id = {customer}
    UNION ALL
    SELECT 1, b.received_at FROM metering_void v JOIN metering_batch b ON b.id = v.batch_id
    WHERE v.fold_id > {as_of} AND v.customer_id = {customer}
    LIMIT {most}) b
""")

# Since the fold asked for, what was folded came in, and what was voided went out; what did both is in neither.
_SOURCE: Final = SQL("""
SELECT e.* FROM (
    SELECT e.*, -1 AS sign FROM {relation} e JOIN metering_batch b ON b.id = e.batch_id
    WHERE e.batch_id = ANY(ARRAY(SELECT id {newer}))
      AND e.batch_id >= (SELECT min(id) {newer}) AND e.batch_id <= (SELECT max(id) {newer})
      AND e.received_at >= (SELECT min(received_at) {newer}) AND e.received_at <= (SELECT max(received_at) {newer})
      AND {counted}
    UNION ALL
    SELECT e.*, 1 AS sign
    FROM metering_void v JOIN metering_batch b ON b.id = v.batch_id
    CROSS JOIN LATERAL (SELECT * FROM {relation} e WHERE e.batch_id = v.batch_id AND e.place = v.place
                        AND e.customer_id = v.customer_id AND e.received_at = b.received_at OFFSET 0) e
    WHERE v.customer_id = {customer} AND v.fold_id > {as_of} AND {within} AND b.fold_id <= {as_of}) e
JOIN unnest({starts}::timestamptz[], {ends}::timestamptz[]) AS x (starts, ends)
     ON e.time >= x.starts AND e.time < x.ends
WHERE e.customer_id = {customer} AND e.environment = {environment} AND {type}
""")
_NEWER: Final = SQL("FROM metering_batch WHERE fold_id > {as_of} AND customer_id = {customer}")


def is_near(*, rule: Rule, customer_id: int, as_of: int) -> bool:
    """Whether windows can be read as of this fold with little more than themselves, all of which is stored."""
    if rule.aggregation.key not in _ADDITIVE:
        return False
    query = _SINCE.format(as_of=Literal(as_of), customer=Literal(customer_id), most=Literal(MOST_BATCHES + 1))
    ((batches, events, oldest),) = readings.fetch(query)
    since = horizon.stored_since() if batches else None
    return bool(batches <= MOST_BATCHES and events <= MOST_EVENTS and (since is None or oldest >= since))


def source(*, rule: Rule, customer_id: int, environment: str, as_of: int, stretches: Sequence[Stretch]) -> Composable:
    """Return the events `e`, each with a `sign`, by which windows in these stretches differ from what they held."""
    last = SQL("true") if rule.last_fold is None else SQL("v.fold_id <= {}").format(Literal(rule.last_fold))
    number, customer = Literal(as_of), Literal(customer_id)
    return _SOURCE.format(
        relation=readings.EVENTS,
        newer=_NEWER.format(as_of=number, customer=customer),
        counted=readings.counted(rule.last_fold),
        customer=customer,
        as_of=number,
        within=last,
        starts=Literal([one.starts_at for one in stretches]),
        ends=Literal([one.ends_at for one in stretches]),
        environment=Literal(environment),
        type=readings.matches_type(rule),
    )
