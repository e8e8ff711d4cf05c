"""Prices, cards and terms for tests of rating: short to write, and drawn at random."""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal

from hypothesis import strategies as st

from billing.money import Money
from billing.periods import Period
from billing.rating.kinds import Flat, Graduated, Package, StairStep, Tier, Unit, Volume
from billing.rating.statement import Card, Part, RatedPeriod, Terms, Usage, rate

JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
DAY = 86_400

amounts = st.decimals(0, 50, places=3)
sizes = st.decimals(Decimal("0.5"), 20, places=1)
bounds = st.lists(st.integers(1, 60), min_size=0, max_size=4, unique=True).map(sorted)
quantities = st.fractions(0, 80, max_denominator=7)


def euro(text: str) -> Money:
    return Money(Decimal(text), "EUR")


def tiers(*rows: tuple[str | None, str, str]) -> tuple[Tier, ...]:
    """Make tiers from (up to, unit, flat)."""
    return tuple(Tier(None if up is None else Decimal(up), Decimal(unit), Decimal(flat)) for up, unit, flat in rows)


@st.composite
def tier_tables(draw, units=amounts):
    ups = [*map(Decimal, draw(bounds)), None]
    return tuple(Tier(up_to=up, unit=draw(units), flat=draw(amounts)) for up in ups)


linear = st.builds(Unit, amounts)
rising = st.one_of(
    st.builds(Flat, amounts), linear, st.builds(Package, sizes, amounts), st.builds(Graduated, tier_tables())
)
falling = st.one_of(st.builds(Volume, tier_tables()), st.builds(StairStep, tier_tables(units=st.just(Decimal(0)))))
prices = st.one_of(rising, falling)


def card(price, key="card", **fields) -> Card:
    """Make a card for turns; meter="" makes it a fixed fee."""
    return Card(key=key, price=price, **{"name": key.capitalize(), "unit": "turn", "meter": "turns"} | fields)


def fee(amount: str, key="base", **fields) -> Card:
    return Card(key=key, name="Base fee", unit="month", price=Flat(Decimal(amount)), **fields)


def used(quantity, unit="turn") -> Usage:
    return Usage("turns", unit, (Part(Decimal(quantity)),))


def grouped(*parts: tuple[str, Mapping[str, str | None]], unit="turn") -> Usage:
    """Make usage split by group."""
    return Usage("turns", unit, tuple(Part(Decimal(quantity), group) for quantity, group in parts))


def bill(*cards: Card, usage=None, currency="EUR", period=JANUARY, full=JANUARY, **terms) -> RatedPeriod:
    """Rate cards; `usage` maps a card's key to a quantity or to Usage, and is 0 where it is silent."""
    found = {one.key: (usage or {}).get(one.key, "0") for one in cards if one.meter}
    read = {key: one if isinstance(one, Usage) else used(one) for key, one in found.items()}
    return rate(Terms(cards=cards, usage=read, period=period, full=full, currency=currency, **terms))


def shown(rated: RatedPeriod) -> list[tuple[str, str, str]]:
    """Return the lines as kind, card and amount."""
    return [(str(line.kind), line.card, str(line.amount.amount)) for line in rated.lines]
