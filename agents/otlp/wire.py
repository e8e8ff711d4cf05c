"""OTLP over HTTP (OpenTelemetry protocol 1.11): requests in protobuf or JSON, answers in the form of the request."""

import base64
import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from django.http import HttpRequest, HttpResponse
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message
from google.rpc.code_pb2 import Code
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTracePartialSuccess,
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

from agents.errors import MalformedRequestError, UnsupportedContentTypeError

MAX_BYTES: Final = 64 * 1024 * 1024  # what the protocol suggests, packed and unpacked
MAX_SPANS: Final = 50_000
_MOST_WORDS: Final = 1_000
_ID_FIELDS: Final = ("traceId", "spanId", "parentSpanId")


class Form(StrEnum):
    """The two encodings."""

    PROTOBUF = "application/x-protobuf"
    JSON = "application/json"


def form_of(content_type: str) -> Form:
    """Return the encoding that a Content-Type names. Raises UnsupportedContentTypeError."""
    media_type = content_type.partition(";")[0].strip().lower()
    try:
        return Form(media_type)
    except ValueError:
        raise UnsupportedContentTypeError(
            f"Send {Form.PROTOBUF} or {Form.JSON}, not {media_type[:100] or 'nothing'}."
        ) from None


def _form_or_json(content_type: str) -> Form:
    """Return the encoding that a Content-Type names, JSON where it names none that is understood."""
    try:
        return form_of(content_type)
    except UnsupportedContentTypeError:
        return Form.JSON


def decode(*, body: bytes, form: Form) -> ExportTraceServiceRequest:
    """Return the export. Unknown fields are ignored. Raises MalformedRequestError."""
    try:
        return ExportTraceServiceRequest.FromString(body) if form is Form.PROTOBUF else _read_json(body)
    except (DecodeError, json_format.ParseError, ValueError, RecursionError) as error:
        # The parser's own words may quote the body, which may hold a prompt; where it failed is enough.
        raise MalformedRequestError(f"The body is no ExportTraceServiceRequest in {form}.") from error


def answer(*, rejected: int, reason: str, form: Form) -> bytes:
    """Return the body of a 200; where spans were rejected it says how many and why."""
    response = ExportTraceServiceResponse()
    if rejected:
        partial = ExportTracePartialSuccess(rejected_spans=rejected, error_message=reason[:_MOST_WORDS])
        response.partial_success.CopyFrom(partial)
    return _write(response, form)


def status(*, http_status: int, reason: str, form: Form) -> bytes:
    """Return the body of any other answer: a google.rpc.Status."""
    return _write(Status(code=_CODES.get(http_status, Code.UNKNOWN), message=reason[:_MOST_WORDS]), form)


def word_problem(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Return an error as OTLP clients know it: a google.rpc.Status in the form of the request, JSON where it had none.

    `answer` is the problem document that says the same; its status and headers are kept.
    """
    form = _form_or_json(request.headers.get("Content-Type", ""))
    said = json.loads(answer.content)
    answer.content = status(http_status=answer.status_code, reason=f"{said['title']}: {said['detail']}", form=form)
    answer.headers["Content-Type"] = form.value
    return answer


# As google.rpc.code maps them to HTTP.
_CODES: Final[Mapping[int, int]] = {
    400: Code.INVALID_ARGUMENT,
    401: Code.UNAUTHENTICATED,
    403: Code.PERMISSION_DENIED,
    405: Code.UNIMPLEMENTED,
    413: Code.INVALID_ARGUMENT,
    415: Code.INVALID_ARGUMENT,
    429: Code.RESOURCE_EXHAUSTED,
    503: Code.UNAVAILABLE,
}


def _write(message: Message, form: Form) -> bytes:
    if form is Form.PROTOBUF:
        return message.SerializeToString()
    return json_format.MessageToJson(message, indent=None).encode()


def _read_json(body: bytes) -> ExportTraceServiceRequest:
    document = json.loads(body)
    if not isinstance(document, dict):
        raise MalformedRequestError("An ExportTraceServiceRequest is a JSON object.")
    for span in _spans_of(document):
        for name in _ID_FIELDS:
            if name in span:
                span[name] = _base64_of(span[name])
        for unread in ("links", "events"):  # their ids are hexadecimal, too, and nothing of them is wanted
            span.pop(unread, None)
    return json_format.ParseDict(document, ExportTraceServiceRequest(), ignore_unknown_fields=True)


def _spans_of(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    resources = _objects(document.get("resourceSpans"))
    scopes = [scope for resource in resources for scope in _objects(resource.get("scopeSpans"))]
    return [span for scope in scopes for span in _objects(scope.get("spans"))]


def _objects(value: object) -> list[dict[str, Any]]:
    """Return a list of objects, empty where there is none. The protobuf library takes a text for an empty object."""
    if value is None:
        return []
    if not isinstance(value, list) or not all(isinstance(one, dict) for one in value):
        raise ValueError("an array of objects is required")
    return value


def _base64_of(value: object) -> str:
    """Return an id, hexadecimal in OTLP/JSON, as the protobuf library reads bytes; nothing where it is no such id."""
    try:
        return base64.b64encode(bytes.fromhex(value)).decode() if isinstance(value, str) else ""
    except ValueError:
        return "AA=="  # one byte: no id has that length, so the span is refused and the others are not
