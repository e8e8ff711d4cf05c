"""The usage events that a trace amounts to, each with an id that is a pure function of its trace and span."""

from collections.abc import Sequence
from typing import Any, Final

from agents.models.traces import UnitKind
from agents.otlp import conventions
from agents.otlp.derivation import Unit
from metering.event import UsageEvent
from runtime.wire import (
    DECISION_MADE,
    TURN_COMPLETED,
    DecisionOutcome,
    TurnOutcome,
    canonical,
    format_time,
)

SOURCE: Final = "urn:agentmeter:otlp"
FEED: Final = "otlp"
SUBTURN_COMPLETED: Final = "io.agentmeter.subturn.completed.v1"
TOOL_CALLED: Final = "io.agentmeter.tool.called.v1"

TYPES: Final = {
    UnitKind.TURN: TURN_COMPLETED,
    UnitKind.SUBTURN: SUBTURN_COMPLETED,
    UnitKind.DECISION: DECISION_MADE,
    UnitKind.TOOL_CALL: TOOL_CALLED,
}
# What a span whose status is ERROR, or is not, means for its unit. A run that raised did not end without a fault.
_TURN: Final = (TurnOutcome.ANSWERED.value, TurnOutcome.RUNTIME_FAULT.value)
_OUTCOMES: Final = {
    UnitKind.TURN: _TURN,
    UnitKind.SUBTURN: _TURN,
    UnitKind.DECISION: (DecisionOutcome.USABLE.value, DecisionOutcome.UNUSABLE.value),
    UnitKind.TOOL_CALL: ("ok", "error"),
}


def compose(*, units: Sequence[Unit], environment: str) -> list[UsageEvent]:
    """Return the events of a trace's units, in their order; `environment` is production or test."""
    return [_event(unit, environment) for unit in units]


def _event(unit: Unit, environment: str) -> UsageEvent:
    data = _data(unit)
    agent = str(data.get(conventions.AGENT_NAME, ""))
    content: dict[str, Any] = {
        "id": id_of(trace_id=unit.span.trace_id, span_id=unit.span.span_id),
        "source": SOURCE,
        "type": TYPES[unit.kind],
        "subject": agent,
        "time": format_time(unit.span.ended_at),
        "data": data,
    }
    return UsageEvent(
        **content | {"time": unit.span.ended_at}, environment=environment, sequence=None, body=canonical(content)
    )


def id_of(*, trace_id: str, span_id: str) -> str:
    """Return the id of the event that a span is written as."""
    return f"{trace_id}:{span_id}"


def _data(unit: Unit) -> dict[str, Any]:
    facts = dict(unit.facts)
    service = facts.pop("service", None)
    if service is not None:
        facts.setdefault(conventions.AGENT_NAME, service)
    usable, failed = _OUTCOMES[unit.kind]
    span = unit.span
    return {
        **facts,
        **_identity(unit),
        "outcome": failed if span.failed else usable,
        "trace": span.trace_id,
        "feed": FEED,
    }


def _identity(unit: Unit) -> dict[str, str]:
    """Return what names the unit: a span's id is its number, so that a span that arrives late renumbers nothing."""
    turn = {"turn": id_of(trace_id=unit.span.trace_id, span_id=unit.turn)}
    match unit.kind:
        case UnitKind.TURN:
            return turn
        case UnitKind.DECISION:
            return turn | {"number": unit.span.span_id}
        case _:
            return turn | {"span": unit.span.span_id}
