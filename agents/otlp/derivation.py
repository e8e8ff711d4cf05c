"""Decides what the spans of one trace amount to: its turns, decisions and tool calls. Pure.

The rule (standards.md, part 3), which counts the same work alike for every framework:

* a turn is an agent span with no agent span above it in its trace;
* a decision is a model span; one whose status is ERROR is recorded as unusable, which no meter of ours bills;
* a tool call is a tool span.

Two refinements, because instrumentations wrap each other. An agent span within an agent's of the same name, or without
a name, is the same hand-over again; with another name it is a sub-agent's turn, recorded under its parent's. A model
span directly within a model span is the same inference seen twice.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from agents.models.traces import SpanKind, UnitKind
from agents.otlp import conventions
from agents.otlp.spans import Span

_INHERITED: Final = (conventions.AGENT_NAME, conventions.CONVERSATION, conventions.TASK, "service")


@dataclass(frozen=True, slots=True)
class Unit:
    """One thing that a trace amounts to; `turn` is the span whose turn it belongs to, itself for a turn.

    `facts` are those of its span and, where it says nothing, of what encloses it.
    """

    kind: UnitKind
    span: Span
    turn: str
    facts: Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Derived:
    """What a trace amounts to. It is whole when it has a root and every span hangs from one."""

    is_whole: bool
    units: tuple[Unit, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A span with what encloses it: the nearest span of a kind, the span of the turn, and the facts handed down."""

    span: Span
    around: SpanKind | None
    turn: str
    facts: Mapping[str, str | int]
    is_other_agent: bool


def derive(*, spans: Sequence[Span]) -> Derived:
    """Return what the spans of one trace amount to, by time; one whose parent is not among them counts as a root.

    Spans that hang from nothing (a circle of parents) amount to nothing, and make the trace not whole.
    """
    ordered = sorted(spans, key=lambda span: (span.started_at, span.span_id))
    known = {span.span_id for span in ordered}
    tops = [span for span in ordered if span.parent_id not in known]
    descent = list(_descend(tops, ordered))
    names = _agent_names(descent)
    places: dict[str, _Place] = {}
    for span in descent:
        places[span.span_id] = _place(span, places.get(span.parent_id), names)
    units = ((kind, place) for place in places.values() if (kind := _kind(place)) is not None)
    return Derived(
        is_whole=bool(tops) and len(descent) == len(ordered) and not any(span.parent_id for span in tops),
        units=tuple(
            Unit(kind=kind, span=place.span, turn=place.turn or place.span.span_id, facts=place.facts)
            for kind, place in units
        ),
    )


def _descend(tops: Sequence[Span], ordered: Sequence[Span]) -> Iterator[Span]:
    """Yield every span under `tops`, each after what encloses it, without recursion: a trace may be deep."""
    below = defaultdict(list)
    for span in reversed(ordered):
        below[span.parent_id].append(span)
    waiting = list(reversed(tops))
    while waiting:
        span = waiting.pop()
        yield span
        waiting += below.get(span.span_id, ())


def _agent_names(descent: Sequence[Span]) -> Mapping[str, str | int]:
    """Return, by span, the name of the agent there: its own, or of the first agent below it that has one."""
    names: dict[str, str | int] = {}
    for span in reversed(descent):
        if span.kind is SpanKind.AGENT and conventions.AGENT_NAME in span.facts:
            names[span.span_id] = span.facts[conventions.AGENT_NAME]
        if span.span_id in names:
            names[span.parent_id] = names[span.span_id]  # an earlier sibling comes later here, and wins
    return names


def _place(span: Span, above: _Place | None, names: Mapping[str, str | int]) -> _Place:
    facts = dict(span.facts)
    if span.kind is SpanKind.AGENT and span.span_id in names:
        facts[conventions.AGENT_NAME] = names[span.span_id]
    if above is None:
        return _Place(span=span, around=None, turn="", facts=facts, is_other_agent=False)
    inherited = {name: value for name, value in above.facts.items() if name in _INHERITED}
    enclosing = inherited.get(conventions.AGENT_NAME)
    return _Place(
        span=span,
        around=above.around if above.span.kind is SpanKind.OTHER else above.span.kind,
        turn=above.turn or (above.span.span_id if above.span.kind is SpanKind.AGENT else ""),
        facts=inherited | facts,
        is_other_agent=facts.get(conventions.AGENT_NAME, enclosing) != enclosing,
    )


def _kind(place: _Place) -> UnitKind | None:
    match place.span.kind:
        case SpanKind.AGENT if not place.turn:
            return UnitKind.TURN
        case SpanKind.AGENT if place.is_other_agent:
            return UnitKind.SUBTURN
        case SpanKind.MODEL if place.around is not SpanKind.MODEL:
            return UnitKind.DECISION
        case SpanKind.TOOL:
            return UnitKind.TOOL_CALL
        case _:
            return None
