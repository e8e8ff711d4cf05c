"""What one request of a sender does: parse, verify, record, and let the device's chain move on, in one transaction."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from agents import clocks, cloudevents, devices, feeds, ledger
from agents.auth import Caller
from agents.devices import Signature, SignedBatch
from agents.errors import DeviceChainError, MalformedRequestError, Suspicion
from agents.models import Agent
from agents.models.feeds import FeedSource
from metering import ingest
from metering.event import Malformed, UsageEvent, Verdict
from metering.ingest import BatchEvidence, Recorded


@dataclass(frozen=True, slots=True)
class Received:
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
    documents = cloudevents.decode(body=body, content_type=content_type, attributes=attributes)
    submissions = [
        cloudevents.parse(document=document, index=index, environment=caller.environment, received_at=received_at)
        for index, document in enumerate(documents)
    ]
    if signature is None:
        recorded = record(caller=caller, submissions=submissions, body=body, received_at=received_at)
        return Received(recorded=recorded, device=None)
    signed = _verify(caller, signature, documents)
    placed = clocks.place(submissions=submissions, documents=documents, header=signed.header, received_at=received_at)
    try:
        received, suspicions = _receive_signed(caller, placed, signed, hashlib.sha256(body).digest(), received_at)
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
    evidence = BatchEvidence(digest=hashlib.sha256(body).digest(), api_key_id=caller.key_id)
    return _record(caller, submissions, received_at, evidence)


def _verify(caller: Caller, signature: Signature, documents: list[Any]) -> SignedBatch:
    if not all(isinstance(document, dict) for document in documents):
        raise MalformedRequestError("Every event of a signed batch is a JSON object.")
    return devices.verify_batch(customer_id=caller.customer_id, signature=signature, events=documents)


@transaction.atomic
def _receive_signed(
    caller: Caller,
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
    devices.check_history(device=device, batch=signed, verdicts=verdicts)
    moved = [place for place, one in enumerate(submissions, start=header.first) if clocks.is_moved(one)]
    suspicions = devices.suspect(device=device, batch=signed, verdicts=verdicts, moved=moved)
    taken = (one for one, told in zip(submissions, verdicts, strict=True) if told.verdict is not Verdict.REJECTED)
    newest = max((one.time for one in taken if isinstance(one, UsageEvent)), default=None)
    reached = devices.advance(device=device, batch=signed, newest=newest, now=received_at)
    return Received(recorded=recorded, device={"epoch": device.epoch, "sequence": reached}), suspicions


@transaction.atomic
def _record(
    caller: Caller, submissions: Sequence[UsageEvent | Malformed], received_at: datetime, evidence: BatchEvidence
) -> Recorded:
    fed = feeds.assign(
        customer_id=caller.customer_id, submissions=submissions, source=FeedSource.EVENTS, now=received_at
    )
    recorded = ingest.record(
        customer_id=caller.customer_id, submissions=fed, received_at=received_at, evidence=evidence
    )
    make_known(customer_id=caller.customer_id, submissions=submissions, now=received_at)
    return recorded


def make_known(*, customer_id: int, submissions: Sequence[UsageEvent | Malformed], now: datetime) -> None:
    """Add the agents that were never seen before; the unique key decides, so two requests at once agree."""
    subjects = sorted({event.subject[:128] for event in submissions if isinstance(event, UsageEvent) and event.subject})
    known = set(Agent.objects.filter(customer_id=customer_id, key__in=subjects).values_list("key", flat=True))
    Agent.objects.bulk_create(
        [
            Agent(customer_id=customer_id, key=subject, name=subject, first_seen_at=now)
            for subject in subjects
            if subject not in known
        ],
        ignore_conflicts=True,
    )
