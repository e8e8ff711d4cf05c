"""The write door: takes events in, each exactly once, and answers every one of them."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from hashlib import sha256
from typing import Final
from uuid import UUID

from django.db import connection, transaction

from metering import keys, meters, refusals
from metering.claims import Claim, Claimed, claim
from metering.event import EventVerdict, Malformed, Problem, Reason, UsageEvent, Verdict
from metering.models import Batch, Environment
from metering.refusals import Refused
from metering.rules import NO_RULES, Fault, TypeRules, pointer_to
from metering.texts import encode_all, find_nul

# How far a device's clock may run ahead of ours before its events are refused.
MAX_AHEAD: Final = timedelta(minutes=5)
_ENVIRONMENTS: Final = frozenset(Environment.values)

_NEXT_BATCH: Final = "SELECT nextval(pg_get_serial_sequence('metering_batch', 'id'))"
_INSERT_EVENTS: Final = """
INSERT INTO metering_event
    (customer_id, batch_id, received_at, key, time, type, source, subject, event_id, environment, data, sequence)
SELECT %s, %s, %s, u.* FROM ROWS FROM (
    unnest(%s::uuid[], %s::timestamptz[], %s::text[], %s::text[], %s::text[], %s::text[], %s::text[]),
    jsonb_array_elements(%s::jsonb),
    unnest(%s::bigint[])
) AS u
"""


@dataclass(frozen=True, slots=True)
class BatchEvidence:
    """How a request can be proved: the SHA-256 of its body, who sent it, and a device's signature over its header."""

    digest: bytes
    api_key_id: int | None = None
    device_id: int | None = None
    epoch: int | None = None
    first_sequence: int | None = None
    last_sequence: int | None = None
    signature: str = ""
    header: bytes | None = None


