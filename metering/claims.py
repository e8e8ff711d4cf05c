"""Which of many events may be tried together, and what others hold; without a database."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from typing import NamedTuple


class Claim(NamedTuple):
    """What an event must take to be counted: its own key, and its unit's where its type has one.

    `digest` is that of its content.
    """

    event: bytes
    unit: bytes | None
    digest: int


@dataclass(frozen=True, slots=True)
class Holdings:
    """The keys that are taken: of events, with the digest of each one's content; and of units."""

    events: Mapping[bytes, int] = field(default_factory=dict)
    units: Set[bytes] = frozenset()

    def plus(self, claims: Sequence[Claim]) -> "Holdings":
        """Return these and what the claims take."""
        return Holdings(
            events={**self.events, **{claim.event: claim.digest for claim in claims}},
            units={*self.units, *(claim.unit for claim in claims if claim.unit is not None)},
        )

    def stand_against(self, claim: Claim) -> bool:
        """Whether the claim cannot be met any more."""
        return claim.event in self.events or claim.unit in self.units


@dataclass(frozen=True, slots=True)
class Claimed:
    """Which claims were met, by place, and the batch that each request got; and all that stands against the others."""

    met: frozenset[int]
    batch_ids: Mapping[int, int]
    holdings: Holdings


def contenders(claims: Sequence[Claim], held: Holdings) -> Iterator[int]:
    """Yield the places of the claims worth trying: on no key that is held, nor on one that an earlier one asks for."""
    events, units = set(held.events), set(held.units)
    for place, (event, unit, _) in enumerate(claims):
        if event in events or unit in units:
            continue
        events.add(event)
        if unit is not None:
            units.add(unit)
        yield place
