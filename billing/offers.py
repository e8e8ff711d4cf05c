"""Offers: a plan version as its document describes it, read strictly and without a database."""

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from billing.errors import PlanDocumentError, PriceError, UnknownCurrencyError
from billing.money import currency_of
from billing.periods import MONTHS
from billing.rating import prices
from billing.rating.charges import Card
from billing.rating.numbers import decimal_of
from billing.rating.quantities import ROUNDINGS

_KEY: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}\Z")
_PLAN_FIELDS: Final = {"plan", "name", "description", "version", "currency", "interval", "rate_cards"}
_CARD_FIELDS: Final = {
    "key",
    "name",
    "meter",
    "filters",
    "unit",
    "divide_by",
    "per_period",
    "rounding",
    "allowance",
    "price",
    "prorated",
}
_METERED_FIELDS: Final = ("filters", "divide_by", "per_period", "rounding", "allowance")
_LONGEST: Final[Mapping[str, int]] = MappingProxyType({"description": 10_000, "unit": 40})
_LONGEST_OTHER: Final = 100
_QUANTITY_DIGITS: Final = 9  # after the point, in the columns of quantities


@dataclass(frozen=True, slots=True)
class Offer:
    """What a plan version says: who pays in which currency, how often, and for what."""

    plan: str
    name: str
    description: str
    number: int
    currency: str
    interval: str
    cards: tuple[Card, ...]


def parse(*, document: Mapping[str, Any], meters: Mapping[str, Collection[str]]) -> Offer:
    """Return the offer that a plan document describes; `meters` are those known, each with its dimensions.

    Raises PlanDocumentError or PriceError naming the field, such as `rate_cards[1].price.tiers[0].up_to`.
    """
    _refuse_unknown(document, _PLAN_FIELDS, "")
    offer = Offer(
        plan=_key(document, "plan"),
        name=_text(document, "name"),
        description=_text(document, "description", default=""),
        number=_whole(document, "version"),
        currency=_currency(document),
        interval=_choice(document, "interval", MONTHS, default="month"),
        cards=tuple(_card(card, f"rate_cards[{at}].", meters) for at, card in enumerate(_list(document))),
    )
    for at, card in enumerate(offer.cards):
        if card.key in {one.key for one in offer.cards[:at]}:
            raise PlanDocumentError(f"rate_cards[{at}].key", f"{card.key!r} is used before")
    return offer


def _card(document: object, path: str, meters: Mapping[str, Collection[str]]) -> Card:
    if not isinstance(document, Mapping):
        raise PlanDocumentError(path.rstrip("."), "must be a table")
    _refuse_unknown(document, _CARD_FIELDS, path)
    meter = _choice(document, "meter", meters, default="", path=path)
    _refuse_misplaced(document, meter, path)
    return Card(
        key=_key(document, "key", path=path),
        name=_text(document, "name", path=path),
        unit=_text(document, "unit", path=path),
        price=_price(document, path),
        meter=meter,
        filters=_filters(document, meters.get(meter, ()), path),
        divide_by=_decimal(document, "divide_by", Decimal(1), path),
        per_period=_flag(document, "per_period", default=False, path=path),
        rounding=_choice(document, "rounding", ROUNDINGS, default="none", path=path),
        allowance=_decimal(document, "allowance", Decimal(0), path),
        prorated=_flag(document, "prorated", default=True, path=path),
    )


def _refuse_misplaced(document: Mapping[str, Any], meter: str, path: str) -> None:
    """Refuse fields without effect: a fixed fee measures nothing, and what is measured needs no proration."""
    for name in _METERED_FIELDS if not meter else ("prorated",):
        if name in document:
            raise PlanDocumentError(path + name, f"has no effect on a card with{'' if meter else 'out'} a meter")


def _price(document: Mapping[str, Any], path: str) -> prices.Price:
    try:
        return prices.parse(document.get("price"))
    except PriceError as error:
        field = "price" if error.field == "price" else f"price.{error.field}"
        raise PriceError(path + field, error.detail) from None


def _filters(document: Mapping[str, Any], dimensions: Collection[str], path: str) -> dict[str, list[str]]:
    filters = document.get("filters", {})
    if not isinstance(filters, Mapping):
        raise PlanDocumentError(f"{path}filters", "must be a table of dimensions and their values")
    for name, values in filters.items():
        if name not in dimensions:
            known = ", ".join(dimensions) or "none"
            raise PlanDocumentError(f"{path}filters.{name}", f"is no dimension of the meter; it has {known}")
        if not isinstance(values, list) or not values or not all(isinstance(value, str) for value in values):
            raise PlanDocumentError(f"{path}filters.{name}", "must be a list of texts with at least one")
    return {name: list(values) for name, values in filters.items()}


def _list(document: Mapping[str, Any]) -> Sequence[object]:
    cards = document.get("rate_cards")
    if not isinstance(cards, list) or not cards:
        raise PlanDocumentError("rate_cards", "must be a list of at least one rate card")
    return cards


def _currency(document: Mapping[str, Any]) -> str:
    try:
        return currency_of(_text(document, "currency")).code
    except UnknownCurrencyError as error:
        raise PlanDocumentError("currency", str(error)) from None


def _key(document: Mapping[str, Any], name: str, *, path: str = "") -> str:
    value = _text(document, name, path=path)
    if not _KEY.match(value):
        raise PlanDocumentError(path + name, f"{value!r} is not lower-case letters, digits, - and _")
    return value


def _text(document: Mapping[str, Any], name: str, *, default: str | None = None, path: str = "") -> str:
    value = document.get(name, default)
    if not isinstance(value, str) or (not value and default is None):
        raise PlanDocumentError(path + name, "must be a text" if name in document else "is missing")
    if len(value) > (longest := _LONGEST.get(name, _LONGEST_OTHER)):
        raise PlanDocumentError(path + name, f"must have at most {longest} characters")
    return value


def _whole(document: Mapping[str, Any], name: str) -> int:
    value = document.get(name)
    if type(value) is not int or value < 1:
        raise PlanDocumentError(name, "must be a whole number from 1")
    return value


def _flag(document: Mapping[str, Any], name: str, *, default: bool, path: str) -> bool:
    value = document.get(name, default)
    if not isinstance(value, bool):
        raise PlanDocumentError(path + name, "must be true or false")
    return value


def _decimal(document: Mapping[str, Any], name: str, default: Decimal, path: str) -> Decimal:
    if name not in document:
        return default
    try:
        value = decimal_of(document[name], digits=_QUANTITY_DIGITS)
    except ValueError as error:
        raise PlanDocumentError(path + name, str(error)) from None
    if not value and default:
        raise PlanDocumentError(path + name, "must be above 0")
    return value


def _choice(document: Mapping[str, Any], name: str, known: Collection[str], *, default: str, path: str = "") -> str:
    value = document.get(name, default)
    if value != default and value not in list(known):
        raise PlanDocumentError(path + name, f"{value!r} is not one of {', '.join(sorted(known))}")
    return str(value)


def _refuse_unknown(document: Mapping[str, Any], known: set[str], path: str) -> None:
    for name in document:
        if name not in known:
            raise PlanDocumentError(path + name, f"is unknown; the fields are {', '.join(sorted(known))}")
