"""From what the draft form holds to a plan's document, which is then read as strictly as one from a file, and back."""

import tomllib
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from billing.admin.pricing.entries import Tree, match_of, text_of_match
from billing.errors import PlanDocumentError

SCALARS: Final = ("flat", "unit", "graduated", "volume", "stair_step", "package")
KINDS: Final = (*SCALARS, "percentage", "capacity", "matrix", "credits")
NUMBERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "flat": ("amount",),
        "unit": ("amount",),
        "package": ("size", "amount"),
        "percentage": ("percent", "fixed", "minimum", "maximum", "transaction"),
        "credits": ("currency", "credits", "amount"),
    }
)
TIERS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "graduated": ("above", "up_to", "unit", "flat"),
        "volume": ("above", "up_to", "unit", "flat"),
        "stair_step": ("above", "up_to", "flat"),
    }
)
_PLAN_TEXTS: Final = ("plan", "name", "description", "interval")
_CARD_TEXTS: Final = (
    *("key", "name", "unit", "meter", "divide_by", "rounding", "allowance", "rollover"),
    *("billed", "interval", "tax_category"),
)
_DEFAULTS: Final[Mapping[str, str]] = MappingProxyType({"rounding": "none", "billed": "arrears"})
_FURTHER: Final = ("pools", "discounts", "phases")
ENDLESS: Final = "inf"


def document_of(tree: Tree, *, number: int) -> dict[str, Any]:
    """Return the plan's document that the form describes, as version `number`.

    Raises PlanDocumentError for what cannot even be written as one: dimensions, or the further rules in TOML.
    """
    further = _further(_text(tree, "further"))
    document = _texts(tree, _PLAN_TEXTS) | _amounts(tree) | further
    document["version"] = number
    document["currencies"] = currencies_of(tree)
    document["rate_cards"] = [card_of(card, f"rate_cards[{at}].") for at, card in enumerate(_rows(tree, "rate_cards"))]
    return document


def currencies_of(tree: Tree) -> list[str]:
    """Return the codes that the form names, in order."""
    return [code.strip().upper() for code in _text(tree, "currencies").split(",") if code.strip()]


def card_of(card: Tree, path: str) -> dict[str, Any]:
    """Return the document of one rate card. Raises PlanDocumentError naming the input below `path`."""
    document = _texts(card, _CARD_TEXTS) | _amounts(card)
    for name, default in _DEFAULTS.items():
        if document.get(name) == default:
            del document[name]  # said by saying nothing; on a fixed fee it would be refused as without effect
    if _text(card, "filters"):
        document["filters"] = _match(card, "filters", path)
    if zero_rates := [
        _texts(row, ("key", "name")) | {"filters": _match(row, "filters", f"{path}zero_rates[{at}].")}
        for at, row in enumerate(_rows(card, "zero_rates"))
    ]:
        document["zero_rates"] = zero_rates
    if _text(card, "per_period"):
        document["per_period"] = True
    if _text(card, "whole"):
        document["prorated"] = False
    prices = _table(card, "prices")
    document["prices"] = {code: _price(_table(prices, code), f"{path}prices.{code}.") for code in prices}
    return document


def tree_of(document: Mapping[str, Any]) -> Tree:
    """Return what the form shows of a plan's document."""
    further = {name: document[name] for name in _FURTHER if document.get(name)}
    tree: Tree = {name: document[name] for name in (*_PLAN_TEXTS, "minimum", "maximum") if name in document}
    tree["currencies"] = ", ".join(document["currencies"])
    tree["further"] = "\n".join(_toml_tables(further))
    tree["rate_cards"] = [_card_tree(card) for card in document["rate_cards"]]
    return tree


def _card_tree(card: Mapping[str, Any]) -> Tree:
    special = {"filters", "zero_rates", "per_period", "prorated", "prices"}
    tree: Tree = {name: value for name, value in card.items() if name not in special}
    tree["filters"] = text_of_match(card.get("filters", {}))
    tree["zero_rates"] = [row | {"filters": text_of_match(row["filters"])} for row in card.get("zero_rates", [])]
    tree["per_period"] = "on" if card.get("per_period") else ""
    tree["whole"] = "" if card.get("prorated", True) else "on"
    tree["prices"] = {code: _price_tree(price) for code, price in card["prices"].items()}
    return tree