@dataclass(frozen=True)
class Recorded:
    """What became of a request: a verdict for each submission, in their order. No batch where nothing was accepted."""

    batch_id: int | None
    received_at: datetime
    verdicts: tuple[EventVerdict, ...]

    @cached_property
    def counts(self) -> Mapping[str, int]:
        """How many submissions got each verdict; all four are there."""
        seen = Counter(one.verdict for one in self.verdicts)
        return {verdict.value: seen[verdict] for verdict in Verdict}


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A sound event on its way to being counted."""

    place: int
    event: UsageEvent
    rules: TypeRules
    claim: Claim


@transaction.atomic
def record(
    *,
    customer_id: int,
    submissions: Sequence[UsageEvent | Malformed],
    received_at: datetime,
    evidence: BatchEvidence,
) -> Recorded:
    """Take in the submissions of one request in one transaction; when it returns and commits, they are durable.

    Each gets a verdict: accepted; duplicate (same customer, source and id, same content); conflict (the id was used
    for other content, or the unit was counted under another id); rejected (it cannot be counted). What is refused is
    kept as evidence. Raises nothing of its own: on a database error nothing at all is recorded, and the request may be
    repeated.
    """
    rules = meters.rules_by_type()
    refused: dict[int, Refused] = {}
    candidates: list[_Candidate] = []
    for place, one in enumerate(submissions):
        if faults := _faults(one, rules, received_at):
            refused[place] = Refused(one, Verdict.REJECTED, faults)
        elif isinstance(one, UsageEvent):
            candidates.append(_candidate(place, one, rules.get(one.type, NO_RULES), customer_id))
    batch_id, claimed = _store(customer_id, candidates, received_at, evidence)
    refused |= _conflicts(candidates, claimed)
    refusals.keep(customer_id=customer_id, received_at=received_at, refused=refused.values())
    accepted = {candidates[place].place for place in claimed.met}
    verdicts = tuple(_verdict(one, refused.get(place), place in accepted) for place, one in enumerate(submissions))
    return Recorded(batch_id=batch_id, received_at=received_at, verdicts=verdicts)


def _faults(one: UsageEvent | Malformed, rules: Mapping[str, TypeRules], received_at: datetime) -> tuple[Fault, ...]:
    if isinstance(one, Malformed):
        return tuple(Fault(Reason.MALFORMED, problem) for problem in one.errors)
    return tuple(_attribute_faults(one, received_at)) or tuple(rules.get(one.type, NO_RULES).faults(one))


def _attribute_faults(event: UsageEvent, received_at: datetime) -> Iterator[Fault]:
    if event.time > received_at + MAX_AHEAD:
        ahead = f"time lies more than {MAX_AHEAD.seconds // 60} minutes in the future."
        yield Fault(Reason.FUTURE_TIME, Problem("/time", ahead))
    if event.environment not in _ENVIRONMENTS:
        yield Fault(Reason.BAD_ENVIRONMENT, Problem("/data/environment", "environment must be production or test."))
    if (pointer := find_nul(event)) is not None:
        yield Fault(Reason.BAD_CHARACTER, Problem(pointer, "The character U+0000 cannot be stored."))


def _candidate(place: int, event: UsageEvent, rules: TypeRules, customer_id: int) -> _Candidate:
    unit = rules.unit(event)
    key = keys.event_key(customer_id=customer_id, source=event.source, event_id=event.id)
    unit_key = unit and keys.unit_key(
        customer_id=customer_id, environment=event.environment, event_type=event.type, identity=unit
    )
    claimed = Claim(event=key, unit=unit_key or None, digest=sha256(event.body).digest())
    return _Candidate(place=place, event=event, rules=rules, claim=claimed)


def _store(
    customer_id: int, candidates: Sequence[_Candidate], received_at: datetime, evidence: BatchEvidence
) -> tuple[int | None, Claimed]:
    """Take the keys and store the batch and the events that got theirs."""
    if not candidates:
        return None, Claimed(met=frozenset(), holders={})
    batch_id = _next_batch()
    claimed = claim(customer_id=customer_id, batch_id=batch_id, claims=[one.claim for one in candidates])
    if not claimed.met:
        return None, claimed
    Batch.objects.create(
        id=batch_id,
        customer_id=customer_id,
        received_at=received_at,
        event_count=len(claimed.met),
        **{name: getattr(evidence, name) for name in BatchEvidence.__slots__},
    )
    _insert_events(customer_id, batch_id, received_at, [candidates[place] for place in sorted(claimed.met)])
    return batch_id, claimed


def _next_batch() -> int:
    with connection.cursor() as cursor:
        cursor.execute(_NEXT_BATCH)
        return int(cursor.fetchone()[0])


def _insert_events(customer_id: int, batch_id: int, received_at: datetime, accepted: Sequence[_Candidate]) -> None:
    rows = [
        (
            one.claim.event,
            one.event.time,
            one.event.type,
            one.event.source,
            one.event.subject,
            one.event.id,
            one.event.environment,
        )
        for one in accepted
    ]
    columns = [list(column) for column in zip(*rows, strict=True)]
    data = encode_all([one.event.data for one in accepted])
    sequences = [one.event.sequence for one in accepted]
    with connection.cursor() as cursor:
        cursor.execute(_INSERT_EVENTS, [customer_id, batch_id, received_at, *columns, data, sequences])


def _conflicts(candidates: Sequence[_Candidate], claimed: Claimed) -> dict[int, Refused]:
    """Return the candidates that contradict what was counted; what merely repeats it is no conflict."""
    return {
        one.place: Refused(one.event, Verdict.CONFLICT, (_contradiction(one, claimed.holders),))
        for number, one in enumerate(candidates)
        if number not in claimed.met and claimed.holders.get(one.claim.event) != one.claim.digest
    }


def _contradiction(one: _Candidate, holders: Mapping[UUID, bytes]) -> Fault:
    if one.claim.event in holders:
        detail = "This source has used this id before, for an event with other content."
        return Fault(Reason.ID_REUSED, Problem("/id", detail))
    names = dict(zip(one.rules.identity, one.rules.unit(one.event), strict=True))
    unit = ", ".join(f"{name} {value}" for name, value in names.items())
    detail = f"The unit ({unit}) was counted before, under another event id."
    return Fault(Reason.UNIT_COUNTED, Problem(pointer_to(one.rules.identity[0]), detail))


def _verdict(one: UsageEvent | Malformed, refused: Refused | None, accepted: bool) -> EventVerdict:  # noqa: FBT001
    if refused is not None:
        problems = tuple(fault.problem for fault in refused.faults)
        return EventVerdict(one.id, one.source, refused.verdict, problems)
    return EventVerdict(one.id, one.source, Verdict.ACCEPTED if accepted else Verdict.DUPLICATE)
