"""Makes a usage event of a decoded document, or says everything that is wrong with it."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from agents.cloudevents import attributes, plain
from agents.cloudevents.plain import Plain
from agents.cloudevents.strict import CANONICAL, LARGEST, Ambiguous, Number
from metering.event import Malformed, Problem, UsageEvent
from runtime.wire import MAX_BATCH_BYTES

MAX_EVENT_BYTES: Final = MAX_BATCH_BYTES  # whatever a device can chain can be taken in
_DEEPEST: Final = 31  # levels inside an event, so that its canonical form has 32
_DATA: Final = frozenset({"data", "data_base64"})
_JSON: Final = "application/json"
_NESTED: Final = frozenset({dict, list})
_NOT_TEXT: Final = "The text holds a lone surrogate."


def parse(*, document: Any, index: int, environment: str, received_at: datetime) -> UsageEvent | Malformed:  # noqa: ANN401 whatever JSON holds
    """Return the usage event of one decoded document, or every fault it has, each with its JSON pointer.

    `environment` is that of the key: what a test key sends is test usage, whatever the event says.
    """
    if type(document) is Plain:
        if (sound := plain.parse(document, environment=environment, received_at=received_at)) is not None:
            return sound
        document = plain.as_document(document)
    if type(document) is not dict:
        return _malformed(document, index, [_not_an_event(document)])
    event = {name: value for name, value in document.items() if value is not None}  # null means absent
    problems = _attribute_problems(event)
    data = event.get("data", {})
    if type(data) is not dict or "data_base64" in event or "environment" in data or not _is_plain(data, 1):
        problems += _data_problems(event)
        data = event["data"] = data if problems else _exact(data)
    body = None if problems else _content(event)
    if body is None or len(body) > MAX_EVENT_BYTES:
        return _malformed(document, index, problems or [_unfit(event, body)])
    return UsageEvent(
        id=event["id"],
        source=event["source"],
        type=event["type"],
        subject=event.get("subject", ""),
        time=attributes.instant_of(event["time"]) if "time" in event else received_at,
        environment="test" if environment == "test" else data.get("environment", "production"),
        data=data,
        sequence=int(event["sequence"]) if "sequence" in event else None,
        body=body,
    )


def _attribute_problems(event: Mapping[str, Any]) -> list[Problem]:
    problems = [Problem(f"/{name}", "Required.") for name in attributes.REQUIRED if name not in event]
    for name, value in event.items():
        if name in _DATA:
            continue
        fault = attributes.fault_of(name, value)
        if fault is not None:
            problems.append(Problem(f"/{_escape(name)}", fault))
    return problems


def _content(event: Mapping[str, Any]) -> bytes | None:
    """Return the canonical content, equal for equal events in every mode; None where a text is no Unicode."""
    content = dict(event)
    if content.get("datacontenttype", "").lower() == _JSON:
        del content["datacontenttype"]  # it is what its absence means
    for name, value in event.items():
        if type(value) is not str and name != "data":
            content[name] = attributes.plain_text(value)
    try:
        return CANONICAL.encode(content)
    except UnicodeEncodeError:
        return None


def _is_plain(value: Any, depth: int) -> bool:  # noqa: ANN401 an object or an array
    """Say whether a value holds nothing that needs a closer look; nearly all do not."""
    one: Any
    for one in value.values() if type(value) is dict else value:
        kind: Any = type(one)
        if kind is str or kind is bool or one is None:
            continue
        if kind is int:
            if not -LARGEST <= one <= LARGEST:
                return False
        elif kind not in _NESTED or depth == _DEEPEST or not _is_plain(one, depth + 1):
            return False
    return True


def _data_problems(event: Mapping[str, Any]) -> list[Problem]:
    if "data_base64" in event:
        return [Problem("/data_base64", "Send `data` as a JSON object.")]
    data = event.get("data", {})
    if not isinstance(data, dict):
        return [Problem("/data", "A JSON object is required.")]
    problems = list(_value_problems(data, "/data", 1))
    if not problems and data.get("environment", "production") not in ("production", "test"):
        problems = [Problem("/data/environment", "production or test.")]
    return problems


def _value_problems(value: object, pointer: str, depth: int) -> Iterator[Problem]:
    """Yield what is wrong with a value of the data and with those inside it."""
    if (type(value) is int and abs(value) > LARGEST) or (isinstance(value, Number) and value.plain() is None):
        yield Problem(pointer, "The number is out of range: send at most 64 bits, or a decimal text.")
    elif isinstance(value, Ambiguous):
        yield Problem(f"{pointer}/{_escape(value.name)}", "The name stands twice in its object.")
    elif not isinstance(value, dict | list):
        return
    elif depth > _DEEPEST:
        yield Problem(pointer, f"Nested deeper than {_DEEPEST} levels.")
    else:
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _value_problems(inner, f"{pointer}/{_escape(str(name))}", depth + 1)


def _exact(value: Any) -> Any:  # noqa: ANN401 whatever JSON holds
    """Return a value with its fractions as decimal text, so that every digit is kept."""
    if isinstance(value, Number):
        return value.plain()
    if isinstance(value, dict):
        return {name: _exact(one) for name, one in value.items()}
    return [_exact(one) for one in value] if isinstance(value, list) else value


def _unfit(event: Mapping[str, Any], body: bytes | None) -> Problem:
    if body is not None:
        return Problem("", f"An event has at most {MAX_EVENT_BYTES} bytes.")
    return next(_surrogates(event.get("data", {}), "/data"), Problem("", _NOT_TEXT))


def _surrogates(value: object, pointer: str) -> Iterator[Problem]:
    if isinstance(value, str):
        if not _is_unicode(value):
            yield Problem(pointer, _NOT_TEXT)
    elif isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            if isinstance(name, str) and not _is_unicode(name):
                yield Problem(pointer, _NOT_TEXT)
            yield from _surrogates(inner, f"{pointer}/{_escape(str(name))}")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_an_event(document: object) -> Problem:
    if isinstance(document, Ambiguous):
        return Problem(f"/{_escape(document.name)}", "The name stands twice in its object.")
    return Problem("", "An event is a JSON object.")


def _escape(name: str) -> str:
    """Return `name` as a token of a JSON pointer (RFC 6901), cut to a length fit to print, without surrogates."""
    return name[:40].replace("~", "~0").replace("/", "~1").encode("utf-8", "replace").decode()


def _malformed(document: object, index: int, problems: list[Problem]) -> Malformed:
    raw = json.dumps(document, ensure_ascii=True, sort_keys=True, default=str).encode()
    known = document if isinstance(document, dict) else {}
    return Malformed(
        index=index,
        errors=tuple(problems),
        raw=raw,
        id=_known(known.get("id")),
        source=_known(known.get("source")),
    )


def _known(value: object) -> str | None:
    return value if isinstance(value, str) else None
