"""A rate card as a value: what is measured, what is included, at which price, within which bounds."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from billing.rating.prices import Price


@dataclass(frozen=True, slots=True)
class ZeroRate:
    """Usage that costs nothing, by name: its events match every filter (a dimension and the values that count).

    `name` is printed on the invoice: "failed tasks", "on your own compute".
    """

    key: str
    name: str
    filters: Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Card:
    """A rate card as a value; the fields mean what they mean in billing.models.RateCard.

    `allowance` and `rollover` (how many unused units the next period may inherit) count in the card's unit, in credits
    where the price is in credits. `minimum` and `maximum` are amounts for the full period, in the price's currency.
    """

    key: str
    name: str
    unit: str
    price: Price
    meter: str = ""
    filters: Mapping[str, Sequence[str]] = field(default_factory=dict)
    divide_by: Decimal = Decimal(1)
    per_period: bool = False
    rounding: str = "none"
    allowance: Decimal = Decimal(0)
    prorated: bool = True
    rollover: Decimal = Decimal(0)
    minimum: Decimal | None = None
    maximum: Decimal | None = None
    zero_rates: tuple[ZeroRate, ...] = ()
