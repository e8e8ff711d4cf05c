"""What PostgreSQL can and cannot store of the texts of an event."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from metering.event import UsageEvent

_ENCODER = msgspec.json.Encoder(decimal_format="string")


def encode_all(data: Sequence[Mapping[str, Any]]) -> str:
    """Return the data of many events as one JSON array: one text is far cheaper to send than an array of texts."""
    return _ENCODER.encode([dict(one) for one in data]).decode()


def find_nul(event: UsageEvent) -> str | None:
    """Return the JSON pointer to the first text of `event` with U+0000, which neither text nor jsonb can store."""
    attributes = {"id": event.id, "source": event.source, "subject": event.subject, "type": event.type}
    suspect = "".join(attributes.values()).find("\0") >= 0 or "\\u0000" in encode_all([event.data])
    return next(_nul_pointers({**attributes, "data": event.data}, ""), None) if suspect else None


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
