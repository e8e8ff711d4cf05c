"""Usage as rating takes it: what a card's meter measured, split by the dimensions that its price looks at."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal


@dataclass(frozen=True, slots=True)
class Part:
    """What was used in one group: the text of each dimension, None where the events carry none."""

    quantity: Decimal
    group: Mapping[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a card's meter measured, in the meter's `unit`, split by the card's `dimensions`.

    No parts are no usage; a card without dimensions has one part with an empty group. Where the price looks at
    transactions, each part is one. Allowances are used up in the order of the parts, so it must not change.
    """

    meter: str
    unit: str
    parts: tuple[Part, ...]
