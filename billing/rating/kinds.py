"""The kinds of price, as values that cannot be half right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import combinations
from typing import Final

from billing.errors import PriceError
from billing.rating.numbers import text_of

Match = Mapping[str, Sequence[str]]  # a dimension and the values that count, for each dimension named

_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Flat:
    """An amount whatever the quantity."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class Unit:
    """An amount for each unit, and that part of it for a part of a unit."""

    amount: Decimal


@dataclass(frozen=True, slots=True)
class Package:
    """An amount for every started package of `size` units; none for none."""

    size: Decimal
    amount: Decimal

    def __post_init__(self) -> None:
        if self.size <= 0:
            raise PriceError("size", "must be above 0")


@dataclass(frozen=True, slots=True)
class Tier:
    """Units up to and including the `up_to`-th (without end where None) cost `unit` each; entering it costs `flat`."""

    up_to: Decimal | None
    unit: Decimal
    flat: Decimal = _NOTHING


def _check_tiers(tiers: tuple[Tier, ...]) -> None:
    if not tiers:
        raise PriceError("tiers", "needs at least one tier")
    below = _NOTHING
    for index, tier in enumerate(tiers[:-1]):
        if tier.up_to is None:
            raise PriceError(f"tiers[{index}].up_to", "only the last tier is without end")
        if tier.up_to <= below:
            raise PriceError(f"tiers[{index}].up_to", f"must be above {text_of(below)}")
        below = tier.up_to
    if tiers[-1].up_to is not None:
        raise PriceError(f"tiers[{len(tiers) - 1}].up_to", 'the last tier is without end; write "inf"')


@dataclass(frozen=True, slots=True)
class Graduated:
    """Each unit at the price of the tier it falls in. The first tier's flat amount is due even at no usage."""

    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        _check_tiers(self.tiers)


@dataclass(frozen=True, slots=True)
class Volume:
    """All units at the price of the tier that the last one falls in, and that tier's flat amount.

    The total may fall where a tier is entered: see `prices.warnings`.
    """

    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        _check_tiers(self.tiers)


@dataclass(frozen=True, slots=True)
class StairStep:
    """The flat amount of the tier that the last unit falls in, whatever the quantity within it."""

    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        _check_tiers(self.tiers)
        for index, tier in enumerate(self.tiers):
            if tier.unit:
                raise PriceError(f"tiers[{index}].unit", "a stair has no price for each unit")


@dataclass(frozen=True, slots=True)
class Percentage:
    """A percentage of a reported amount; for each transaction, a fixed amount on top and bounds of the sum.

    `transaction` is the dimension that tells the transactions apart: what is fixed, least or most for each needs it.
    """

    percent: Decimal
    fixed: Decimal = _NOTHING
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    transaction: str = ""

    def __post_init__(self) -> None:
        for name in ("fixed", "minimum", "maximum"):
            if getattr(self, name) and not self.transaction:
                raise PriceError(name, "is for each transaction: say in transaction which dimension names them")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise PriceError("minimum", f"must be at most the maximum, {text_of(self.maximum)}")


Scalar = Flat | Unit | Package | Graduated | Volume | StairStep
SCALARS: Final = (Flat, Unit, Package, Graduated, Volume, StairStep)  # asking a tuple is faster than asking a union


@dataclass(frozen=True, slots=True)
class Capacity:
    """A price for the highest quantity held, such as a meter of peaks reports it; it follows the elapsed fraction.

    Unlike what adds up over a period, a peak of half a period is not half a peak.
    """

    price: Scalar


@dataclass(frozen=True, slots=True)
class MatrixRow:
    """The price of usage that matches."""

    match: Match
    price: Scalar


@dataclass(frozen=True, slots=True)
class Matrix:
    """A price for each row of a table; each event counts in the most specific row that it matches, or in the default.

    All that counts in a row is priced together. The more dimensions a row names, the more specific it is.
    """

    rows: tuple[MatrixRow, ...]
    default: Scalar

    def __post_init__(self) -> None:
        _check_matches([row.match for row in self.rows])


@dataclass(frozen=True, slots=True)
class CreditRow:
    """How many credits a unit of usage that matches takes."""

    match: Match
    credits: Decimal


@dataclass(frozen=True, slots=True)
class Credits:
    """A rate card in a virtual currency: credits for each unit by class, and the amount of each credit to be paid for.

    A unit takes the credits of the most specific row it matches, or `credits`. Allowances of the card, its pool and its
    grants count in credits.
    """

    currency: str
    credits: Decimal
    amount: Decimal
    rows: tuple[CreditRow, ...] = ()

    def __post_init__(self) -> None:
        _check_matches([row.match for row in self.rows])


Price = Scalar | Percentage | Capacity | Matrix | Credits


def dimensions_of(price: Price) -> frozenset[str]:
    """Return the dimensions by which usage must be split for a price."""
    match price:
        case Matrix(rows=rows) | Credits(rows=rows):
            return frozenset(name for row in rows for name in row.match)
        case Percentage(transaction=transaction) if transaction:
            return frozenset({transaction})
        case _:
            return frozenset()


def matches(match: Match, group: Mapping[str, str | None]) -> bool:
    """Whether usage of a group counts: of each dimension named it has one of the values."""
    return all(group.get(name) in values for name, values in match.items())


def _check_matches(found: Sequence[Match]) -> None:
    for index, match in enumerate(found):
        if not match:
            raise PriceError(f"rows[{index}].match", "names no dimension; that is what the default is for")
    for (earlier, one), (later, other) in combinations(enumerate(found), 2):
        both = _both(one, other)
        if len(one) == len(other) and both is not None and not _is_settled(both, len(one), found):
            raise PriceError(f"rows[{later}].match", f"is as specific as rows[{earlier}] for usage that matches both")


def _both(one: Match, other: Match) -> dict[str, set[str]] | None:
    """Return what usage must have to match both; None where nothing can."""
    both = {name: set(values) for name, values in one.items()}
    for name, values in other.items():
        both[name] = both.get(name, set(values)) & set(values)
    return both if all(both.values()) else None


def _is_settled(both: Mapping[str, set[str]], specificity: int, found: Sequence[Match]) -> bool:
    """Whether a more specific row takes all usage that matches both."""
    return any(
        len(match) > specificity and all(name in both and both[name] <= set(match[name]) for name in match)
        for match in found
    )
