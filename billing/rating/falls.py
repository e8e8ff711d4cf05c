"""Falls: where using more makes a total smaller, which a price may do, but nobody should sell unawares."""

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise

from billing.rating.kinds import Capacity, Matrix, Price, StairStep, Tier, Volume
from billing.rating.numbers import plain, text_of


@dataclass(frozen=True, slots=True)
class Fall:
    """A tier that the total falls at: `at` is the last quantity before it, `after` the total just above."""

    field: str
    at: Decimal
    before: Decimal
    after: Decimal

    def __str__(self) -> str:
        return (
            f"{self.field}: the total falls from {text_of(self.before)} at {text_of(self.at)} units"
            f" to {text_of(self.after)} just above"
        )


def warnings(price: Price) -> tuple[Fall, ...]:
    """Return where the total falls as usage grows: at a tier by volume or of stairs, in a matrix's rows as well."""
    return tuple(_falls(price, ""))


def _falls(price: Price, path: str) -> Iterator[Fall]:
    match price:
        case Volume(tiers) | StairStep(tiers):
            yield from _falls_of_tiers(tiers, path)
        case Capacity(inner):
            yield from _falls(inner, f"{path}price.")
        case Matrix(rows, default):
            for index, row in enumerate(rows):
                yield from _falls(row.price, f"{path}rows[{index}].price.")
            yield from _falls(default, f"{path}default.")


def _falls_of_tiers(tiers: tuple[Tier, ...], path: str) -> Iterator[Fall]:
    for index, (tier, above) in enumerate(pairwise(tiers), start=1):
        at = tier.up_to or Decimal(0)
        before, after = (Fraction(at) * Fraction(one.unit) + Fraction(one.flat) for one in (tier, above))
        if after < before:
            yield Fall(f"{path}tiers[{index}]", at, plain(before), plain(after))
