"""The read door to what was received, as proof: events counted anew and never from windows, and the events themselves.

Everything is read within one `reading`, from one customer, from the database and from archives alike.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from django.db import connection, transaction
from psycopg.sql import SQL, Composable, Literal

from metering import definitions, meters, readings, seals, usage
from metering.judging import MAX_AHEAD
from metering.models import Batch, Environment
from metering.restored import Restored
from metering.rules import Rule
from metering.slices import BEGINNING

AT_ONCE: Final = 5_000

_WANTED: Final = SQL("""
CREATE TEMPORARY TABLE metering_wanted ON COMMIT DROP AS
SELECT DISTINCT e.batch_id FROM {relation} e JOIN metering_batch b ON b.id = e.batch_id
WHERE e.customer_id = {customer} AND e.environment = {environment} AND b.fold_id <= {as_of} AND ({any})
""")
_USED: Final = SQL("({type} AND e.time >= {starts} AND e.time < {ends})")
_USED_BEFORE: Final = SQL("({type} AND e.time < {ends})")
_EVENTS: Final = SQL("""
SELECT e.batch_id, e.place, e.event_id, e.source, e.type, e.subject, e.environment, e.time, e.data::text,
       (SELECT v.fold_id FROM metering_void v
        WHERE v.customer_id = e.customer_id AND v.batch_id = e.batch_id AND v.place = e.place AND v.fold_id <= {as_of})
FROM {relation} e JOIN metering_wanted USING (batch_id)
WHERE e.customer_id = {customer} AND e.received_at >= {first} AND e.received_at <= {last}
ORDER BY e.batch_id, e.place
""")
_PAGE: Final = SQL("""
SELECT e.batch_id, e.place, e.event_id, e.source, e.type, e.subject, e.environment, e.time, e.data::text, NULL
FROM {relation} e JOIN metering_batch b ON b.id = e.batch_id
WHERE e.customer_id = {customer} AND e.environment = {environment} AND {used} AND {matches} AND {filters}
  AND {counted} AND b.fold_id > {since} AND (e.time, e.batch_id, e.place) > {after}
ORDER BY e.time, e.batch_id, e.place LIMIT {limit}
""")
_BOUNDS: Final = SQL("""
SELECT min(received_at), max(received_at) FROM metering_batch b JOIN metering_wanted w ON w.batch_id = b.id
""")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A meter and the half-open period of which the events are wanted."""

    meter: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class ProvenBatch:
    """A request as it can be proved; `rest` and the key are null where no device signed it, or no seal was kept."""

    id: int
    received_at: datetime
    digest: bytes
    fold: int
    event_count: int
    device_id: int | None
    first_sequence: int | None
    header: bytes | None
    signature: str
    public_key: bytes | None
    rest: Sequence[Any] | None


