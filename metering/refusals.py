"""Keeps what was refused, once however often it is sent again, so that a dispute can be settled."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from metering.event import Malformed, UsageEvent, Verdict
from metering.models import Refusal
from metering.rules import Fault
from metering.texts import storable

BODY_LIMIT: Final = 16_384
TEXT_LIMIT: Final = 1_024


@dataclass(frozen=True, slots=True)
class Refused:
    """A submission with the verdict against it and the faults that led to it."""

    submission: UsageEvent | Malformed
    verdict: Verdict
    faults: tuple[Fault, ...]


def keep(*, customer_id: int, received_at: datetime, refused: Iterable[Refused]) -> None:
    """Store one row per submission and reason; a row that is there already stays as it is."""
    rows = [
        _row(customer_id, received_at, one, fault)
        for one in refused
        for fault in {fault.reason: fault for fault in reversed(one.faults)}.values()
    ]
    Refusal.objects.bulk_create(rows, ignore_conflicts=True)


def _row(customer_id: int, received_at: datetime, one: Refused, fault: Fault) -> Refusal:
    sent = one.submission.raw if isinstance(one.submission, Malformed) else one.submission.body
    return Refusal(
        customer_id=customer_id,
        received_at=received_at,
        source=_text(one.submission.source),
        event_id=_text(one.submission.id),
        verdict=one.verdict.value,
        reason=fault.reason.value,
        pointer=storable(fault.problem.pointer.encode(), limit=TEXT_LIMIT),
        detail=storable(fault.problem.detail.encode(), limit=TEXT_LIMIT),
        body=storable(sent, limit=BODY_LIMIT),
        digest=sha256(sent).digest(),
    )


def _text(value: str | None) -> str | None:
    return None if value is None else storable(value.encode("utf-8", "replace"), limit=TEXT_LIMIT)
