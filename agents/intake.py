"""What one request of a sender does: parse, verify, record, and let the device's chain move on, in one transaction."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from django.db import transaction
from msgspec import Struct

from agents import clocks, cloudevents, devices, feeds, ledger
from agents.auth import Caller
from agents.devices import Signature, SignedBatch
from agents.errors import DeviceChainError, MalformedRequestError, Suspicion
from agents.models import Agent
from agents.models.feeds import FeedSource
from metering import ingest
from metering.event import EventVerdict, Malformed, UsageEvent, Verdict
from metering.ingest import BatchEvidence, Recorded
from runtime.wire import difference, presume

KEY_LENGTH: Final = 128
_REMEMBERED: Final = 100_000

Named = tuple[int, str]  # an agent, by customer and key
_known: set[Named] = set()


class Delivery(Struct, frozen=True):
    """The parsed events of one request, who sent it, and how it can be proved."""

    caller: Caller
    submissions: Sequence[UsageEvent | Malformed]
    received_at: datetime
    evidence: BatchEvidence


class Received(Struct, frozen=True):
    """What was recorded, and how far the device's chain is received; `device` is None for an unsigned request."""

    recorded: Recorded
    device: Mapping[str, int] | None


def receive(
    *,
    caller: Caller,
    body: bytes,
    content_type: str,
    signature: Signature | None,
    received_at: datetime,
    attributes: Mapping[str, str] | None = None,
) -> Received:
    """Take in the events of one request for the caller's customer; `attributes` are its `ce-` headers.

    When this returns inside no outer transaction, what it accepted is committed. Raises RequestError, WireError or
    DeviceChainError where the request as a whole is refused; then nothing of it is stored.
    """
    documents = cloudevents.decode(
        body=body, content_type=content_type, attributes=attributes, as_written=signature is not None
    )
    submissions = _parse(caller, documents, received_at)
    if signature is None:
        recorded = record(caller=caller, submissions=submissions, body=body, received_at=received_at)
        return Received(recorded=recorded, device=None)
    signed = _verify(caller, signature, documents)
    placed = clocks.place(submissions=submissions, documents=documents, header=signed.header, received_at=received_at)
    try:
        digest = hashlib.sha256(body).digest()
        received, suspicions = _receive_signed(caller, documents, placed, signed, digest, received_at)
    except DeviceChainError as error:
        if error.suspicion is not None:  # kept in a transaction of its own: that of the batch is rolled back
            ledger.note(suspicions=[error.suspicion], now=received_at)
        raise
    if suspicions:
        ledger.note(suspicions=suspicions, now=received_at)
    return received


def record(
    *, caller: Caller, submissions: Sequence[UsageEvent | Malformed], body: bytes, received_at: datetime
) -> Recorded:
    """Take in the parsed events of a request that no device signed; `body` is what was sent, kept as a digest."""
    return record_all([_delivery(caller, submissions, body, received_at)])[0]


def prepare(
    *, caller: Caller, body: bytes, content_type: str, received_at: datetime, attributes: Mapping[str, str]
) -> Delivery:
    """Parse a request that no device signed, for `record_all`. Raises RequestError."""
    documents = cloudevents.decode(body=body, content_type=content_type, attributes=attributes)
    return _delivery(caller, _parse(caller, documents, received_at), body, received_at)


def _delivery(
    caller: Caller, submissions: Sequence[UsageEvent | Malformed], body: bytes, received_at: datetime
) -> Delivery:
    evidence = BatchEvidence(digest=hashlib.sha256(body).digest(), api_key_id=caller.key_id)
    return Delivery(caller, submissions, received_at, evidence)


def _parse(caller: Caller, documents: Sequence[Any], received_at: datetime) -> list[UsageEvent | Malformed]:
    return [
        cloudevents.parse(document=document, index=index, environment=caller.environment, received_at=received_at)
        for index, document in enumerate(documents)
    ]


def _verify(caller: Caller, signature: Signature, documents: list[Any]) -> SignedBatch:
    if not all(isinstance(document, dict) for document in documents):
        raise MalformedRequestError("Every event of a signed batch is a JSON object.")
    return devices.verify_batch(customer_id=caller.customer_id, signature=signature, events=documents)


