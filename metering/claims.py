"""Takes the keys of events and units, each for exactly one event, however many requests ask at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from django.db import connection, transaction

# Sorted, so that requests for the same keys wait for each other in one order and never in a circle. A key held by a
# transaction that has not ended makes this statement wait for its end: afterwards the key is taken for ever, or free.
_TAKE: Final = """
INSERT INTO metering_eventkey (customer_id, key, batch_id, digest)
SELECT %s, u.key, %s, u.digest FROM unnest(%s::uuid[], %s::bytea[]) WITH ORDINALITY AS u (key, digest, place)
ORDER BY u.place
ON CONFLICT DO NOTHING
RETURNING key
"""
_HOLDERS: Final = "SELECT key, digest FROM metering_eventkey WHERE customer_id = %s AND key = ANY(%s::uuid[])"


@dataclass(frozen=True, slots=True)
class Claim:
    """The keys that an event must take together to be counted: its own, and its unit's where its type has one."""

    event: UUID
    unit: UUID | None
    digest: bytes

    @property
    def keys(self) -> tuple[UUID, ...]:
        """The keys, one or two."""
        return (self.event,) if self.unit is None else (self.event, self.unit)


@dataclass(frozen=True, slots=True)
class Claimed:
    """Which claims were met, by place, and the digest of the event that holds each key that a claim asked for."""

    met: frozenset[int]
    holders: Mapping[UUID, bytes]


def claim(*, customer_id: int, batch_id: int, claims: Sequence[Claim]) -> Claimed:
    """Meet each claim wholly or not at all; of claims on the same key the first that can be met wins.

    An event that got only one of its two keys must not keep it. Keys can never be deleted, so the attempt is rolled
    back to a savepoint and made again without the claims now known to fail; each round knows more keys, which ends it.
    Must run inside a transaction at READ COMMITTED, so that the keys that made a claim fail can be read.
    """
    held: dict[UUID, bytes] = {}
    while True:
        contenders = dict(_contenders(claims, held))
        savepoint = transaction.savepoint()
        taken = _take(customer_id, batch_id, contenders.values())
        if not any(_is_half(one, taken) for one in contenders.values()):
            break
        transaction.savepoint_rollback(savepoint)
        held |= _holders(customer_id, _missed(contenders.values(), taken))
    transaction.savepoint_commit(savepoint)
    held |= _holders(customer_id, _missed(contenders.values(), taken))
    met = frozenset(place for place, one in contenders.items() if one.event in taken)
    return Claimed(met=met, holders=held | {key: claims[place].digest for place in met for key in claims[place].keys})


def _contenders(claims: Sequence[Claim], held: Mapping[UUID, bytes]) -> Iterator[tuple[int, Claim]]:
    """Yield the claims worth trying: on no key that is held, nor on one that an earlier contender asks for."""
    asked: set[UUID] = set()
    for place, one in enumerate(claims):
        if not any(key in held or key in asked for key in one.keys):
            asked.update(one.keys)
            yield place, one


def _is_half(one: Claim, taken: Set[UUID]) -> bool:
    return len({key in taken for key in one.keys}) == 2  # noqa: PLR2004


def _missed(contenders: Iterable[Claim], taken: Set[UUID]) -> list[UUID]:
    return [key for one in contenders for key in one.keys if key not in taken]


def _take(customer_id: int, batch_id: int, contenders: Iterable[Claim]) -> set[UUID]:
    """Insert the keys of all contenders and return those that were free."""
    rows = sorted(((key, one.digest) for one in contenders for key in one.keys), key=lambda row: row[0].int)
    if not rows:
        return set()
    keys, digests = zip(*rows, strict=True)
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, [customer_id, batch_id, list(keys), list(digests)])
        return {key for (key,) in cursor.fetchall()}


def _holders(customer_id: int, keys: list[UUID]) -> dict[UUID, bytes]:
    """Return the digest of the event that holds each of `keys`."""
    if not keys:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS, [customer_id, keys])
        return {key: bytes(digest) for key, digest in cursor.fetchall()}
