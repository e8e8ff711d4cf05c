"""Which keys an event must take together to be counted, and which events are worth trying; without a database."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from typing import NamedTuple


class Claim(NamedTuple):
    """The keys of an event: its own, and its unit's where its type has one; and the digest of its content."""

    event: bytes
    unit: bytes | None
    digest: bytes

    @property
    def keys(self) -> tuple[bytes, ...]:
        """The keys, one or two."""
        return (self.event,) if self.unit is None else (self.event, self.unit)


@dataclass(frozen=True, slots=True)
class Claimed:
    """Which claims were met, by place, and the digest behind each key that a claim wanted; None for that of a unit."""

    met: Set[int]
    holders: Mapping[bytes, bytes | None]


def contenders(claims: Sequence[Claim], held: Mapping[bytes, bytes | None]) -> Iterator[int]:
    """Yield the places of the claims worth trying: on no key that is held, nor on one that an earlier one asks for."""
    asked: set[bytes] = set()
    for place, (event, unit, _) in enumerate(claims):
        if event in asked or unit in asked or event in held or unit in held:
            continue
        asked.add(event)
        if unit is not None:
            asked.add(unit)
        yield place


def is_half(claim: Claim, missed: Set[bytes]) -> bool:
    """Whether the claim got just one of its two keys."""
    return claim.unit is not None and (claim.event in missed) is not (claim.unit in missed)
