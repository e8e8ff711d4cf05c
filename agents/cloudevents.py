"""A strict parser of CloudEvents 1.0 in JSON: what it lets through can be counted once, and never by an invented id.

Rules are those of the CloudEvents specification 1.0.2 and its JSON format and HTTP binding; where the specification
leaves room, billing decides: an event without an id is refused, a time needs an offset, numbers keep every digit.
"""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, NoReturn

from agents.errors import MalformedRequestError, RequestTooLargeError, UnsupportedContentTypeError
from metering.event import Malformed, Problem, UsageEvent
from runtime.wire import CanonicalError, canonical

SINGLE = "application/cloudevents+json"
BATCH = "application/cloudevents-batch+json"
MAX_EVENTS = 1000

_CONTEXT = {"specversion", "id", "source", "type", "subject", "time", "datacontenttype", "dataschema"}
_EXTENSION = re.compile(r"[a-z0-9]{1,20}")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,9})?([Zz]|[+-]\d\d:\d\d)")
_FORMS = {
    "specversion": (re.compile(r"1\.0"), "Only CloudEvents 1.0 is understood."),
    "source": (re.compile(r"[^\s\"<>\\^`{|}]+"), "A URI reference is required."),
    "dataschema": (re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:\S+"), "An absolute URI is required."),
    "datacontenttype": (re.compile(r"application/(.+\+)?json(;.*)?"), "Only JSON data is understood."),
}
_LENGTHS = {"id": 256, "source": 512, "type": 256, "subject": 256}


def decode(*, body: bytes, content_type: str) -> list[Any]:
    """Return the events of a request, undecided: a list of one for a single event.

    Raises UnsupportedContentTypeError, MalformedRequestError or RequestTooLargeError where the request as a whole
    cannot be read; a fault of one event is left to `parse`.
    """
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type not in {SINGLE, BATCH}:
        raise UnsupportedContentTypeError(f"Send {SINGLE} or {BATCH}, not {media_type or 'nothing'}.")
    document = _load(body)
    if media_type == SINGLE:
        return [document]
    if not isinstance(document, list):
        raise MalformedRequestError("A batch is a JSON array of events.")
    if len(document) > MAX_EVENTS:
        raise RequestTooLargeError(f"A batch holds at most {MAX_EVENTS} events; this one has {len(document)}.")
    return document


def parse(*, document: Any, index: int, environment: str, received_at: datetime) -> UsageEvent | Malformed:  # noqa: ANN401 whatever JSON holds
    """Return the usage event of one decoded document, or every fault it has, each with its JSON pointer.

    `environment` is that of the key: what a test key sends is test usage, whatever the event says.
    """
    if not isinstance(document, dict):
        return _malformed(document, index, [Problem("", "An event is a JSON object.")])
    event = {name: value for name, value in document.items() if value is not None}  # null means absent
    problems = [*_context_problems(event), *_extension_problems(event), *_data_problems(event)]
    if problems:
        return _malformed(document, index, problems)
    try:
        body = canonical(event)
    except CanonicalError as error:
        return _malformed(document, index, [Problem("", str(error))])
    data = event.get("data", {})
    return UsageEvent(
        id=event["id"],
        source=event["source"],
        type=event["type"],
        subject=event.get("subject", ""),
        time=datetime.fromisoformat(event["time"].upper()) if "time" in event else received_at,
        environment="test" if environment == "test" else data.get("environment", "production"),
        data=data,
        sequence=int(event["sequence"]) if "sequence" in event else None,
        body=body,
    )


def _load(body: bytes) -> Any:  # noqa: ANN401 whatever JSON holds
    try:
        return json.loads(body, parse_float=_exact, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise MalformedRequestError(f"The body is not JSON: {error}") from error


def _exact(text: str) -> str:
    """Keep a number with a fraction as decimal text, digit for digit: a float would already be another number."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    return format(number, "f") if abs(number.adjusted()) < 40 else text  # noqa: PLR2004 text is refused where it counts


def _refuse_constant(text: str) -> NoReturn:
    raise ValueError(f"{text} is not a JSON number")


def _context_problems(event: Mapping[str, Any]) -> list[Problem]:
    problems = [
        Problem(f"/{name}", "Required.") for name in ("id", "source", "specversion", "type") if name not in event
    ]
    for name in sorted(_CONTEXT & event.keys()):
        fault = _attribute_fault(name, event[name])
        if fault is not None:
            problems.append(Problem(f"/{name}", fault))
    return problems


def _attribute_fault(name: str, value: object) -> str | None:
    if not isinstance(value, str) or not value:
        return "A non-empty text is required."
    if len(value) > _LENGTHS.get(name, 512):
        return f"At most {_LENGTHS.get(name, 512)} characters."
    if name == "time":
        return _time_fault(value)
    form, fault = _FORMS.get(name, (None, None))
    return fault if form is not None and not form.fullmatch(value) else None


def _time_fault(text: str) -> str | None:
    if not _TIME.fullmatch(text):
        return "An RFC 3339 time with an offset is required, such as 2026-01-31T12:00:00Z."
    try:
        datetime.fromisoformat(text.upper())
    except ValueError:
        return "There is no such time."
    return None


def _extension_problems(event: Mapping[str, Any]) -> list[Problem]:
    problems = []
    for name in sorted(event.keys() - _CONTEXT - {"data", "data_base64"}):
        if not _EXTENSION.fullmatch(name):
            problems.append(Problem(f"/{_escape(name)}", "Extension names are 1 to 20 lower-case letters and digits."))
        elif not isinstance(event[name], bool | int | str):
            problems.append(Problem(f"/{name}", "An extension is a text, a whole number or a boolean."))
    sequence = event.get("sequence")
    if sequence is not None and not (isinstance(sequence, str) and re.fullmatch(r"[1-9]\d{0,17}", sequence)):
        problems.append(Problem("/sequence", "A positive whole number as text is required."))
    return problems


def _data_problems(event: Mapping[str, Any]) -> list[Problem]:
    if "data_base64" in event:
        return [Problem("/data_base64", "Send `data` as a JSON object.")]
    data = event.get("data", {})
    if not isinstance(data, dict):
        return [Problem("/data", "A JSON object is required.")]
    if data.get("environment", "production") not in ("production", "test"):
        return [Problem("/data/environment", "production or test.")]
    return []


def _escape(name: str) -> str:
    """Return `name` as a token of a JSON pointer (RFC 6901), cut to a length fit to print."""
    return name[:40].replace("~", "~0").replace("/", "~1")


def _malformed(document: object, index: int, problems: list[Problem]) -> Malformed:
    raw = json.dumps(document, ensure_ascii=True, sort_keys=True).encode()
    known = document if isinstance(document, dict) else {}
    return Malformed(
        index=index,
        errors=tuple(problems),
        raw=raw,
        id=known["id"] if isinstance(known.get("id"), str) else None,
        source=known["source"] if isinstance(known.get("source"), str) else None,
    )
