"""What waits for a person: traces that could not become usage by themselves, and what is wrong with devices."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from agents.models import DeviceFinding, Trace
from agents.models.traces import TraceState


@dataclass(frozen=True, slots=True)
class Review:
    """One thing that waits: its kind, what it is about, since when, and a sentence."""

    kind: str
    what: str
    since: datetime
    detail: str


def waiting(*, customer_id: int) -> tuple[Review, ...]:
    """Return what waits for a person at a customer, the oldest first."""
    return tuple(sorted([*_traces(customer_id), *_findings(customer_id)], key=lambda one: (one.since, one.what)))


def _traces(customer_id: int) -> Iterator[Review]:
    for row in Trace.objects.filter(customer_id=customer_id, state=TraceState.REVIEW):
        since = row.issue_at or row.first_received_at
        yield Review(kind=row.issue, what=f"trace {row.trace_id}", since=since, detail=row.detail)


def _findings(customer_id: int) -> Iterator[Review]:
    still_open = DeviceFinding.objects.filter(device__customer_id=customer_id, resolved_at__isnull=True)
    for row in still_open.select_related("device"):
        what = f"device {row.device.key}, epoch {row.epoch}, {row.first} to {row.last}"
        yield Review(kind=f"device_{row.kind}", what=what, since=row.seen_at, detail=row.detail)
