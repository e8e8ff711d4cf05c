"""Offers: a plan version as its document describes it, read strictly and without a database."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

from billing import planned
from billing.documents import Table, refuse_repeated
from billing.errors import PlanDocumentError, UnknownCurrencyError
from billing.money import currency_of
from billing.periods import MONTHS
from billing.planned import ADVANCE, PlannedCard
from billing.rating.terms import Pool

_PLAN_FIELDS: Final = {
    "plan",
    "name",
    "description",
    "version",
    "currency",
    "currencies",
    "interval",
    "rate_cards",
    "phases",
    "pools",
    "discounts",
    "minimum",
    "maximum",
}
_PHASE_FIELDS: Final = {"name", "months", "days", "free", "cards"}
_POOL_FIELDS: Final = {"key", "name", "allowance", "rollover", "cards"}
_DISCOUNT_FIELDS: Final = {"key", "name", "percent", "amount", "cards"}
_PERCENT_DIGITS: Final = 4
_HUNDRED: Final = Decimal(100)


@dataclass(frozen=True, slots=True)
class Phase:
    """A stretch of time from a customer's start on the version: other fields of cards, or nothing to pay at all.

    It lasts so many months, or days, by the customer's calendar.
    """

    name: str
    months: int
    days: int
    free: bool
    cards: Mapping[str, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Reduction:
    """A discount of the plan: a percentage, or an amount in each currency; of all cards where none is named."""

    key: str
    name: str
    percent: Decimal | None
    amounts: Mapping[str, Decimal]
    cards: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Offer:
    """What a plan version says: who pays in which currency, how often, and for what.

    `cards` are by currency, in the order of the invoice's lines; minimum and maximum are for one invoiced cycle.
    """

    plan: str
    name: str
    description: str
    number: int
    currencies: tuple[str, ...]
    interval: str
    cards: Mapping[str, tuple[PlannedCard, ...]]
    phases: tuple[Phase, ...] = ()
    pools: tuple[Pool, ...] = ()
    discounts: tuple[Reduction, ...] = ()
    minimums: Mapping[str, Decimal] = field(default_factory=dict)
    maximums: Mapping[str, Decimal] = field(default_factory=dict)


def parse(*, document: Mapping[str, Any], meters: Mapping[str, Collection[str]]) -> Offer:
    """Return the offer that a plan document describes; `meters` are those known, each with its dimensions.

    Raises PlanDocumentError or PriceError naming the field, such as `rate_cards[1].price.tiers[0].up_to`.
    """
    table = Table(document)
    table.refuse_unknown(_PLAN_FIELDS)
    plan, name, description = table.key("plan"), table.text("name"), table.text("description", default="")
    number, currencies = table.whole("version"), _currencies(table)
    interval = table.choice("interval", MONTHS, default="month")
    cards = _cards(table, currencies, interval, meters)
    keys = [one.card.key for one in cards[currencies[0]]]
    offer = Offer(
        plan=plan,
        name=name,
        description=description,
        number=number,
        currencies=currencies,
        interval=interval,
        cards=cards,
        phases=tuple(_phase(phase, cards, meters) for phase in table.tables("phases")),
        pools=_pools(table, keys),
        discounts=_discounts(table, currencies, keys),
        minimums=planned.amounts(table, "minimum", currencies),
        maximums=planned.amounts(table, "maximum", currencies),
    )
    _refuse_unassessable(offer)
    return offer


def _cards(
    table: Table, currencies: Sequence[str], interval: str, meters: Mapping[str, Collection[str]]
) -> dict[str, tuple[PlannedCard, ...]]:
    if not isinstance(table.fields.get("rate_cards"), list) or not table.fields["rate_cards"]:
        raise table.error("rate_cards", "must be a list of at least one rate card")
    tables = list(table.tables("rate_cards"))
    cards = {
        currency: tuple(
            planned.parse(table=one, currency=currency, currencies=currencies, interval=interval, meters=meters)
            for one in tables
        )
        for currency in currencies
    }
    refuse_repeated(tables, [one.card.key for one in cards[currencies[0]]])
    return cards


def _currencies(table: Table) -> tuple[str, ...]:
    if ("currency" in table) == ("currencies" in table):
        raise table.error("currency", "is missing" if "currency" not in table else "has no place beside currencies")
    name = "currency" if "currency" in table else "currencies"
    codes = (table.text(name),) if name == "currency" else table.texts(name)
    if len(set(codes)) != len(codes):
        raise table.error(name, "names a currency twice")
    try:
        return tuple(currency_of(code).code for code in codes)
    except UnknownCurrencyError as error:
        raise table.error(name, str(error)) from None


def _phase(table: Table, cards: Mapping[str, tuple[PlannedCard, ...]], meters: Mapping[str, Collection[str]]) -> Phase:
    table.refuse_unknown(_PHASE_FIELDS)
    if ("months" in table) == ("days" in table):
        raise table.error("months", "either months or days say how long the phase is")
    free = table.flag("free", default=False)
    inner = table.table("cards")
    if free == bool(inner.fields):
        raise table.error("cards", "says what differs in the phase, or free says that nothing is charged")
    _check_changes(inner, cards, meters)
    return Phase(
        name=table.text("name"),
        months=table.whole("months") if "months" in table else 0,
        days=table.whole("days") if "days" in table else 0,
        free=free,
        cards=dict(inner.fields),
    )


def _check_changes(
    changes: Table, cards: Mapping[str, tuple[PlannedCard, ...]], meters: Mapping[str, Collection[str]]
) -> None:
    """Read every card as the phase changes it, in every currency."""
    for key in changes.fields:
        for currency, offered in cards.items():
            found = next((one for one in offered if one.card.key == key), None)
            if found is None:
                raise changes.error(key, "is no rate card of this version")
            planned.changed(found, changes.table(key), currency=currency, currencies=tuple(cards), meters=meters)


def _pools(table: Table, cards: Sequence[str]) -> tuple[Pool, ...]:
    tables = list(table.tables("pools"))
    pools = [_pool(one, cards) for one in tables]
    refuse_repeated(tables, [pool.key for pool in pools])
    taken: set[str] = set()
    for one, pool in zip(tables, pools, strict=True):
        if pool.key in cards:
            raise one.error("key", f"{pool.key!r} is a rate card's")
        if shared := taken & set(pool.cards):
            raise one.error("cards", f"{', '.join(sorted(shared))} is in another pool")
        taken |= set(pool.cards)
    return tuple(pools)


def _pool(table: Table, cards: Sequence[str]) -> Pool:
    table.refuse_unknown(_POOL_FIELDS)
    if "allowance" not in table:
        raise table.error("allowance", "is missing")
    return Pool(
        key=table.key("key"),
        name=table.text("name"),
        allowance=table.decimal("allowance", Decimal(0)),
        rollover=table.decimal("rollover", Decimal(0)),
        cards=_card_keys(table, cards, required=True),
    )


def _discounts(table: Table, currencies: Sequence[str], cards: Sequence[str]) -> tuple[Reduction, ...]:
    tables = list(table.tables("discounts"))
    found = tuple(_discount(one, currencies, cards) for one in tables)
    refuse_repeated(tables, [one.key for one in found])
    return found


def _discount(table: Table, currencies: Sequence[str], cards: Sequence[str]) -> Reduction:
    table.refuse_unknown(_DISCOUNT_FIELDS)
    if ("percent" in table) == ("amount" in table):
        raise table.error("percent", "either percent or amount says what is taken off")
    percent = table.decimal("percent", _HUNDRED, digits=_PERCENT_DIGITS) if "percent" in table else None
    if percent is not None and percent > _HUNDRED:
        raise table.error("percent", "must be at most 100")
    amounts = planned.amounts(table, "amount", currencies)
    if not all(amounts.values()):
        raise table.error("amount", "must be above 0")
    return Reduction(
        key=table.key("key"),
        name=table.text("name"),
        percent=percent,
        amounts=amounts,
        cards=_card_keys(table, cards, required=False),
    )


def _card_keys(table: Table, known: Sequence[str], *, required: bool) -> tuple[str, ...]:
    if "cards" not in table and not required:
        return ()
    keys = table.texts("cards") if "cards" in table else ()
    if not keys or (unknown := set(keys) - set(known)):
        raise table.error("cards", f"{', '.join(sorted(unknown))} is no rate card" if keys else "is missing")
    if len(set(keys)) != len(keys):
        raise table.error("cards", "names a rate card twice")
    return keys


def _refuse_unassessable(offer: Offer) -> None:
    """Refuse bounds of a cycle for cards that are charged for other stretches of time than the cycle."""
    field = "minimum" if offer.minimums else "maximum"
    if not offer.minimums and not offer.maximums:
        return
    for one in offer.cards[offer.currencies[0]]:
        if one.billed == ADVANCE or one.interval != offer.interval:
            raise PlanDocumentError(
                field, f"needs every card to be billed in arrears for the plan's interval; {one.card.key} is not"
            )
