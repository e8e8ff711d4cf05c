"""The 128-bit keys by which an event and a billable unit are counted once; pure functions of what they name."""

import re
from collections.abc import Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Final
from uuid import UUID

_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.IGNORECASE)
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}", re.IGNORECASE)
_CROCKFORD: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PREFIX_BYTES: Final = 4
_UUID_LENGTH: Final = 36
_ULID_LENGTH: Final = 26
_VERSION_PLACE: Final = 14
_PACKED_LENGTH: Final = 16


def event_key(*, customer_id: int, source: str, event_id: str) -> UUID:
    """Return the key of the event (customer, source, id): the identity of CloudEvents 1.0, within a customer."""
    return UUID(bytes=event_key_bytes(customer_id, source, event_id))


def event_key_bytes(customer_id: int, source: str, event_id: str) -> bytes:
    """Return the same as 16 bytes, which many events at once are counted by."""
    return _key(_delimited("event", str(customer_id), source), event_id.encode(), event_id)


def unit_key(*, customer_id: int, environment: str, event_type: str, identity: Sequence[str]) -> UUID:
    """Return the key of the billable unit (a task, a turn, ...) that an event counts.

    The environment is part of it, so that a test event can never keep a billable one from being counted.
    """
    return UUID(bytes=unit_key_bytes(customer_id, environment, event_type, identity))


def unit_key_bytes(customer_id: int, environment: str, event_type: str, identity: Sequence[str]) -> bytes:
    """Return the same as 16 bytes."""
    begin = _delimited("unit", str(customer_id), environment, event_type)
    return _key(begin, b"".join([_behind_length(part) for part in identity]), identity[0])


def origin_key_bytes(texts: Sequence[str]) -> bytes:
    """Return the 16 bytes of the key of what many events share, by all the texts that it is made of."""
    return blake2b(_delimited("origin", *texts), digest_size=_PACKED_LENGTH).digest()


def pack_id(event_id: str) -> bytes:
    """Return an event's id as it is stored: a UUID in its usual form as its 16 bytes, anything else as text.

    A text of just 16 bytes gets a NUL behind it, which no id may hold; so the two are told apart by their length.
    """
    if len(event_id) == _UUID_LENGTH and (packed := _packed_uuid(event_id)) is not None:
        return packed
    text = event_id.encode()
    return text + b"\0" if len(text) == _PACKED_LENGTH else text


def _packed_uuid(text: str) -> bytes | None:
    digits = text.replace("-", "")
    try:
        packed = bytes.fromhex(digits)
    except ValueError:
        return None
    usual = packed.hex() == digits and text[8] == text[13] == text[18] == text[23] == "-"
    return packed if usual and len(packed) == _PACKED_LENGTH else None


@lru_cache(maxsize=8192)
def _delimited(*parts: str) -> bytes:
    """Return parts, each behind its length, so that no two lists of parts give the same bytes."""
    return b"".join([_behind_length(part) for part in parts])


def _behind_length(part: str) -> bytes:
    text = part.encode()
    return len(text).to_bytes(8) + text


def _key(begin: bytes, end: bytes, clock: str) -> bytes:
    """Return the hash of the parts of a key.

    Where `clock` is a UUIDv7 or a ULID its time comes first, which keeps the index append-only: random keys cost a full
    page of write-ahead log each once the index outgrows memory. 96 bits of hash remain.
    """
    key = blake2b(begin + end, digest_size=_PACKED_LENGTH).digest()
    prefix = _clock_prefix(clock)
    return prefix + key[: _PACKED_LENGTH - _PREFIX_BYTES] if prefix else key


def _clock_prefix(text: str) -> bytes:
    """Return the top 32 of the 48 bits of milliseconds that a UUIDv7 or a ULID starts with, or nothing."""
    if len(text) == _UUID_LENGTH and text[_VERSION_PLACE] == "7" and _UUID7.fullmatch(text):
        return bytes.fromhex(text[:8])
    if len(text) == _ULID_LENGTH and _ULID.fullmatch(text):
        milliseconds = 0
        for letter in text[:10].upper():
            milliseconds = milliseconds * 32 + _CROCKFORD.index(letter)
        return (milliseconds >> 16).to_bytes(_PREFIX_BYTES)
    return b""
