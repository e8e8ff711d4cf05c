"""The one statement that takes the keys of many events and stores those that got theirs, with their batches."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec import Struct

from metering import arrays
from metering.claims import Claim, Holdings
from metering.request import Request

# `r` are the requests, `u` the events, `k` those whose keys were free. A key held by a transaction that has not ended
# makes this statement wait for its end: afterwards it is taken for ever, or free. Keys are inserted in order, so that
# requests for the same events, or the same units, wait for each other in one order and never in a circle.
_STORE: Final = """
WITH r AS MATERIALIZED (
    SELECT q.*, nextval('metering_batch_id_seq') AS batch_id
    FROM unnest($1::bigint[], $2::timestamptz[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[],
                $8::bigint[], $9::text[], $10::bytea[]) WITH ORDINALITY
        AS q (customer_id, received_at, digest, api_key_id, device_id, epoch, first_sequence, last_sequence, signature,
              header, number)
), u AS MATERIALIZED (
    SELECT e.*, r.batch_id, r.customer_id, r.received_at
    FROM unnest($11::integer[], $12::uuid[], $13::uuid[], $14::bigint[], $15::timestamptz[], $16::integer[],
                $17::smallint[], $18::bytea[], $19::json[])
        AS e (number, key, unit, digest, time, origin_id, place, event_id, data)
    JOIN r USING (number)
), k AS (
    INSERT INTO metering_eventkey (customer_id, key, unit, batch_id, digest)
    SELECT customer_id, key, unit, batch_id, digest FROM u ORDER BY coalesce(unit, key)
    ON CONFLICT DO NOTHING RETURNING key
), a AS (
    INSERT INTO metering_storedevent (customer_id, batch_id, received_at, time, origin_id, place, event_id, data)
    SELECT customer_id, batch_id, received_at, time, origin_id, place, event_id, data FROM u JOIN k USING (key)
    RETURNING batch_id
), b AS (
    INSERT INTO metering_batch (id, customer_id, received_at, digest, api_key_id, device_id, epoch, first_sequence,
                                last_sequence, signature, header, event_count)
    SELECT r.batch_id, r.customer_id, r.received_at, r.digest, r.api_key_id, r.device_id, r.epoch, r.first_sequence,
           r.last_sequence, r.signature, r.header, c.event_count
    FROM r JOIN (SELECT batch_id, count(*) AS event_count FROM a GROUP BY batch_id) c USING (batch_id)
)
SELECT (SELECT coalesce(max(version), 0) FROM metering_ruleversion),
       ARRAY(SELECT batch_id FROM r ORDER BY number),
       ARRAY(SELECT key FROM u WHERE NOT EXISTS (SELECT FROM k WHERE k.key = u.key))
"""
_HELD: Final = """
SELECT key, unit, digest FROM metering_eventkey
WHERE customer_id = ANY($1::bigint[]) AND (key = ANY($2::uuid[]) OR unit = ANY($3::uuid[]))
"""


class EventRow(Struct, gc=False):
    """What is stored of an event: `number` is that of its request, from 0, and `place` its place there."""

    number: int
    claim: Claim
    time: datetime
    origin_id: int
    place: int
    event_id: bytes
    data: bytes


@dataclass(frozen=True, slots=True)
class Stored:
    """The version of the rules as the statement saw it, the batch of each request, and the events that got no key."""

    version: int
    batch_ids: Sequence[int]
    missed: frozenset[bytes]


def store(*, requests: Sequence[Request], events: Sequence[EventRow]) -> Stored:
    """Take the keys of all events, and store those that got theirs, with the batches that have any.

    No two events may ask for the same key. Must run in a transaction at READ COMMITTED, so that the keys that were not
    free can be read.
    """
    columns = [*_columns_of_requests(requests), *_columns_of_events(events)]
    version, batch_ids, missed = arrays.run(_STORE, columns)[0]
    return Stored(version=version, batch_ids=batch_ids, missed=frozenset(key.bytes for key in missed))


def held(*, customer_ids: Iterable[int], claims: Sequence[Claim]) -> Holdings:
    """Return what is taken of what these claims ask for."""
    parameters = [
        arrays.larges(sorted(set(customer_ids))),
        arrays.uuids([claim.event for claim in claims]),
        arrays.uuids([claim.unit for claim in claims if claim.unit is not None]),
    ]
    rows = arrays.run(_HELD, parameters)
    return Holdings().plus([Claim(key.bytes, unit and unit.bytes, digest) for key, unit, digest in rows])


def _columns_of_requests(requests: Sequence[Request]) -> list[arrays.Array]:
    shown = [request.evidence for request in requests]
    return [
        arrays.larges([one.customer_id for one in requests]),
        arrays.times([one.received_at for one in requests]),
        arrays.binaries([one.digest for one in shown]),
        arrays.larges([one.api_key_id for one in shown]),
        arrays.larges([one.device_id for one in shown]),
        arrays.larges([one.epoch for one in shown]),
        arrays.larges([one.first_sequence for one in shown]),
        arrays.larges([one.last_sequence for one in shown]),
        arrays.texts([one.signature for one in shown]),
        arrays.binaries([one.header for one in shown]),
    ]


def _columns_of_events(rows: Sequence[EventRow]) -> list[arrays.Array]:
    return [
        arrays.wholes([row.number + 1 for row in rows]),  # PostgreSQL counts from 1
        arrays.uuids([row.claim.event for row in rows]),
        arrays.uuids([row.claim.unit for row in rows]),
        arrays.larges([row.claim.digest for row in rows]),
        arrays.times([row.time for row in rows]),
        arrays.wholes([row.origin_id for row in rows]),
        arrays.smalls([row.place for row in rows]),
        arrays.binaries([row.event_id for row in rows]),
        arrays.documents([row.data for row in rows]),
    ]
