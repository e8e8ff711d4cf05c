"""Terms: everything that decides what a billing period costs, as values that were read beforehand."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

from billing.errors import RatingError
from billing.money import Money
from billing.periods import Period
from billing.rating.card import Card
from billing.rating.lines import Line
from billing.rating.usage import Usage

_PERCENT: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class Service:
    """The period that a card is charged for where it is not the invoice's, and the full period around it."""

    period: Period
    full: Period


@dataclass(frozen=True, slots=True)
class Discount:
    """A percentage of each line, or an amount over all of them; of the cards named, or of every card where none is.

    Raises RatingError unless it has exactly one of `percent` (above 0, to 100) and `amount` (above 0).
    """

    key: str
    name: str
    percent: Decimal | None = None
    amount: Money | None = None
    cards: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if (self.percent is None) == (self.amount is None):
            raise RatingError(f"discount {self.key}: has either a percentage or an amount")
        if self.percent is not None and not 0 < self.percent <= _PERCENT:
            raise RatingError(f"discount {self.key}: {self.percent} is no percentage above 0 and up to 100")
        if self.amount is not None and self.amount.amount <= 0:
            raise RatingError(f"discount {self.key}: {self.amount} must be above 0")


@dataclass(frozen=True, slots=True)
class Pool:
    """Units included once for several cards, used up by them in the order of `cards`, each after its own allowance.

    It counts in the cards' unit, in credits for cards whose price is in credits. Up to `rollover` unused units are
    carried into the next period. A card is in one pool at most, and a pool's key is no card's.
    """

    key: str
    name: str
    allowance: Decimal
    cards: tuple[str, ...]
    rollover: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Grant:
    """Promotional credit that is left: `unit` is a currency's code, or the virtual currency of cards in credits.

    It is limited to the cards named, if any are.
    """

    key: str
    name: str
    remaining: Decimal
    unit: str
    cards: tuple[str, ...] = ()


class Treatment(StrEnum):
    """Whether tax is charged; where it is not, the invoice says why."""

    TAXED = "taxed"
    EXEMPT = "exempt"
    REVERSE = "reverse"


@dataclass(frozen=True, slots=True)
class TaxRate:
    """A tax on top of the lines of the cards named, or of every line where none is.

    The empty text among `cards` stands for the lines of the whole plan.
    """

    key: str
    name: str
    percent: Decimal
    cards: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.percent <= _PERCENT:
            raise RatingError(f"tax {self.key}: {self.percent} is no percentage from 0 to 100")


@dataclass(frozen=True, slots=True)
class TaxRule:
    """How a customer is taxed. `note` is the legal text that an exemption or a reverse charge must print."""

    rates: tuple[TaxRate, ...] = ()
    treatment: Treatment = Treatment.TAXED
    note: str = ""

    def __post_init__(self) -> None:
        if self.treatment != Treatment.TAXED and not self.note:
            raise RatingError(f"a customer whose treatment is {self.treatment} needs a note that says why")


@dataclass(frozen=True, slots=True)
class Terms:
    """All that `statement.rate` needs to know about one period of one subscription.

    `full` is the plan's whole period that `period` lies in. `usage` is by card key and has every card with a meter.
    `services` is by card key, for cards charged for another period than the invoice's (in advance, yearly).
    `discounts` come in order of creation, `promotions` in the order in which they are to be used up. `minimum` is for
    the full period. `rollover` is what the period before carried over, by the key of the card or the pool.
    `adjustments` were worked out elsewhere (unused prepaid time, late usage); they are taken as they are and taxed.
    """

    cards: tuple[Card, ...]
    usage: Mapping[str, Usage]
    period: Period
    full: Period
    currency: str
    discounts: tuple[Discount, ...] = ()
    minimum: Money | None = None
    maximum: Money | None = None
    pools: tuple[Pool, ...] = ()
    rollover: Mapping[str, Decimal] = field(default_factory=dict)
    promotions: tuple[Grant, ...] = ()
    tax: TaxRule | None = None
    services: Mapping[str, Service] = field(default_factory=dict)
    adjustments: tuple[Line, ...] = ()
    fold: int = 0

    def __post_init__(self) -> None:
        if self.pools:
            _refuse_shared_twice(self)


def _refuse_shared_twice(terms: Terms) -> None:
    keys = [card.key for card in terms.cards] + [pool.key for pool in terms.pools]
    if len(set(keys)) != len(keys):
        raise RatingError("the keys of cards and pools must differ")
    pooled = [card for pool in terms.pools for card in pool.cards]
    if len(set(pooled)) != len(pooled):
        raise RatingError("a card is in one pool at most")
    if unknown := set(pooled) - set(keys):
        raise RatingError(f"no card is named {', '.join(sorted(unknown))}")
