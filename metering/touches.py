"""Which past usage newer folds touched: late, corrected and back-filled events, by customer and meter."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from psycopg.sql import SQL, Composable, Literal

from metering import meters, readings
from metering.models import Environment


@dataclass(frozen=True, slots=True)
class Since:
    """A question about one customer: what happened before `before` and was counted, or taken back, after a fold."""

    customer_id: int
    fold: int
    before: datetime


@dataclass(frozen=True, slots=True)
class Touched:
    """Usage of a meter may differ from what it was in [starts_at, ends_at]; of a level also ever after, without end.

    The meter's filters are not looked at: it may have counted none of the events.
    """

    customer_id: int
    meter: str
    starts_at: datetime
    ends_at: datetime | None

    def meets(self, *, starts_at: datetime, ends_at: datetime) -> bool:
        """Whether any of it lies in the half-open period."""
        return self.starts_at < ends_at and (self.ends_at is None or self.ends_at >= starts_at)


_ASKED: Final = SQL(
    "unnest({customers}::bigint[], {folds}::bigint[], {befores}::timestamptz[]) AS x (id, fold, before)"
)
# The batches come first: their bounds are constants by which partitions and pages of events are left out.
_BATCHES: Final = SQL("""
SELECT min(b.id), max(b.id), min(b.received_at), max(b.received_at)
FROM {asked} JOIN metering_batch b ON b.customer_id = x.id AND b.fold_id > x.fold AND b.fold_id <= {as_of}
""")
_EVENTS: Final = SQL("""
SELECT e.customer_id, e.type, min(e.time), max(e.time)
FROM {asked} JOIN metering_batch b ON b.customer_id = x.id AND b.fold_id > x.fold AND b.fold_id <= {as_of}
JOIN {relation} e ON e.batch_id = b.id AND e.customer_id = x.id AND e.time < x.before
WHERE e.environment = {environment} AND e.time < {latest} AND e.batch_id BETWEEN {first} AND {last}
  AND e.received_at BETWEEN {received_from} AND {received_to}
GROUP BY 1, 2
""")
_VOIDS: Final = SQL("""
SELECT e.customer_id, e.type, min(e.time), max(e.time)
FROM {asked} JOIN metering_void v ON v.customer_id = x.id AND v.fold_id > x.fold AND v.fold_id <= {as_of}
JOIN metering_batch b ON b.id = v.batch_id
CROSS JOIN LATERAL (SELECT * FROM {relation} e WHERE e.batch_id = v.batch_id AND e.place = v.place
                    AND e.customer_id = v.customer_id AND e.received_at = b.received_at OFFSET 0) e
WHERE e.environment = {environment} AND e.time < x.before
GROUP BY 1, 2
""")


def touched(*, since: Sequence[Since], as_of: int) -> tuple[Touched, ...]:
    """Return what folds after the one of each question, up to `as_of`, changed before its time; one row a meter.

    One question for many customers costs little more than for one. Ask once for each customer.
    """
    if not since:
        return ()
    spans: dict[tuple[int, str], tuple[datetime, datetime]] = {}
    for customer_id, kind, first, last in _rows(since, as_of):
        known = spans.get((customer_id, kind), (first, last))
        spans[customer_id, kind] = min(first, known[0]), max(last, known[1])
    return tuple(
        Touched(customer_id, rule.key, first, None if rule.aggregation.key == "level" else last)
        for (customer_id, kind), (first, last) in sorted(spans.items())
        for rule in meters.all_rules()
        if rule.event_type == kind
    )


def _rows(since: Sequence[Since], as_of: int) -> Iterator[tuple[Any, ...]]:
    asked = _ASKED.format(
        customers=Literal([one.customer_id for one in since]),
        folds=Literal([one.fold for one in since]),
        befores=Literal([one.before for one in since]),
    )
    fixed: dict[str, Composable] = {
        "asked": asked,
        "as_of": Literal(as_of),
        "relation": readings.EVENTS,
        "environment": Literal(Environment.PRODUCTION.value),
    }
    ((first, last, received_from, received_to),) = readings.fetch(_BATCHES.format(**fixed))
    if first is not None:
        bounds = {"first": first, "last": last, "received_from": received_from, "received_to": received_to}
        bounds["latest"] = max(one.before for one in since)
        yield from readings.fetch(_EVENTS.format(**fixed, **{name: Literal(bound) for name, bound in bounds.items()}))
    yield from readings.fetch(_VOIDS.format(**fixed))