def _price(price: Tree, path: str) -> dict[str, Any]:
    """Return a price's document: the fields of its kind only, for others may be left from a kind chosen before."""
    kind = _text(price, "kind")
    document: dict[str, Any] = {"kind": kind} | _texts(price, NUMBERS.get(kind, ()))
    if kind in TIERS:
        document["tiers"] = [_tier(tier, TIERS[kind]) for tier in _rows(price, "tiers")]
    if kind == "capacity":
        document["price"] = _price(_table(price, "price"), f"{path}price.")
    if kind == "matrix":
        document["rows"] = _matched(price, path, lambda row, at: {"price": _price(_table(row, "price"), at)})
        document["default"] = _price(_table(price, "default"), f"{path}default.")
    if kind == "credits" and price.get("rows"):
        document["rows"] = _matched(price, path, lambda row, _at: _texts(row, ("credits",)))
    return document


def _matched(price: Tree, path: str, rest: Callable[[Tree, str], dict[str, Any]]) -> list[dict[str, Any]]:
    rows = []
    for at, row in enumerate(_rows(price, "rows")):
        inner = f"{path}rows[{at}]."
        rows.append({"match": _match(row, "match", inner)} | rest(row, f"{inner}price."))
    return rows


def _tier(tier: Tree, names: Iterable[str]) -> dict[str, Any]:
    return {"up_to": ENDLESS} | _texts(tier, names)


def _price_tree(price: Mapping[str, Any]) -> Tree:
    tree: Tree = dict(price)
    if "tiers" in price:
        ends = ["0", *(tier["up_to"] for tier in price["tiers"])]
        tree["tiers"] = [
            tier | {"above": above, "up_to": "" if tier["up_to"] in (None, ENDLESS) else tier["up_to"]}
            for above, tier in zip(ends, price["tiers"], strict=False)
        ]
    for name in ("price", "default"):
        if name in price:
            tree[name] = _price_tree(price[name])
    if "rows" in price:
        tree["rows"] = [_row_tree(row) for row in price["rows"]]
    return tree


def _row_tree(row: Mapping[str, Any]) -> Tree:
    tree = dict(row) | {"match": text_of_match(row["match"])}
    return tree | {"price": _price_tree(row["price"])} if "price" in row else tree


def _match(row: Tree, name: str, path: str) -> dict[str, list[str]]:
    try:
        return match_of(_text(row, name))
    except ValueError as error:
        raise PlanDocumentError(f"{path}{name}", str(error)) from None


def _further(text: str) -> dict[str, Any]:
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanDocumentError("further", str(error)) from None
    if unknown := sorted(found.keys() - set(_FURTHER)):
        raise PlanDocumentError("further", f"{', '.join(unknown)} has no place here, only {', '.join(_FURTHER)} have")
    return found


def _amounts(tree: Tree) -> dict[str, Any]:
    """Return minimum and maximum by currency, where any is given."""
    found = {name: _texts(_table(tree, name), _table(tree, name)) for name in ("minimum", "maximum")}
    return {name: amounts for name, amounts in found.items() if amounts}


def _texts(tree: Tree, names: Iterable[str]) -> dict[str, Any]:
    """Return the fields that are filled in; an empty input says nothing, so that the reader can say what is missing."""
    return {name: text for name in names if (text := _text(tree, name))}


def _text(tree: Tree, name: str) -> str:
    value = tree.get(name, "")
    return value.strip() if isinstance(value, str) else ""


def _table(tree: Tree, name: str) -> Tree:
    found = tree.get(name)
    return found if isinstance(found, dict) else {}


def _rows(tree: Tree, name: str) -> list[Tree]:
    rows = tree.get(name) or []
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []


def _toml_tables(further: Mapping[str, list[Mapping[str, Any]]]) -> Iterable[str]:
    for name, tables in further.items():
        for table in tables:
            yield f"[[{name}]]"
            yield from (f"{key} = {_toml(value)}" for key, value in table.items())
            yield ""


def _toml(value: Any) -> str:  # noqa: ANN401 a document holds anything
    match value:
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case list():
            return f"[{', '.join(map(_toml, value))}]"
        case dict():
            return "{ " + ", ".join(f"{_toml(key)} = {_toml(inner)}" for key, inner in value.items()) + " }"
        case _:
            return '"' + str(value).replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n") + '"'
