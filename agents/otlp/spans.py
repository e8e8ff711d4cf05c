"""Reads the spans of an export down to what may be kept, and says of each that it cannot take what is wrong."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from agents.models.traces import SpanKind
from agents.otlp import conventions
from agents.otlp.conventions import Convention

# A meter may be split by any fact, and takes at most this many bytes of it (metering.rules.DIMENSION_BYTES).
TEXT_BYTES: Final = 128
SCOPE_CHARACTERS: Final = 100
TRACE_ID_BYTES: Final = 16
SPAN_ID_BYTES: Final = 8
_LARGEST_COUNT: Final = 10**15  # what a quantity may have before the point
_ENCODER: Final = msgspec.json.Encoder(order="sorted")  # one text for one span
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

Facts = Mapping[str, str | int]


@dataclass(frozen=True, slots=True)
class Span:
    """One span as billing sees it; ids in lower-case hexadecimal, `parent_id` empty for a root."""

    trace_id: str
    span_id: str
    parent_id: str
    kind: SpanKind
    failed: bool
    started_at: datetime
    ended_at: datetime
    scope: str
    facts: Facts

    @property
    def digest(self) -> bytes:
        """16 bytes by which a repetition is told from a contradiction."""
        return hashlib.blake2b(_ENCODER.encode(self), digest_size=16).digest()


@dataclass(frozen=True, slots=True)
class Export:
    """What a request held: the spans that can be taken, and why the others cannot, in a sentence each."""

    spans: tuple[Span, ...]
    faults: tuple[str, ...]


def read(*, request: ExportTraceServiceRequest) -> Export:
    """Return the spans of an export; what no convention names is left behind here and stored nowhere."""
    spans, faults = [], []
    for span, service, scope in _walk(request):
        fault = _fault(span)
        if fault is None:
            spans.append(_reduce(span, service=service, scope=scope))
        else:
            faults.append(fault)
    return Export(spans=tuple(spans), faults=tuple(faults))


def _walk(request: ExportTraceServiceRequest) -> Iterator[tuple[WireSpan, str, str]]:
    for resource in request.resource_spans:
        service = _texts(resource.resource.attributes).get(conventions.SERVICE_ATTRIBUTE, "")
        for scoped in resource.scope_spans:
            scope = _clean(scoped.scope.name)[:SCOPE_CHARACTERS]
            for span in scoped.spans:
                yield span, str(service), scope


def _fault(span: WireSpan) -> str | None:
    if len(span.trace_id) != TRACE_ID_BYTES or not any(span.trace_id):
        return f"A trace_id has {TRACE_ID_BYTES} bytes, not all zero."
    if len(span.span_id) != SPAN_ID_BYTES or not any(span.span_id):
        return f"A span_id has {SPAN_ID_BYTES} bytes, not all zero."
    if len(span.parent_span_id) not in {0, SPAN_ID_BYTES}:
        return f"A parent_span_id is empty or has {SPAN_ID_BYTES} bytes."
    if not span.end_time_unix_nano:
        return "A span has an end_time_unix_nano: send it when it has ended."
    return None


def _reduce(span: WireSpan, *, service: str, scope: str) -> Span:
    convention = conventions.find(scope=scope)
    values = _texts(span.attributes)
    kind = _kind(convention, values)
    facts = _facts(convention, values)
    if kind is not SpanKind.OTHER and service:
        facts.setdefault("service", service)
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() if any(span.parent_span_id) else "",
        kind=kind,
        failed=span.status.code == Status.STATUS_CODE_ERROR,
        started_at=_instant(span.start_time_unix_nano),
        ended_at=_instant(span.end_time_unix_nano),
        scope=scope,
        facts=facts if kind is not SpanKind.OTHER else {},
    )


def _kind(convention: Convention, values: Facts) -> SpanKind:
    said = (kinds.get(str(values.get(name, ""))) for name, kinds in convention.kinds.items())
    return next((kind for kind in said if kind is not None), SpanKind.OTHER)


def _facts(convention: Convention, values: Facts) -> dict[str, str | int]:
    facts: dict[str, str | int] = {}
    for fact, names in convention.facts.items():
        value = next((values[name] for name in names if values.get(name, "") != ""), None)
        if fact in conventions.TOKENS:
            if type(value) is int and 0 <= value < _LARGEST_COUNT:
                facts[fact] = value
        elif value is not None:
            facts[fact] = str(value)
    return facts


def _texts(attributes: Iterable[KeyValue]) -> dict[str, str | int]:
    """Return the attributes that are a text or a whole number; nothing else can be a name or a count."""
    found = {}
    for one in attributes:
        value = _scalar(one.value)
        if value is not None:
            found[one.key] = value
    return found


def _scalar(value: AnyValue) -> str | int | None:
    match value.WhichOneof("value"):
        case "string_value":
            return _clean(value.string_value)
        case "int_value":
            return int(value.int_value)
        case _:
            return None


def _clean(text: str) -> str:
    """Return a text that PostgreSQL can store and a meter can be split by: without U+0000, at most 128 bytes."""
    return text.replace("\0", "\N{REPLACEMENT CHARACTER}").encode()[:TEXT_BYTES].decode(errors="ignore")


def _instant(nanoseconds: int) -> datetime:
    """Return an instant to the microsecond; 2**64 nanoseconds end in the year 2554, so none is out of range."""
    return _EPOCH + timedelta(microseconds=nanoseconds // 1000)
