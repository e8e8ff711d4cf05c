"""Usage as it really comes in: events through metering's write door, then folded."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from agents import seats
from agents.models import Customer, Seat
from billing import closing
from billing.models import BillingPeriod, Invoice
from metering import ingest, usage
from metering.event import UsageEvent, Verdict
from metering.ingest import BatchEvidence
from runtime.wire import (
    COMPUTE_USED,
    DECISION_MADE,
    SEAT_CHANGED,
    TASK_STATE_CHANGED,
    TURN_COMPLETED,
    canonical,
    format_time,
)


@dataclass
class Sender:
    """Sends events of one customer after the other; each `send` is a batch, received an hour after its last event."""

    numbers: Any = field(default_factory=lambda: count(1))

    def turns(self, customer: Customer, at: datetime, number: int = 1, **data: Any) -> None:
        rows = [{"turn": f"turn-{next(self.numbers)}", "outcome": "completed"} | data for _ in range(number)]
        self._send(customer, TURN_COMPLETED, at, rows)

    def decisions(self, customer: Customer, at: datetime, number: int = 1, **data: Any) -> None:
        rows = [{"turn": f"t-{next(self.numbers)}", "number": 1, "outcome": "usable"} | data for _ in range(number)]
        self._send(customer, DECISION_MADE, at, rows)

    def tasks(self, customer: Customer, at: datetime, number: int = 1, **data: Any) -> None:
        rows = [{"task": f"task-{next(self.numbers)}", "state": "completed"} | data for _ in range(number)]
        self._send(customer, TASK_STATE_CHANGED, at, rows)

    def compute(self, customer: Customer, at: datetime, milliseconds: int, **data: Any) -> None:
        row = {"slice": f"slice-{next(self.numbers)}", "milliseconds": milliseconds, "hardware_class": "cpu"} | data
        self._send(customer, COMPUTE_USED, at, [row])

    def seat(self, customer: Customer, at: datetime) -> Seat:
        key = f"seat-{next(self.numbers)}"
        return seats.assign(customer=customer, key=key, holder=key, at=at, now=at + timedelta(hours=1))

    def release(self, seat: Seat, at: datetime) -> None:
        seats.release(seat=seat, at=at, now=at + timedelta(hours=1))

    def seat_events(self, customer: Customer, at: datetime, delta: int) -> None:
        self._send(customer, SEAT_CHANGED, at, [{"seat": "nobody's", "delta": delta}])

    def fold(self, now: datetime) -> int:
        return usage.catch_up(now=now)

    def _send(self, customer: Customer, kind: str, at: datetime, rows: Sequence[Mapping[str, Any]]) -> None:
        events = [self._event(kind, at, data) for data in rows]
        recorded = ingest.record(
            customer_id=customer.pk,
            submissions=events,
            received_at=at + timedelta(hours=1),
            evidence=BatchEvidence(digest=hashlib.sha256(b"".join(event.body for event in events)).digest()),
        )
        assert {verdict.verdict for verdict in recorded.verdicts} == {Verdict.ACCEPTED}, recorded.verdicts

    def _event(self, kind: str, at: datetime, data: Mapping[str, Any]) -> UsageEvent:
        name = f"event-{next(self.numbers)}"
        return UsageEvent(
            id=name,
            source="urn:test:device",
            type=kind,
            subject="agent",
            time=at,
            environment="production",
            data=data,
            sequence=None,
            body=canonical({"id": name, "type": kind, "time": format_time(at), "data": dict(data)}),
        )


def invoiced(period: BillingPeriod, now: datetime) -> Invoice:
    """Close a period that nobody else closes, and return its invoice."""
    invoice = closing.close(period_id=period.pk, now=now)
    assert invoice is not None
    return invoice
