"""Lines: what a rated period consists of, each with the formula it came from."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction
from functools import lru_cache
from typing import Final

from billing.money import Money, total
from billing.periods import Period
from billing.rating.cost import PriceRow
from billing.rating.numbers import text_of

Rows = tuple[PriceRow[Decimal], ...] | tuple[PriceRow[Fraction], ...]


def detail_of(rows: Rows) -> list[dict[str, str]]:
    """Return the rows of a formula as texts; empty where a row has no price or amount."""
    return [
        {
            "text": row.text,
            "quantity": text_of(row.quantity),
            "unit_price": "" if row.unit_price is None else _price_text(row.unit_price),
            "amount": "" if row.amount is None else text_of(row.amount),
        }
        for row in rows
    ]


_price_text: Final = lru_cache(maxsize=1024)(text_of)  # prices are few, and are written on every line


class LineKind(StrEnum):
    """Why a line is there, in the order in which an invoice lists them."""

    CHARGE = "charge"
    ZERO_RATED = "zero_rated"
    DISCOUNT = "discount"
    MAXIMUM = "maximum"
    MINIMUM = "minimum"
    CREDIT = "credit"
    LATE = "late"
    TAX = "tax"


@dataclass(frozen=True, slots=True)
class Line:
    """A line before it is on an invoice; rounded once, and what takes off is negative.

    `card` is empty for what concerns the whole plan. `quantity` is what was used in the card's unit, units that cost
    nothing included, to twelve digits for showing and storing; `rows` say, exactly, how it became `amount`. `source` is
    the key of the discount, grant, zero-rating or tax rate that a line comes from.
    """

    kind: LineKind
    card: str
    description: str
    meter: str
    quantity: Decimal
    unit: str
    amount: Money
    rows: Rows
    starts_at: datetime
    ends_at: datetime
    source: str = ""

    def detail(self) -> list[dict[str, str]]:
        """Return the rows as texts, as an invoice line keeps them; empty where a row has no price or amount."""
        return detail_of(self.rows)


@dataclass(frozen=True, slots=True)
class Draw:
    """What a card took from a promotional grant, above 0, in the grant's unit."""

    grant: str
    card: str
    quantity: Decimal
    unit: str


@dataclass(frozen=True, slots=True)
class RatedPeriod:
    """What a period costs, read at usage fold `fold`; nothing of it is written anywhere.

    `period` is None where a preview was asked for before the period began. `carried` is what is left of allowances for
    the next period, by the key of the card or the pool: its `Terms.rollover`.
    """

    period: Period | None
    currency: str
    lines: tuple[Line, ...]
    draws: tuple[Draw, ...] = ()
    carried: Mapping[str, Decimal] = field(default_factory=dict)
    fold: int = 0

    @property
    def subtotal(self) -> Money:
        """The sum of the lines before tax."""
        return total([line.amount for line in self.lines if line.kind != LineKind.TAX], self.currency)

    @property
    def tax(self) -> Money:
        """The sum of the tax lines."""
        return total([line.amount for line in self.lines if line.kind == LineKind.TAX], self.currency)

    @property
    def total(self) -> Money:
        """The sum of all lines: subtotal and tax."""
        return total([line.amount for line in self.lines], self.currency)
