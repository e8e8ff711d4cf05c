"""The smallest valid events, and short ways to send, fold and read them."""

import itertools
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any

from metering import ingest, usage
from metering.event import Malformed, UsageEvent
from metering.ingest import BatchEvidence, Recorded
from metering.seeds import COMPUTE, DECISION, SEAT, TASK, TURN

ACME = 1
RIVAL = 2
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
LATER = NOON + timedelta(days=3)
DEVICE = "urn:agentmeter:device:kiosk"
_numbers = itertools.count(1)


def usage_event(
    type: str = TURN,  # noqa: A002 - as CloudEvents calls it
    data: Mapping[str, Any] | None = None,
    *,
    id: str | None = None,  # noqa: A002
    source: str = DEVICE,
    time: datetime = NOON,
    environment: str = "production",
    subject: str = "greeter",
) -> UsageEvent:
    """An event whose body is a canonical form of its content."""
    event_id = id or f"event-{next(_numbers)}"
    content = {
        "id": event_id,
        "source": source,
        "type": type,
        "subject": subject,
        "time": time.isoformat(),
        "data": dict(data or {}),
    }
    return UsageEvent(
        id=event_id,
        source=source,
        type=type,
        subject=subject,
        time=time,
        environment=environment,
        data=dict(data or {}),
        sequence=None,
        body=json.dumps(content, sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass"),
    )


def turn(name: str | None = None, *, outcome: str = "answered", agent: object = "greeter", **rest: Any) -> UsageEvent:
    data = {"turn": name or f"turn-{next(_numbers)}", "outcome": outcome, "agent": agent}
    return usage_event(TURN, data, **rest)


def decision(name: str = "turn", number: int | None = None, *, outcome: str = "usable", **rest: Any) -> UsageEvent:
    data = {"turn": name, "number": number or next(_numbers), "outcome": outcome}
    return usage_event(DECISION, data, **rest)


def task(name: str, state: str = "completed", **rest: Any) -> UsageEvent:
    return usage_event(TASK, {"task": name, "state": state}, **rest)


def compute(
    milliseconds: object = 1000, *, name: str | None = None, agent: object = "greeter", **rest: Any
) -> UsageEvent:
    data = {"slice": name or f"slice-{next(_numbers)}", "milliseconds": milliseconds, "agent": agent}
    return usage_event(COMPUTE, data, **rest)


def seat(delta: int, time: datetime = NOON, **rest: Any) -> UsageEvent:
    return usage_event(SEAT, {"seat": "alice", "delta": delta}, time=time, **rest)


def send(*submissions: UsageEvent | Malformed, customer: int = ACME, received_at: datetime = LATER) -> Recorded:
    """Submit as one request."""
    return ingest.record(
        customer_id=customer, submissions=submissions, received_at=received_at, evidence=evidence_of(submissions)
    )


def evidence_of(submissions: Sequence[UsageEvent | Malformed]) -> BatchEvidence:
    bodies = [one.raw if isinstance(one, Malformed) else one.body for one in submissions]
    return BatchEvidence(digest=sha256(b",".join(bodies)).digest(), api_key_id=7)


def verdicts(recorded: Recorded) -> list[str]:
    return [one.verdict.value for one in recorded.verdicts]


def pointers(recorded: Recorded) -> list[str]:
    return [problem.pointer for one in recorded.verdicts for problem in one.errors]


def fold_now() -> int:
    return usage.catch_up(now=LATER)
