"""A batch: a run of a device's hash chain, under a header that the device signs."""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, asdict, dataclass, fields

from runtime.wire.boot import BOOT_ID, BOOT_TIME
from runtime.wire.canonical import canonical
from runtime.wire.errors import BadHeaderError, ChainMismatchError
from runtime.wire.event import source_of

MAX_BATCH_EVENTS = 500
MAX_BATCH_BYTES = 256 * 1024

DEVICE_KEY = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,99}")
_DIGEST = re.compile(r"[0-9a-f]{64}")
_LARGEST_INTEGER = 2**63 - 1


def genesis(*, device: str, epoch: int) -> bytes:
    """Return the hash that stands before the first event of a device's epoch."""
    return hashlib.sha256(f"agentmeter:{device}:{epoch}".encode()).digest()


def link(previous: bytes, event: Mapping[str, object]) -> bytes:
    """Return the hash after an event; raises CanonicalError when the event has no canonical form."""
    return link_bytes(previous, canonical(dict(event)))


def link_bytes(previous: bytes, body: bytes) -> bytes:
    """Return the hash after an event whose canonical bytes are at hand."""
    return hashlib.sha256(previous + body).digest()


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchHeader:
    """What a device signs: which run of its chain a batch holds.

    `first` and `last` are sequences, both inclusive; `previous` and `head` are the hashes before the first and after
    the last event, in lower-case hexadecimal. `bootid` and `boottime` are absent or say in which boot, and how many
    nanoseconds into it, the batch was signed (`runtime.wire.Boot`). Raises BadHeaderError, naming the field, when it
    cannot be right.
    """

    device: str
    epoch: int
    first: int
    last: int
    previous: str
    head: str
    bootid: str | None = None
    boottime: str | None = None

    def __post_init__(self) -> None:
        _require_text(field="device", value=self.device, pattern=DEVICE_KEY)
        _require_positive(field="epoch", value=self.epoch)
        _require_positive(field="first", value=self.first)
        _require_positive(field="last", value=self.last)
        _require_text(field="previous", value=self.previous, pattern=_DIGEST)
        _require_text(field="head", value=self.head, pattern=_DIGEST)
        if self.last < self.first:
            raise BadHeaderError(f"last: {self.last} is before first, {self.first}")
        if (self.bootid is None) is not (self.boottime is None):
            raise BadHeaderError("bootid: it and boottime belong together")
        if self.bootid is not None:
            _require_text(field="bootid", value=self.bootid, pattern=BOOT_ID)
            _require_text(field="boottime", value=self.boottime, pattern=BOOT_TIME)

    def to_bytes(self) -> bytes:
        """Return the bytes that are signed."""
        return canonical({name: value for name, value in asdict(self).items() if value is not None})

    @classmethod
    def from_bytes(cls, raw: bytes) -> "BatchHeader":
        """Read signed bytes; raises BadHeaderError unless they are exactly what `to_bytes` writes."""
        try:
            values = json.loads(raw.decode())
        except (ValueError, RecursionError) as error:
            raise BadHeaderError("header: not a JSON text in UTF-8") from error
        if not isinstance(values, dict):
            raise BadHeaderError("header: not an object")
        names = {field.name: field.default is MISSING for field in fields(cls)}
        for name in sorted(names.keys() ^ set(values)):
            if names.get(name, True):
                raise BadHeaderError(f"{name[:100]}: {'missing' if name in names else 'unknown'}")
        header = cls(**values)
        if header.to_bytes() != raw:
            raise BadHeaderError("header: not in canonical form")
        return header


def _require_text(*, field: str, value: object, pattern: re.Pattern[str]) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BadHeaderError(f"{field}: must be text of the form {pattern.pattern}")


def _require_positive(*, field: str, value: object) -> None:
    if type(value) is not int or not 1 <= value <= _LARGEST_INTEGER:
        raise BadHeaderError(f"{field}: must be an integer from 1")


def check_chain(header: BatchHeader, events: Sequence[Mapping[str, object]]) -> list[bytes]:
    """Return the hash after each event; raises ChainMismatchError unless these are the header's events, in order."""
    if len(events) != header.last - header.first + 1:
        count = header.last - header.first + 1
        raise ChainMismatchError(
            f"sequence {header.first} to {header.last} is {count} events, the batch has {len(events)}"
        )
    source = source_of(device=header.device)
    hashes: list[bytes] = []
    current = bytes.fromhex(header.previous)
    for sequence, event in enumerate(events, start=header.first):
        if event.get("sequence") != str(sequence):
            raise ChainMismatchError(f"sequence {sequence}: the event there says {event.get('sequence')!r}")
        if event.get("source") != source:
            raise ChainMismatchError(f"sequence {sequence}: the source is not {source}")
        current = link(current, event)
        hashes.append(current)
    if current.hex() != header.head:
        raise ChainMismatchError(f"sequence {header.last}: the chain does not end at the head of the header")
    return hashes
