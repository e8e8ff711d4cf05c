"""The small numbers by which events name what many of them share, kept in memory once they are committed."""

from collections.abc import Collection, Iterable
from typing import Final, NamedTuple
from uuid import UUID

from django.db import transaction

from metering import arrays, keys

_REMEMBERED: Final = 100_000
# Origins that two add at once get a number each: both name the same, and either may be found.
_LOOK_UP: Final = """
SELECT o.customer_id, o.key, o.id FROM unnest($1::bigint[], $2::uuid[]) AS w (customer_id, key)
JOIN metering_origin o USING (customer_id, key)
"""
_ADD: Final = """
INSERT INTO metering_origin (customer_id, key, type, source, subject, environment)
SELECT * FROM unnest($1::bigint[], $2::uuid[], $3::text[], $4::text[], $5::text[], $6::text[])
RETURNING customer_id, key, id
"""

_numbers: dict["OriginOf", int] = {}


class OriginOf(NamedTuple):
    """What the events of one origin share."""

    customer_id: int
    type: str
    source: str
    subject: str
    environment: str


def numbers(*, wanted: Iterable[OriginOf]) -> dict[OriginOf, int]:
    """Return the number of each origin; those never seen before are added."""
    asked = dict.fromkeys(wanted)
    found = {one: number for one in asked if (number := _numbers.get(one)) is not None}
    if missing := asked.keys() - found.keys():
        looked_up = _look_up(missing)
        if unseen := missing - looked_up.keys():
            looked_up |= _add(unseen)
        # A number that is rolled back must not be remembered.
        transaction.on_commit(lambda: _remember(looked_up))
        found |= looked_up
    return found


def forget() -> None:
    """Forget every number, for when the rows themselves are gone."""
    _numbers.clear()


def _remember(looked_up: dict[OriginOf, int]) -> None:
    if len(_numbers) > _REMEMBERED:
        _numbers.clear()
    _numbers.update(looked_up)


def _look_up(missing: Iterable[OriginOf]) -> dict[OriginOf, int]:
    by_key = _by_key(missing)
    return _numbered(by_key, arrays.run(_LOOK_UP, _columns(by_key)))


def _add(unseen: Iterable[OriginOf]) -> dict[OriginOf, int]:
    by_key = _by_key(unseen)
    texts = [arrays.texts(column) for column in zip(*[one[1:] for one in by_key.values()], strict=True)]
    return _numbered(by_key, arrays.run(_ADD, [*_columns(by_key), *texts]))


def _by_key(some: Iterable[OriginOf]) -> dict[tuple[int, bytes], OriginOf]:
    return {(one.customer_id, keys.origin_key_bytes(one[1:])): one for one in some}


def _columns(by_key: Collection[tuple[int, bytes]]) -> list[arrays.Array]:
    return [arrays.larges([customer_id for customer_id, _ in by_key]), arrays.uuids([key for _, key in by_key])]


def _numbered(by_key: dict[tuple[int, bytes], OriginOf], rows: Iterable[tuple[int, UUID, int]]) -> dict[OriginOf, int]:
    return {by_key[customer_id, key.bytes]: number for customer_id, key, number in rows}
