"""The 128-bit keys by which an event and a billable unit are counted once; pure functions of what they name."""

import re
from collections.abc import Sequence
from hashlib import blake2b
from typing import Final
from uuid import UUID

_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}\Z", re.IGNORECASE)
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PREFIX_BYTES: Final = 4


def event_key(*, customer_id: int, source: str, event_id: str) -> UUID:
    """Return the key of the event (customer, source, id): the identity of CloudEvents 1.0, within a customer."""
    return _key(("event", str(customer_id), source, event_id), clock=event_id)


def unit_key(*, customer_id: int, environment: str, event_type: str, identity: Sequence[str]) -> UUID:
    """Return the key of the billable unit (a task, a turn, ...) that an event counts.

    The environment is part of it, so that a test event can never keep a billable one from being counted.
    """
    return _key(("unit", str(customer_id), environment, event_type, *identity), clock=identity[0])


def _key(parts: Sequence[str], *, clock: str) -> UUID:
    """Hash `parts`, each behind its length so that no two lists of parts give the same bytes.

    Where `clock` is a UUIDv7 or a ULID its time comes first, which keeps the index append-only: random keys cost a full
    page of write-ahead log each once the index outgrows memory. 96 bits of hash remain.
    """
    digest = blake2b(digest_size=16)
    for part in parts:
        text = part.encode()
        digest.update(len(text).to_bytes(8) + text)
    return UUID(bytes=(_clock_prefix(clock) + digest.digest())[:16])


def _clock_prefix(text: str) -> bytes:
    """Return the top 32 of the 48 bits of milliseconds that a UUIDv7 or a ULID starts with, or nothing."""
    if _UUID7.match(text):
        return bytes.fromhex(text[:8])
    if _ULID.match(text):
        milliseconds = 0
        for letter in text[:10].upper():
            milliseconds = milliseconds * 32 + _CROCKFORD.index(letter)
        return (milliseconds >> 16).to_bytes(_PREFIX_BYTES)
    return b""
