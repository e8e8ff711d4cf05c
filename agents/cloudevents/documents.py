"""What events a request holds, by its content type: one structured, a batch, or one in binary mode."""

import re
from collections.abc import Mapping
from typing import Any, Final

from agents.cloudevents import plain, strict
from agents.errors import MalformedRequestError, RequestTooLargeError, UnsupportedContentTypeError

SINGLE: Final = "application/cloudevents+json"
BATCH: Final = "application/cloudevents-batch+json"
_STRUCTURED: Final = frozenset({SINGLE, BATCH})
MAX_EVENTS: Final = 1000
ATTRIBUTE_PREFIX: Final = "ce-"

_JSON: Final = re.compile(r"[a-z0-9!#$&^_.+-]+/([a-z0-9!#$&^_.+-]+\+)?json")
_CHARSET: Final = re.compile(r";\s*charset\s*=\s*\"?([^\s\";]*)", re.IGNORECASE)
_ESCAPE: Final = re.compile(rb"%([0-9A-Fa-f]{2})?")
_QUOTED: Final = re.compile(r"\\(.)")


def decode(
    *, body: bytes, content_type: str, attributes: Mapping[str, str] | None = None, as_written: bool = False
) -> list[Any]:
    """Return the events of a request, undecided: a list of one for a single event. They are for `parse` to read.

    `attributes` are the `ce-` headers of the request, see `attributes_of`; with a content type of JSON they are an
    event in binary mode. Raises UnsupportedContentTypeError, MalformedRequestError or RequestTooLargeError where the
    request as a whole cannot be read; a fault of one event is left to `parse`. With `as_written` they are JSON values,
    for a signature to be checked over.
    """
    media_type = _media_type(content_type)
    if not as_written and media_type in _STRUCTURED and (events := plain.read(body, is_batch=media_type == BATCH)):
        return _batch(events)
    if media_type == BATCH:
        return _batch(strict.read(body))
    if media_type == SINGLE:
        return [strict.read(body)]
    return [_binary(body, media_type, attributes or {})]


def is_batch(content_type: str) -> bool:
    """Say whether a request of this content type holds a batch and is answered as one."""
    return _media_type(content_type) == BATCH


def attributes_of(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the context attributes that the headers of a request carry, still encoded; header names in lower case."""
    return {
        name[len(ATTRIBUTE_PREFIX) :]: value for name, value in headers.items() if name.startswith(ATTRIBUTE_PREFIX)
    }


def _media_type(content_type: str) -> str:
    """Return the media type in lower case. Raises UnsupportedContentTypeError for a charset other than UTF-8."""
    media_type, separator, _ = content_type.partition(";")
    charset = _CHARSET.search(content_type) if separator else None
    if charset is not None and charset[1].lower() not in {"utf-8", "utf8", "us-ascii"}:
        raise UnsupportedContentTypeError(f"JSON is UTF-8; the charset {charset[1][:40]} is not understood.")
    return media_type.strip().lower()


def _batch(document: object) -> list[Any]:
    if not isinstance(document, list):
        raise MalformedRequestError("A batch is a JSON array of events.")
    if len(document) > MAX_EVENTS:
        raise RequestTooLargeError(f"A batch holds at most {MAX_EVENTS} events; this one has {len(document)}.")
    return document


def _binary(body: bytes, media_type: str, attributes: Mapping[str, str]) -> dict[str, Any]:
    """Return the event of a request in binary mode: attributes in headers, the body its data."""
    if not attributes:
        raise UnsupportedContentTypeError(
            f"Send {SINGLE}, {BATCH}, or JSON with ce- headers, not {media_type[:80] or 'nothing'}."
        )
    if "datacontenttype" in attributes:
        raise MalformedRequestError("ce-datacontenttype must not be set; the Content-Type header says it.")
    event: dict[str, Any] = {name: _unescape(name, value) for name, value in attributes.items()}
    if not body and not media_type:
        return event
    if not _JSON.fullmatch(media_type):
        raise UnsupportedContentTypeError(f"The data of an event is JSON, not {media_type[:80] or 'nothing'}.")
    return event | {"datacontenttype": media_type, "data": strict.read(body) if body else None}


def _unescape(name: str, value: str) -> str:
    """Return the text of a header (HTTP binding, 3.1.3.2): quotes off, then one round of percent-decoding."""
    if len(value) > 1 and value.startswith('"') and value.endswith('"'):
        value = _QUOTED.sub(r"\1", value[1:-1])
    if not value.isascii():
        raise MalformedRequestError(f"ce-{name[:40]}: what is not ASCII must be percent-encoded.")
    try:
        return _ESCAPE.sub(_byte, value.encode()).decode()
    except ValueError as error:
        raise MalformedRequestError(f"ce-{name[:40]}: the percent-encoding is not that of UTF-8 text.") from error


def _byte(found: re.Match[bytes]) -> bytes:
    if found[1] is None:
        raise ValueError("two hexadecimal digits must follow a percent sign")
    return bytes.fromhex(found[1].decode())
