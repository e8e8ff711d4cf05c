"""What PostgreSQL can and cannot store of the texts of an event."""

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from metering.event import UsageEvent

_ENCODER = msgspec.json.Encoder(decimal_format="string")


def encode(data: Mapping[str, Any]) -> bytes:
    """Return the data of an event as it is stored: JSON, the keys in the order they came."""
    return _ENCODER.encode(data if type(data) is dict else dict(data))


def find_nul(event: UsageEvent, data: bytes) -> str | None:
    """Return the JSON pointer to the first text of `event` with U+0000, which PostgreSQL's text cannot hold.

    `data` is the event's, encoded.
    """
    if b"\\u0000" not in data and "\0" not in f"{event.id}{event.source}{event.subject}{event.type}":
        return None
    attributes = {"id": event.id, "source": event.source, "subject": event.subject, "type": event.type}
    return next(_nul_pointers({**attributes, "data": event.data}, ""), None)


def _nul_pointers(value: object, pointer: str) -> Iterator[str]:
    if isinstance(value, str):
        if "\0" in value:
            yield pointer
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            here = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            yield from [here] if "\0" in key else _nul_pointers(inner, here)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _nul_pointers(inner, f"{pointer}/{place}")


def storable(raw: bytes, *, limit: int) -> str:
    """Return bytes as text that PostgreSQL stores, cut to `limit` characters; what is no UTF-8 shows as U+FFFD."""
    return raw.decode("utf-8", "replace").replace("\0", "�")[:limit]
