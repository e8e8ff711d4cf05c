"""Planned cards: a rate card in one currency with when it is billed, read from and written to a plan's document."""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from billing.documents import Table
from billing.errors import MoneyError, PlanDocumentError, PriceError
from billing.money import Money
from billing.periods import MONTHS
from billing.rating import prices
from billing.rating.card import Card, ZeroRate
from billing.rating.numbers import DIGITS, text_of
from billing.rating.quantities import ROUNDINGS
from billing.rating.shares import dimensions
from runtime.wire import canonical

ADVANCE: Final = "advance"
ARREARS: Final = "arrears"

# What a phase or a customer's own agreement may change; the rest says what is measured and when it is billed.
CHANGEABLE: Final = {
    "name",
    "price",
    "prices",
    "allowance",
    "rollover",
    "minimum",
    "maximum",
    "zero_rates",
    "rounding",
    "prorated",
}
_FIELDS: Final = CHANGEABLE | {
    "key",
    "meter",
    "filters",
    "unit",
    "divide_by",
    "per_period",
    "billed",
    "interval",
    "tax_category",
}
_METERED_FIELDS: Final = (
    "filters",
    "divide_by",
    "per_period",
    "rounding",
    "allowance",
    "rollover",
    "minimum",
    "maximum",
    "zero_rates",
)
_ZERO_RATE_FIELDS: Final = {"key", "name", "filters"}

Meters = Mapping[str, Collection[str]]


@dataclass(frozen=True, slots=True)
class PlannedCard:
    """A rate card in one currency, and when it is billed: `interval` is its own full period."""

    card: Card
    interval: str
    billed: str = ARREARS
    tax_category: str = ""


def parse(*, table: Table, currency: str, currencies: Sequence[str], interval: str, meters: Meters) -> PlannedCard:
    """Return a rate card of a plan's document in one of the document's currencies.

    `interval` is the plan's. Raises PlanDocumentError or PriceError naming the field.
    """
    table.refuse_unknown(_FIELDS)
    meter = table.choice("meter", meters, default="")
    _refuse_misplaced(table, metered=bool(meter))
    card = Card(
        key=table.key("key"),
        name=table.text("name"),
        unit=table.text("unit"),
        price=_price(table, currency, currencies),
        meter=meter,
        filters=_filters(table, meters.get(meter, ())),
        divide_by=table.decimal("divide_by", Decimal(1)),
        per_period=table.flag("per_period", default=False),
        rounding=table.choice("rounding", ROUNDINGS, default="none"),
        allowance=table.decimal("allowance", Decimal(0)),
        prorated=table.flag("prorated", default=True),
        rollover=table.decimal("rollover", Decimal(0)),
        minimum=amounts(table, "minimum", currencies).get(currency),
        maximum=amounts(table, "maximum", currencies).get(currency),
        zero_rates=_zero_rates(table, meters.get(meter, ())),
    )
    _refuse_unsplittable(table, card, meters.get(meter, ()))
    return PlannedCard(
        card=card,
        interval=table.choice("interval", MONTHS, default=interval),
        billed=table.choice("billed", (ADVANCE, ARREARS), default=ARREARS),
        tax_category=table.key("tax_category", default=""),
    )


def changed(
    planned: PlannedCard, changes: Table, *, currency: str, currencies: Sequence[str], meters: Meters | None = None
) -> PlannedCard:
    """Return a card with other fields, as a phase or a customer's own agreement says.

    `currencies` are those of the changes. Without `meters` the names of meter and dimensions are taken as they are, for
    they were checked before. Raises PlanDocumentError or PriceError naming the field.
    """
    changes.refuse_unknown(CHANGEABLE)
    priced = {"price", "prices", "minimum", "maximum"}
    inner = {name: value for name, value in changes.fields.items() if name not in priced}
    if "price" in changes or "prices" in changes:
        inner["price"] = prices.document_of(_price(changes, currency, currencies))
    for name in ("minimum", "maximum"):
        if name in changes:
            inner[name] = text_of(amounts(changes, name, currencies)[currency])
    merged = Table(document_of(planned) | inner, changes.path)
    known = {planned.card.meter: _dimensions(planned.card, changes)} if meters is None else meters
    return parse(table=merged, currency=currency, currencies=(currency,), interval=planned.interval, meters=known)


def refuse_split(planned: PlannedCard, *, whole: Collection[str], path: str = "") -> None:
    """Refuse to split the usage of a meter whose parts do not make the whole: a peak by class may exceed that of all.

    `whole` are the keys of such meters. Raises PlanDocumentError naming the field below `path`.
    """
    card = planned.card
    if card.meter not in whole or not (split := dimensions(card)):
        return
    by_price = set(prices.dimensions_of(card.price)) & set(split)
    raise PlanDocumentError(
        f"{path}{'price' if by_price else 'zero_rates'}",
        f"splits the meter {card.meter!r} by {', '.join(split)}, and its parts do not make the whole;"
        " write a card with filters for each",
    )


