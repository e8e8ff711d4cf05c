"""Seats: assigned and released; each change is a usage event, so that a seat line is proved as every other line is."""

import hashlib
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from agents.errors import SeatStateError
from agents.models import Customer, Seat
from metering import ingest
from metering.event import UsageEvent, Verdict
from metering.ingest import BatchEvidence
from runtime.wire import SEAT_CHANGED, canonical, format_time

SOURCE = "urn:agentmeter:seats"


@transaction.atomic
def assign(*, customer: Customer, key: str, holder: str, at: datetime, now: datetime) -> Seat:
    """Give a seat from `at` on. Raises SeatStateError where the key is or was in use at this customer."""
    seat, made = Seat.objects.get_or_create(customer=customer, key=key, defaults={"holder": holder, "assigned_at": at})
    if not made:
        raise SeatStateError(f"Seat {key} was assigned before; a new holder needs a new seat.")
    _tell(seat=seat, change="assigned", delta=1, at=at, now=now)
    return seat


@transaction.atomic
def release(*, seat: Seat, at: datetime, now: datetime) -> None:
    """Take a seat back at `at`, which no longer counts. Raises SeatStateError where it was released before."""
    held = Q(pk=seat.pk, released_at__isnull=True, assigned_at__lte=at)
    if Seat.objects.filter(held).update(released_at=at) != 1:
        raise SeatStateError(f"Seat {seat.key} was released before, or is assigned only after {at.isoformat()}.")
    _tell(seat=seat, change="released", delta=-1, at=at, now=now)


def _tell(*, seat: Seat, change: str, delta: int, at: datetime, now: datetime) -> None:
    data: dict[str, object] = {"seat": seat.key, "delta": delta}
    content = {"id": f"{seat.key}:{change}", "time": format_time(at), "data": data}
    event = UsageEvent(
        id=f"{seat.key}:{change}",
        source=SOURCE,
        type=SEAT_CHANGED,
        subject="",
        time=at,
        environment="production",
        data=data,
        sequence=None,
        body=canonical(content),
    )
    evidence = BatchEvidence(digest=hashlib.sha256(event.body).digest())
    recorded = ingest.record(customer_id=seat.customer_id, submissions=[event], received_at=now, evidence=evidence)
    if recorded.verdicts[0].verdict is not Verdict.ACCEPTED:
        raise SeatStateError(f"Seat {seat.key}: {recorded.verdicts[0].errors}")
