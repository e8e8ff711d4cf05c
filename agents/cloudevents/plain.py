"""Reads events that hold nothing unusual by a typed decoder, which checks most of them faster than Python reads one.

An event is plain when it has no attributes but those below, and data without fractions or nesting. What is read here
means what the other way of reading it means; whatever is not plain, or not sound, is left to that other way.
"""

from datetime import datetime
from functools import lru_cache
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from agents.cloudevents import attributes
from agents.cloudevents.strict import CANONICAL, LARGEST, has_single_names
from metering.event import UsageEvent
from runtime.wire import MAX_BATCH_BYTES

_CACHED: Final = 8192
_FIXED: Final = 4  # attributes that every event has

_Whole = Annotated[int, Meta(ge=-LARGEST, le=LARGEST)]


class Plain(Struct, forbid_unknown_fields=True, gc=False):
    """An event as it was sent, in the order of its canonical form."""

    id: Annotated[str, Meta(min_length=1, max_length=attributes.LONGEST_ID)]
    source: Annotated[str, Meta(min_length=1, max_length=attributes.LONGEST)]
    specversion: Literal["1.0"]
    type: Annotated[str, Meta(min_length=1, max_length=attributes.LONGEST_ID)]
    data: dict[str, str | bool | _Whole | None] | UnsetType = UNSET
    subject: Annotated[str, Meta(min_length=1, max_length=attributes.LONGEST_ID)] | UnsetType = UNSET
    time: str | UnsetType = UNSET

    @property
    def names(self) -> int:
        """How many names stand in the event."""
        data, subject, time = self.data, self.subject, self.time
        return _FIXED + (0 if data is UNSET else 1 + len(data)) + (subject is not UNSET) + (time is not UNSET)


_ONE: Final = msgspec.json.Decoder(Plain)
_MANY: Final = msgspec.json.Decoder(list[Plain])


def read(body: bytes, *, is_batch: bool) -> list[Plain] | None:
    """Return the events of a request, or None where any of them is not plain."""
    try:
        events = _MANY.decode(body) if is_batch else [_ONE.decode(body)]
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return events if has_single_names(body, sum([one.names for one in events])) else None


def parse(plain: Plain, *, environment: str, received_at: datetime) -> UsageEvent | None:
    """Return the usage event, or None where anything about it needs a closer look."""
    event_id, data, subject, time = plain.id, plain.data, plain.subject, plain.time
    if data is UNSET:
        data = {}
    if subject is UNSET:
        subject = ""
    at = received_at if time is UNSET else attributes.instant_or_none(time)
    is_usual = event_id.isascii() and event_id.isprintable() and "environment" not in data
    if at is None or not is_usual or not _are_sound(plain.source, plain.type, subject):
        return None
    try:
        body = CANONICAL.encode(plain)
    except UnicodeEncodeError:
        return None
    if len(body) > MAX_BATCH_BYTES:
        return None
    kind = "test" if environment == "test" else "production"
    return UsageEvent(event_id, plain.source, plain.type, subject, at, kind, data, None, body)


def as_document(plain: Plain) -> Any:  # noqa: ANN401 whatever JSON holds
    """Return the event as the other way of reading it does."""
    return msgspec.to_builtins(plain)


@lru_cache(maxsize=_CACHED)
def _are_sound(source: str, kind: str, subject: str) -> bool:
    pairs = (("source", source), ("type", kind), ("subject", subject))
    return all(attributes.fault_of(name, value) is None for name, value in pairs if value)
