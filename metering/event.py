"""A usage event and what a sender is told about it (CloudEvents 1.0; shape is checked where it is parsed)."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct


class Verdict(StrEnum):
    """What became of a submitted event."""

    ACCEPTED = "accepted"
    DUPLICATE = "duplicate"
    CONFLICT = "conflict"
    REJECTED = "rejected"


class Reason(StrEnum):
    """Why an event was refused; kept with the evidence."""

    MALFORMED = "malformed"
    FUTURE_TIME = "future_time"
    BAD_ENVIRONMENT = "bad_environment"
    BAD_CHARACTER = "bad_character"
    BAD_IDENTITY = "bad_identity"
    BAD_VALUE = "bad_value"
    BAD_DIMENSION = "bad_dimension"
    ID_REUSED = "id_reused"
    UNIT_COUNTED = "unit_counted"


@dataclass(frozen=True, slots=True)
class Problem:
    """One fault of an event: a JSON pointer (RFC 6901) to the place, and a sentence."""

    pointer: str
    detail: str


# A thousand of these are made for one request: a Struct is made at a tenth of the cost of a frozen dataclass.
class UsageEvent(Struct, frozen=True, gc=False):
    """An immutable fact that something was used.

    `time` is when it was used (aware). `environment` is "production" or "test". `sequence` is the place in the device's
    chain. `body` is the canonical content, by which a repetition is told from a contradiction.
    """

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    environment: str
    data: Mapping[str, Any]
    sequence: int | None
    body: bytes


@dataclass(frozen=True, slots=True)
class Malformed:
    """A submission that the parser could not read as an event: its place in the request, its faults and its bytes."""

    index: int
    errors: tuple[Problem, ...]
    raw: bytes
    id: str | None = None
    source: str | None = None


class EventVerdict(Struct, frozen=True, gc=False, omit_defaults=True):
    """The answer for one submission; `id` and `source` are null only where they could not be read."""

    id: str | None
    source: str | None
    verdict: Verdict
    errors: tuple[Problem, ...] = ()
