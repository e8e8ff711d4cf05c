"""Customers with a year behind them: usage through the write door, folds, and an issued invoice for each month."""

import hashlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from django.db.models import CharField, Value
from django.db.models.functions import Cast, Concat

from agents.models import Customer
from billing import bulk
from billing.models import Invoice, PlanVersion
from billing.periods import full_period
from metering import ingest, usage
from metering.event import UsageEvent
from metering.ingest import BatchEvidence
from runtime.wire import COMPUTE_USED, DECISION_MADE, TASK_STATE_CHANGED, TURN_COMPLETED, canonical, format_time
from tests.bench import cycles
from tests.bench.cycles import JANUARY


def make(version: PlanVersion, *, customers: int, months: int, advance: Callable[[], object]) -> datetime:
    """Give customers of an empty database so many months behind them; returns the day after."""
    changes = cycles.subscribe(version, range(customers))
    for change in changes:
        use(change.subscription.customer, months)
        advance()
    end = JANUARY
    for _ in range(months):
        month = full_period(anchor_at=JANUARY, zone="UTC", interval="month", at=end)
        end = month.ends_at
        bulk.draft(bills=(cycle.bill() for cycle in cycles.to_close(version, changes, month)), now=end)
    number = Concat(Value("B-"), Cast("pk", CharField()))
    Invoice.objects.update(status="paid", number=number, issued_at=end, paid_at=end)
    usage.catch_up(now=end)
    return end + timedelta(days=1)


def use(customer: Customer, months: int) -> None:
    """Send a customer's work of all months as one batch."""
    events = [event for month in range(months) for event in _month(customer, month)]
    recorded = ingest.record(
        customer_id=customer.pk,
        submissions=events,
        received_at=JANUARY + timedelta(days=31 * months),
        evidence=BatchEvidence(digest=hashlib.sha256(customer.key.encode()).digest()),
    )
    assert recorded.counts["accepted"] == len(events), recorded.counts


def _month(customer: Customer, month: int) -> Iterator[UsageEvent]:
    at = JANUARY + timedelta(days=30 * month + 3 + customer.pk % 20)
    mark = f"{customer.key}-{month}"
    work: list[tuple[str, dict[str, Any]]] = [
        *((TURN_COMPLETED, {"turn": f"{mark}-{n}", "outcome": "completed"}) for n in range(3)),
        *((DECISION_MADE, {"turn": mark, "number": n, "outcome": "usable"}) for n in range(4)),
        (TASK_STATE_CHANGED, {"task": mark, "state": "completed"}),
        (COMPUTE_USED, {"slice": mark, "milliseconds": 1500, "hardware_class": "cpu"}),
    ]
    for number, (kind, data) in enumerate(work):
        name = f"{mark}-{number}"
        yield UsageEvent(
            id=name,
            source="urn:bench",
            type=kind,
            subject="agent",
            time=at,
            environment="production",
            data=data,
            sequence=None,
            body=canonical({"id": name, "type": kind, "time": format_time(at), "data": data}),
        )
