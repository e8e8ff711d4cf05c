"""Memory: charges that were worked out already, for the time that many customers are rated one after the other."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from billing.periods import Period
from billing.rating import charges
from billing.rating.card import Card
from billing.rating.charges import Lines
from billing.rating.kinds import SCALARS
from billing.rating.terms import Terms
from billing.rating.usage import Usage
from billing.rating.working import included, work_exactly

_MOST: Final = 32_768  # lines, of a kilobyte or so each, and cards
_NOTHING: Final = Decimal(0)

Used = tuple[str, Decimal] | None  # in the meter's unit; None for a fixed fee


@dataclass(slots=True)
class Tariff:
    """A card in one period, with the lines of the quantities that were met.

    Only a card that stands alone has any: what it costs follows from its quantity, for its usage is not split, and
    nothing of it is carried over.
    """

    card: Card
    period: Period
    full: Period
    currency: str
    stands_alone: bool
    kept: dict[Used, Lines] = field(default_factory=dict)


@dataclass(slots=True)
class Memory:
    """The tariffs of each period by the identity of the card, and how much they hold."""

    periods: dict[tuple[Period, Period, str], dict[int, Tariff]] = field(default_factory=dict)
    held: int = 0

    def tariffs(self, period: Period, full: Period, currency: str) -> dict[int, Tariff]:
        """Return the tariffs of a period."""
        return self.periods.setdefault((period, full, currency), {})

    def count(self) -> None:
        """Count a card or a quantity that is kept from now on; where there are too many, forget those before."""
        if self.held >= _MOST:
            self.periods.clear()
            self.held = 0
        self.held += 1


@contextmanager
def remembering() -> Iterator[None]:
    """Remember charges while many customers are rated: of those on one plan, a lot have used as much as another."""
    token = _MEMORY.set(Memory())
    try:
        yield
    finally:
        _MEMORY.reset(token)


def recall(terms: Terms) -> dict[str, Lines]:
    """Return the lines of each card that neither shares nor inherits anything, by its key; none if nothing is kept.

    Such lines hold nothing of the customer, so another's may be returned. To be called under `numbers.EXACT`. Raises
    what `statement.rate` raises.
    """
    memory = _MEMORY.get()
    if memory is None or terms.pools or terms.rollover:
        return {}
    found: dict[str, Lines] = {}
    month = memory.tariffs(terms.period, terms.full, terms.currency)
    for card in terms.cards:
        service = terms.services.get(card.key)
        tariffs = month if service is None else memory.tariffs(service.period, service.full, terms.currency)
        tariff = tariffs.get(id(card)) or _tariff(memory, tariffs, terms, card)
        if tariff.stands_alone:
            usage = charges.usage_of(terms, card) if card.meter else None
            used = None if usage is None else (usage.unit, _quantity(usage))
            found[card.key] = tariff.kept.get(used) or _work_out(memory, tariff, usage, used)
    return found


def _work_out(memory: Memory, tariff: Tariff, usage: Usage | None, used: Used) -> Lines:
    card = tariff.card
    sources = (included(allowance=card.allowance, rolled=_NOTHING),) if card.allowance else ()
    work = work_exactly(card=card, usage=usage, period=tariff.period, full=tariff.full, sources=sources)
    lines = charges.lines_of(card, work, tariff.currency)
    if used is None or used[1] == int(used[1]):  # parts of a unit, such as milliseconds, hardly come again
        memory.count()
        tariff.kept[used] = lines
    return lines


def _tariff(memory: Memory, tariffs: dict[int, Tariff], terms: Terms, card: Card) -> Tariff:
    """Return a card's new tariff; it holds the card, so that no other can have its identity meanwhile."""
    service = terms.services.get(card.key)
    period, full = (service.period, service.full) if service else (terms.period, terms.full)
    stands_alone = isinstance(card.price, SCALARS) and not card.zero_rates and not card.rollover
    memory.count()
    tariff = tariffs[id(card)] = Tariff(card, period, full, terms.currency, stands_alone)
    return tariff


def _quantity(usage: Usage) -> Decimal:
    parts = usage.parts
    return parts[0].quantity if len(parts) == 1 else sum((part.quantity for part in parts), _NOTHING)


_MEMORY: Final[ContextVar[Memory | None]] = ContextVar("memory", default=None)
