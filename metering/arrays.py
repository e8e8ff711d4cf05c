"""Arrays for PostgreSQL in its binary form: they cost both sides a fraction of what texts and lists of objects do."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from struct import Struct
from typing import Any, ClassVar, Final

import psycopg
from django.db import connection
from psycopg.abc import AdaptContext
from psycopg.adapt import Dumper
from psycopg.pq import Format
from typing_extensions import override

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)  # PostgreSQL's
_MICROSECOND: Final = timedelta(microseconds=1)
_HEAD: Final = Struct("!iiIii").pack  # dimensions, whether there are nulls, type of the elements, length, first index
_LENGTH: Final = Struct("!i").pack
_SMALL: Final = Struct("!ih").pack
_WHOLE: Final = Struct("!ii").pack
_LARGE: Final = Struct("!iq").pack
_NULL: Final = _LENGTH(-1)
_SIXTEEN: Final = _LENGTH(16)


class Array(bytes):
    """The binary form of an array. `oid` and `element` are PostgreSQL's numbers of its type and its elements' type."""

    oid: ClassVar[int]
    element: ClassVar[int]

    @classmethod
    def of(cls, elements: Sequence[bytes]) -> "Array":
        """Return the array of elements that carry their lengths."""
        return cls(_HEAD(1, 1, cls.element, len(elements), 1) + b"".join(elements))


class _Uuids(Array):
    oid, element = 2951, 2950


class _Times(Array):
    oid, element = 1185, 1184


class _Larges(Array):
    oid, element = 1016, 20


class _Wholes(Array):
    oid, element = 1007, 23


class _Smalls(Array):
    oid, element = 1005, 21


class _Binaries(Array):
    oid, element = 1001, 17


class _Texts(Array):
    oid, element = 1009, 25


class _Documents(Array):
    oid, element = 199, 114


_KINDS: Final = Array.__subclasses__()


class _ArrayDumper(Dumper):
    format = Format.BINARY

    def __init__(self, cls: type[Array], context: AdaptContext | None = None) -> None:
        super().__init__(cls, context)
        self.oid = cls.oid

    @override
    def dump(self, obj: Array) -> bytes:
        return obj


def run(statement: str, parameters: Sequence[Array]) -> list[tuple[Any, ...]]:
    """Run a statement with its parameters ($1, $2, ...) beside it, in binary, and return its rows.

    Django's own cursor would write them into its text.
    """
    connection.ensure_connection()
    with connection.wrap_database_errors, psycopg.RawCursor(connection.connection) as cursor:
        for kind in _KINDS:
            cursor.adapters.register_dumper(kind, _ArrayDumper)
        cursor.execute(statement, parameters)
        return cursor.fetchall()


def uuids(values: Sequence[bytes | None]) -> Array:
    """Return uuid[] of values of 16 bytes."""
    return _Uuids.of([_NULL if value is None else _SIXTEEN + value for value in values])


def times(values: Sequence[datetime]) -> Array:
    """Return timestamptz[]."""
    return _Times.of([_LARGE(8, (value - _EPOCH) // _MICROSECOND) for value in values])


def larges(values: Sequence[int | None]) -> Array:
    """Return bigint[]."""
    return _Larges.of([_NULL if value is None else _LARGE(8, value) for value in values])


def wholes(values: Sequence[int]) -> Array:
    """Return integer[]."""
    return _Wholes.of([_WHOLE(4, value) for value in values])


def smalls(values: Sequence[int]) -> Array:
    """Return smallint[]."""
    return _Smalls.of([_SMALL(2, value) for value in values])


def binaries(values: Sequence[bytes | None]) -> Array:
    """Return bytea[]."""
    return _Binaries.of([_NULL if value is None else _LENGTH(len(value)) + value for value in values])


def texts(values: Sequence[str]) -> Array:
    """Return text[]."""
    return _Texts.of([_LENGTH(len(value)) + value for value in [text.encode() for text in values]])


def documents(values: Sequence[bytes]) -> Array:
    """Return json[] of encoded values."""
    return _Documents.of([_LENGTH(len(value)) + value for value in values])