def document_of(planned: PlannedCard) -> dict[str, Any]:
    """Return the document of a card in its one currency; what is left out is the default."""
    card = planned.card
    fields: dict[str, Any] = {
        "key": card.key,
        "name": card.name,
        "unit": card.unit,
        "price": prices.document_of(card.price),
        "interval": planned.interval,
    }
    optional: dict[str, Any] = {
        "meter": card.meter,
        "filters": {name: list(values) for name, values in card.filters.items()},
        "divide_by": "" if card.divide_by == 1 else text_of(card.divide_by),
        "per_period": card.per_period,
        "rounding": "" if card.rounding == "none" else card.rounding,
        "allowance": text_of(card.allowance) if card.allowance else "",
        "rollover": text_of(card.rollover) if card.rollover else "",
        "minimum": "" if card.minimum is None else text_of(card.minimum),
        "maximum": "" if card.maximum is None else text_of(card.maximum),
        "zero_rates": [zero_rate_document(one) for one in card.zero_rates],
        "billed": "" if planned.billed == ARREARS else planned.billed,
        "tax_category": planned.tax_category,
    }
    fields |= {name: value for name, value in optional.items() if value}
    return fields if card.prorated else fields | {"prorated": False}


def zero_rate_document(zero_rate: ZeroRate) -> dict[str, Any]:
    """Return the document of a named zero-rating."""
    filters = {name: list(values) for name, values in zero_rate.filters.items()}
    return {"key": zero_rate.key, "name": zero_rate.name, "filters": filters}


def digest_of(planned: PlannedCard, currency: str) -> str:
    """Return a digest over what a card costs, by which the same terms are known again."""
    return hashlib.sha256(canonical({"currency": currency, "card": document_of(planned)})).hexdigest()


def amounts(table: Table, name: str, currencies: Sequence[str]) -> dict[str, Decimal]:
    """Return amounts by currency: a text where there is one currency, else a table with each; empty where missing."""
    if name not in table:
        return {}
    if not isinstance(table.fields[name], Mapping):
        if len(currencies) > 1:
            raise table.error(name, f"needs a table with {', '.join(currencies)}")
        return {currencies[0]: _amount(table, name, currencies[0])}
    inner = table.table(name)
    inner.refuse_unknown(currencies)
    return {currency: _amount(inner, currency, currency) for currency in currencies}


def _amount(table: Table, name: str, currency: str) -> Decimal:
    if name not in table:
        raise table.error(name, "is missing")
    amount = table.decimal(name, Decimal(0), digits=DIGITS)
    try:
        return Money(amount, currency).amount
    except MoneyError as error:
        raise table.error(name, str(error)) from None


def _price(table: Table, currency: str, currencies: Sequence[str]) -> prices.Price:
    if "prices" not in table:
        if len(currencies) > 1 and "price" in table:
            raise table.error("prices", f"needs a table with {', '.join(currencies)} instead of price")
        return _parsed(table, "price")
    if "price" in table:
        raise table.error("price", "has no place beside prices")
    inner = table.table("prices")
    inner.refuse_unknown(currencies)
    if currency not in inner:
        raise inner.error(currency, "is missing")
    return _parsed(inner, currency)


def _parsed(table: Table, name: str) -> prices.Price:
    try:
        return prices.parse(table.fields.get(name))
    except PriceError as error:
        field = name if error.field == "price" else f"{name}.{error.field}"
        raise PriceError(table.path + field, error.detail) from None


def _filters(table: Table, dimensions: Collection[str]) -> dict[str, list[str]]:
    inner = table.table("filters")
    for name in inner.fields:
        if name not in dimensions:
            known = ", ".join(dimensions) or "none"
            raise inner.error(name, f"is no dimension of the meter; it has {known}")
    return {name: list(inner.texts(name)) for name in inner.fields}


def _zero_rates(table: Table, dimensions: Collection[str]) -> tuple[ZeroRate, ...]:
    found: list[ZeroRate] = []
    for inner in table.tables("zero_rates"):
        inner.refuse_unknown(_ZERO_RATE_FIELDS)
        filters = _filters(inner, dimensions)
        if not filters:
            raise inner.error("filters", "must name at least one dimension")
        if inner.key("key") in {one.key for one in found}:
            raise inner.error("key", f"{inner.key('key')!r} is used before")
        found.append(ZeroRate(key=inner.key("key"), name=inner.text("name"), filters=filters))
    return tuple(found)


def _refuse_misplaced(table: Table, *, metered: bool) -> None:
    """Refuse fields without effect: a fixed fee measures nothing, and what is measured needs no proration."""
    for name in ("prorated",) if metered else _METERED_FIELDS:
        if name in table:
            raise table.error(name, f"has no effect on a card with{'' if metered else 'out'} a meter")
    if metered and table.fields.get("billed", ARREARS) != ARREARS:
        raise table.error("billed", "must be arrears on a card with a meter: usage is known only afterwards")


def _refuse_unsplittable(table: Table, card: Card, dimensions: Collection[str]) -> None:
    """Refuse a price by dimensions that the meter does not have."""
    if unknown := prices.dimensions_of(card.price) - set(dimensions):
        raise PlanDocumentError(
            f"{table.path}price", f"{', '.join(sorted(unknown))} is no dimension of the meter {card.meter!r}"
        )


def _dimensions(card: Card, changes: Table) -> set[str]:
    """Return every dimension that a stored card and its changes may name."""
    rates = [*card.zero_rates]
    named = set(card.filters) | set(prices.dimensions_of(card.price)) | {name for one in rates for name in one.filters}
    for inner in changes.tables("zero_rates"):
        named |= set(inner.table("filters").fields)
    if isinstance(changes.fields.get("price"), Mapping):
        named |= set(prices.dimensions_of(_parsed(changes, "price")))
    return named
