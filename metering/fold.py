"""Counts received batches into hourly windows, each batch exactly once, and checks the windows against the events.

Why each batch carries the number of its fold: a fold takes the batches that are committed and not yet stamped, and
stamps them in the transaction that counts them. A batch whose transaction commits late is simply still unstamped
when the next fold looks; there is no watermark that could have passed it by. A fold that fails stamps nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction
from psycopg.sql import SQL, Composable, Literal

from metering import meters, readings
from metering.models import Batch, Fold, Window
from metering.rules import Rule

# One fold at a time, in the whole database: two would take the same batches.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('metering.fold'))"
BATCHES_PER_FOLD: Final = 500

# The hourly sums of one meter over some events `e`.
_HOURS: Final = SQL("""
SELECT r.customer_id, r.starts_at, r.environment, r.dimensions,
       count(*) AS count, sum(r.value) AS total, min(r.value) AS minimum, max(r.value) AS maximum,
       sum({weight}) AS weighted
FROM (SELECT e.customer_id, e.environment, e.time, date_trunc('hour', e.time, 'UTC') AS starts_at,
             {dimensions} AS dimensions, {value} AS value
      FROM metering_event e JOIN metering_batch b ON b.id = e.batch_id
      WHERE {batches} AND {matches}) r
WHERE r.value IS NOT NULL
GROUP BY r.customer_id, r.starts_at, r.environment, r.dimensions
""")
_LEVEL_WEIGHT: Final = SQL("r.value * extract(epoch FROM r.starts_at + interval '1 hour' - r.time)")
_NO_WEIGHT: Final = SQL("0::numeric")

_ADD: Final = SQL("""
INSERT INTO metering_window AS w
    (customer_id, meter_id, starts_at, environment, dimensions, count, total, minimum, maximum, weighted)
SELECT h.customer_id, {meter}, h.starts_at, h.environment, h.dimensions,
       h.count, h.total, h.minimum, h.maximum, h.weighted
FROM ({hours}) h
ORDER BY h.customer_id, h.starts_at, h.environment, h.dimensions
ON CONFLICT (customer_id, meter_id, starts_at, environment, dimensions) DO UPDATE SET
    count = w.count + excluded.count,
    total = w.total + excluded.total,
    minimum = least(w.minimum, excluded.minimum),
    maximum = greatest(w.maximum, excluded.maximum),
    weighted = w.weighted + excluded.weighted
""")

_DIFFER: Final = SQL("""
SELECT customer_id, starts_at, environment, dimensions,
       w.count, h.count, w.total, h.total, w.minimum, h.minimum, w.maximum, h.maximum, w.weighted, h.weighted
FROM (SELECT * FROM metering_window WHERE meter_id = {meter}) w
FULL JOIN ({hours}) h USING (customer_id, starts_at, environment, dimensions)
WHERE (w.count, w.total, w.minimum, w.maximum, w.weighted)
      IS DISTINCT FROM (h.count, h.total, h.minimum, h.maximum, h.weighted)
ORDER BY customer_id, starts_at, environment, dimensions
""")


@dataclass(frozen=True, slots=True)
class Folded:
    """What a fold counted; no number where nothing was waiting."""

    number: int | None
    batches: int
    events: int


@dataclass(frozen=True, slots=True)
class Difference:
    """A window that is not what its events add up to; `windows` and `events` say what each holds, by column."""

    meter: str
    customer_id: int
    starts_at: datetime
    environment: str
    dimensions: str
    windows: Sequence[object]
    events: Sequence[object]


@transaction.atomic
def fold(*, now: datetime, limit: int = BATCHES_PER_FOLD) -> Folded:
    """Count up to `limit` waiting batches, oldest first, as one fold at `now`. Waits while another fold runs."""
    _wait_for_turn()
    waiting = list(Batch.objects.filter(fold=None).order_by("id").values_list("id", "event_count")[:limit])
    if not waiting:
        return Folded(number=None, batches=0, events=0)
    batches, events = [batch for batch, _ in waiting], sum(count for _, count in waiting)
    number = Fold.objects.create(folded_at=now, batches=len(batches), events=events).number
    Batch.objects.filter(id__in=batches).update(fold=number)
    for rule in meters.all_rules():
        _add(rule, _among(batches))
    return Folded(number=number, batches=len(batches), events=events)


def fold_all(*, now: datetime) -> Folded:
    """Fold until nothing waits, so that all that was committed before the call is counted; returns the last number."""
    number, batches, events = None, 0, 0
    while (one := fold(now=now)).number is not None:
        number, batches, events = one.number, batches + one.batches, events + one.events
    return Folded(number=number, batches=batches, events=events)


@transaction.atomic
def rebuild(*, meter: str) -> None:
    """Make the windows of a meter again from all folded events: for a meter that is younger than its events.

    Raises UnknownMeterError.
    """
    _wait_for_turn()
    rule = meters.find(key=meter)
    Window.objects.filter(meter=rule.id).delete()
    _add(rule, SQL("b.fold_id IS NOT NULL"))


def check() -> list[Difference]:
    """Compare every window with a scan of the folded events; an empty list says that all is well."""
    return [one for rule in meters.all_rules() if rule.uses_windows for one in _differences(rule)]


def _wait_for_turn() -> None:
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)


def _among(batches: Sequence[int]) -> Composable:
    """Events of these batches; the bounds let the block-range index skip the rest of the table."""
    return SQL("e.batch_id BETWEEN {} AND {} AND e.batch_id = ANY({}::bigint[])").format(
        Literal(batches[0]), Literal(batches[-1]), Literal(list(batches))
    )


def _add(rule: Rule, batches: Composable) -> None:
    if not rule.uses_windows:
        return
    with connection.cursor() as cursor:
        cursor.execute(_ADD.format(meter=Literal(rule.id), hours=_hours(rule, batches)))


def _hours(rule: Rule, batches: Composable) -> Composable:
    return _HOURS.format(
        weight=_LEVEL_WEIGHT if rule.aggregation.key == "level" else _NO_WEIGHT,
        dimensions=readings.dimensions(rule),
        value=readings.value(rule),
        batches=batches,
        matches=readings.matches(rule),
    )


def _differences(rule: Rule) -> list[Difference]:
    hours = _hours(rule, SQL("b.fold_id IS NOT NULL"))
    rows = readings.fetch(_DIFFER.format(meter=Literal(rule.id), hours=hours))
    return [
        Difference(rule.key, one, at, kind, str(names), sums[::2], sums[1::2]) for one, at, kind, names, *sums in rows
    ]