@transaction.atomic
def _receive_signed(
    caller: Caller,
    documents: Sequence[Mapping[str, Any]],
    submissions: Sequence[UsageEvent | Malformed],
    signed: SignedBatch,
    digest: bytes,
    received_at: datetime,
) -> tuple[Received, list[Suspicion]]:
    device = devices.lock_for(signed)
    header = signed.header
    evidence = BatchEvidence(
        digest=digest,
        api_key_id=caller.key_id,
        device_id=device.pk,
        epoch=header.epoch,
        first_sequence=header.first,
        last_sequence=header.last,
        signature=signed.signature,
        header=signed.header_bytes,
    )
    recorded = _record(caller, submissions, received_at, evidence)
    verdicts = recorded.verdicts
    _seal(documents, submissions, signed, recorded)
    devices.check_history(device=device, batch=signed, verdicts=verdicts)
    moved = [place for place, one in enumerate(submissions, start=header.first) if clocks.is_moved(one)]
    suspicions = devices.suspect(device=device, batch=signed, verdicts=verdicts, moved=moved)
    taken = (one for one, told in zip(submissions, verdicts, strict=True) if told.verdict is not Verdict.REJECTED)
    newest = max((one.time for one in taken if isinstance(one, UsageEvent)), default=None)
    reached = devices.advance(device=device, batch=signed, newest=newest, now=received_at)
    return Received(recorded=recorded, device={"epoch": device.epoch, "sequence": reached}), suspicions


def _seal(
    documents: Sequence[Mapping[str, Any]],
    submissions: Sequence[UsageEvent | Malformed],
    signed: SignedBatch,
    recorded: Recorded,
) -> None:
    """Keep what the events' signed bytes held beyond what is stored of them; nothing, where none was accepted."""
    if recorded.batch_id is None:
        return
    told = zip(documents, submissions, recorded.verdicts, strict=True)
    rest = [
        difference(document=document, presumed=_presumed(one, sequence, verdict))
        for sequence, (document, one, verdict) in enumerate(told, start=signed.header.first)
    ]
    ingest.seal(batch_id=recorded.batch_id, public_key=signed.public_key, rest=rest)


def _presumed(one: UsageEvent | Malformed, sequence: int, verdict: EventVerdict) -> dict[str, object]:
    """Return what will be presumed of an event by what was stored of it: nothing, where it was not accepted."""
    if not isinstance(one, UsageEvent) or verdict.verdict is not Verdict.ACCEPTED:
        return {}
    return presume(
        event_id=one.id,
        source=one.source,
        kind=one.type,
        subject=one.subject,
        time=one.time,
        data=one.data,
        sequence=sequence,
    )


def _record(
    caller: Caller, submissions: Sequence[UsageEvent | Malformed], received_at: datetime, evidence: BatchEvidence
) -> Recorded:
    return record_all([Delivery(caller, submissions, received_at, evidence)])[0]


def record_all(deliveries: Sequence[Delivery]) -> tuple[Recorded, ...]:
    """Take in the parsed events of several requests in one transaction: they share the cost of its commit."""
    requests = [_fed(one) for one in deliveries]
    unheard = _unheard([(one.caller.customer_id, one.submissions, one.received_at) for one in deliveries])
    if not unheard:
        return ingest.record_all(requests=requests)
    with transaction.atomic():
        recorded = ingest.record_all(requests=requests)
        _make_known(unheard)
    return recorded


def _fed(one: Delivery) -> ingest.Request:
    customer_id = one.caller.customer_id
    submissions = feeds.assign(
        customer_id=customer_id, submissions=one.submissions, source=FeedSource.EVENTS, now=one.received_at
    )
    return ingest.Request(customer_id, submissions, one.received_at, one.evidence)


def make_known(*, customer_id: int, submissions: Sequence[UsageEvent | Malformed], now: datetime) -> None:
    """Add the agents that were never seen before; the unique key decides, so two requests at once agree."""
    _make_known(_unheard([(customer_id, submissions, now)]))


def _unheard(received: Iterable[tuple[int, Sequence[UsageEvent | Malformed], datetime]]) -> dict[Named, datetime]:
    """Return the agents that this process does not know, and when they were first seen."""
    seen: dict[Named, datetime] = {}
    for customer_id, submissions, now in received:
        for event in submissions:
            if type(event) is UsageEvent and event.subject:
                named = (customer_id, event.subject[:KEY_LENGTH])
                if named not in _known:
                    seen[named] = now
    return seen


def _make_known(unheard: Mapping[Named, datetime]) -> None:
    customers, subjects = {one for one, _ in unheard}, {one for _, one in unheard}
    rows = Agent.objects.filter(customer_id__in=customers, key__in=subjects).values_list("customer_id", "key")
    unknown = sorted(unheard.keys() - set(rows))
    Agent.objects.bulk_create(
        [Agent(customer_id=one[0], key=one[1], name=one[1], first_seen_at=unheard[one]) for one in unknown],
        ignore_conflicts=True,
    )
    transaction.on_commit(lambda: _remember(unheard))  # what is rolled back must not be remembered


def forget() -> None:
    """Forget which agents are known, for when the rows themselves are gone."""
    _known.clear()


def _remember(heard: Iterable[Named]) -> None:
    if len(_known) > _REMEMBERED:
        _known.clear()
    _known.update(heard)
