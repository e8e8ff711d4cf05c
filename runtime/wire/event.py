"""The events of a device: their types, their dimensions and their envelope."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum

TASK_STATE_CHANGED = "io.agentmeter.task.state_changed.v1"
TURN_COMPLETED = "io.agentmeter.turn.completed.v1"
DECISION_MADE = "io.agentmeter.decision.made.v1"
COMPUTE_USED = "io.agentmeter.compute.used.v1"
SEAT_CHANGED = "io.agentmeter.seat.changed.v1"
EVENT_TYPES = (TASK_STATE_CHANGED, TURN_COMPLETED, DECISION_MADE, COMPUTE_USED, SEAT_CHANGED)

DIMENSIONS = (
    "agent",
    "device",
    "hardware_class",
    "processor",
    "model",
    "model_name",
    "architecture",
    "quantization",
    "environment",
    "byoc",
)

SOURCE_PREFIX = "urn:agentmeter:device:"


class TaskState(StrEnum):
    """The terminal states of a task; only the first one counts."""

    COMPLETED = "completed"
    FAILED = "failed"
    CANCELED = "canceled"
    REJECTED = "rejected"


class TurnOutcome(StrEnum):
    """How a turn gave control back; a runtime fault is never billed."""

    ANSWERED = "answered"
    INPUT_REQUIRED = "input_required"
    RUNTIME_FAULT = "runtime_fault"
    CANCELED = "canceled"


class DecisionOutcome(StrEnum):
    """Whether the output of an inference fixed the next action."""

    USABLE = "usable"
    UNUSABLE = "unusable"


def source_of(*, device: str) -> str:
    """Return the CloudEvents source of a device's events."""
    return SOURCE_PREFIX + device


def format_time(moment: datetime) -> str:
    """Return RFC 3339 in UTC with microseconds and Z; raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("the time needs a zone")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


def compose(
    *, event_id: str, kind: str, device: str, agent: str, time: datetime, data: Mapping[str, object]
) -> dict[str, object]:
    """Return a CloudEvents 1.0 event that has no place in a chain yet; the spool adds its `sequence`."""
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source_of(device=device),
        "type": kind,
        "subject": agent,
        "time": format_time(time),
        "datacontenttype": "application/json",
        "data": dict(data),
    }