@dataclass(frozen=True, slots=True)
class ProvenEvent:
    """An event at its place in a batch, its data as the JSON text that is stored.

    `voided` is the fold that took it back, where one had by the fold asked for.
    """

    batch_id: int
    place: int
    id: str
    source: str
    type: str
    subject: str
    environment: str
    time: datetime
    data: str
    voided: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an event stands in the order of time; batch and place tell those of one instant apart."""

    time: datetime
    batch_id: int
    place: int


@dataclass(frozen=True, slots=True)
class Reading:
    """A customer's events as of a fold, wherever they lie."""

    customer_id: int
    as_of: int
    restored: Restored

    def read(self, **question: Any) -> usage.Usage:  # noqa: ANN401 - the very arguments of usage.read
        """Answer as `usage.read` does, from events only. Raises what it raises, and MissingArchiveError."""
        rule = meters.find(key=question["meter"])
        since = None if rule.aggregation.key == "level" else question["starts_at"]
        return usage.read(**question, events=self.restored.relation(since=since))

    def select(self, wanted: Sequence[Wanted]) -> None:
        """Choose every batch with an event that is wanted; once in a reading, before `batches` and `events`."""
        conditions = [self._used(meters.find(key=one.meter), one) for one in dict.fromkeys(wanted)] or [SQL("false")]
        query = _WANTED.format(
            relation=self._relation(wanted),
            customer=Literal(self.customer_id),
            environment=Literal(Environment.PRODUCTION.value),
            as_of=Literal(self.as_of),
            any=SQL(" OR ").join(conditions),
        )
        readings.run(query)

    def batches(self) -> Iterator[ProvenBatch]:
        """Yield the batches that were selected, by id."""
        ids = [number for (number,) in readings.fetch(SQL("SELECT batch_id FROM metering_wanted ORDER BY 1"))]
        for start in range(0, len(ids), AT_ONCE):
            yield from _batches(ids[start : start + AT_ONCE])

    def events(self) -> Iterator[ProvenEvent]:
        """Yield all events of the batches that were selected, by batch and place; also those that nobody asked for."""
        ((first, last),) = readings.fetch(_BOUNDS)
        if first is None:
            return
        query = _EVENTS.format(
            relation=self.restored.relation(since=first + MAX_AHEAD),
            customer=Literal(self.customer_id),
            as_of=Literal(self.as_of),
            first=Literal(first),
            last=Literal(last),
        )
        with connection.chunked_cursor() as cursor:
            cursor.execute(query)
            while rows := cursor.fetchmany(AT_ONCE):
                yield from (ProvenEvent(*row) for row in rows)

    def page(
        self, wanted: Wanted, *, filters: Mapping[str, Sequence[str]], since: int = 0, after: Place | None, limit: int
    ) -> list[ProvenEvent]:
        """Return at most `limit` events that a meter counts, in order of time, after a place in that order.

        Under filters by the meter's dimensions; only those that were counted after the fold `since`.
        """
        rule = meters.find(key=wanted.meter)
        column = {name: readings.dimension(readings.field(name)) for name in rule.dimensions}
        place = after or Place(BEGINNING, 0, -1)
        query = _PAGE.format(
            relation=self._relation([wanted]),
            customer=Literal(self.customer_id),
            environment=Literal(Environment.PRODUCTION.value),
            used=self._used(rule, wanted),
            matches=readings.matches(rule),
            filters=readings.within(filters, column),
            counted=readings.counted(self.as_of if rule.last_fold is None else min(self.as_of, rule.last_fold)),
            since=Literal(since),
            after=SQL("({}, {}, {})").format(Literal(place.time), Literal(place.batch_id), Literal(place.place)),
            limit=Literal(limit),
        )
        return [ProvenEvent(*row) for row in readings.fetch(query)]

    def _relation(self, wanted: Sequence[Wanted]) -> Composable:
        is_level = any(meters.find(key=one.meter).aggregation.key == "level" for one in wanted)
        since = None if is_level else min((one.starts_at for one in wanted), default=None)
        return self.restored.relation(since=since)

    def _used(self, rule: Rule, one: Wanted) -> Composable:
        if rule.aggregation.key == "level":
            return _USED_BEFORE.format(type=readings.matches_type(rule), ends=Literal(one.ends_at))
        starts, ends = Literal(one.starts_at), Literal(one.ends_at)
        return _USED.format(type=readings.matches_type(rule), starts=starts, ends=ends)


@contextmanager
def reading(*, customer_id: int, as_of: int, folder: Path) -> Iterator[Reading]:
    """Read a customer's events as of a fold, in one transaction that leaves nothing; `folder` is where archives are."""
    with transaction.atomic():
        yield Reading(customer_id, as_of, Restored(customer_id, folder))
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS pg_temp.metering_restored, pg_temp.metering_wanted")


def batches(*, batch_ids: Sequence[int]) -> Mapping[int, ProvenBatch]:
    """Return some batches by id."""
    return {one.id: one for one in _batches(batch_ids)}


def definition(*, meter: str) -> dict[str, Any]:
    """Return a meter's definition as it can be written down. Raises UnknownMeterError.

    `last_fold` is the last one that an archived meter counts.
    """
    rule = meters.find(key=meter)
    return definitions.definition_of(rule=rule) | {"last_fold": rule.last_fold}


def _batches(ids: Sequence[int]) -> Iterator[ProvenBatch]:
    sealed = seals.by_batch(batch_ids=ids)
    for row in Batch.objects.filter(id__in=ids).order_by("id"):
        seal = sealed.get(row.pk)
        yield ProvenBatch(
            id=row.pk,
            received_at=row.received_at,
            digest=bytes(row.digest),
            fold=row.fold_id or 0,
            event_count=row.event_count,
            device_id=row.device_id,
            first_sequence=row.first_sequence,
            header=None if row.header is None else bytes(row.header),
            signature=row.signature,
            public_key=None if seal is None else bytes(seal.public_key),
            rest=None if seal is None else seals.rest_of(seal),
        )
