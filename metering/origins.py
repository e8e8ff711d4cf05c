"""The small numbers by which events name what many of them share, kept in memory once they are committed."""

from collections.abc import Iterable
from typing import Final, NamedTuple
from uuid import UUID

from django.db import connection, transaction

from metering import keys
from metering.models import Origin

_REMEMBERED: Final = 100_000
_ADD: Final = """
INSERT INTO metering_origin (customer_id, key, type, source, subject, environment)
SELECT * FROM unnest(%s::bigint[], %s::uuid[], %s::text[], %s::text[], %s::text[], %s::text[])
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
    asked = set(wanted)
    found = {one: number for one in asked if (number := _numbers.get(one)) is not None}
    if missing := asked - found.keys():
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
    rows = Origin.objects.filter(
        customer_id__in={customer_id for customer_id, _ in by_key}, key__in=[key for _, key in by_key]
    ).values_list("customer_id", "key", "id")
    return {by_key[customer_id, key]: number for customer_id, key, number in rows if (customer_id, key) in by_key}


def _add(unseen: Iterable[OriginOf]) -> dict[OriginOf, int]:
    by_key = _by_key(unseen)
    rows = [(*key, *one[1:]) for key, one in by_key.items()]
    with connection.cursor() as cursor:
        cursor.execute(_ADD, [list(column) for column in zip(*rows, strict=True)])
        return {by_key[customer_id, key]: number for customer_id, key, number in cursor.fetchall()}


def _by_key(some: Iterable[OriginOf]) -> dict[tuple[int, UUID], OriginOf]:
    return {(one.customer_id, keys.origin_key(texts=one[1:])): one for one in some}
