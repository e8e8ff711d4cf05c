"""Prices as values, and the documents that plans write them in."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from billing.errors import PriceError
from billing.rating.numbers import decimal_of, text_of


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
    flat: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class Graduated:
    """Each unit at the price of the tier it falls in. The first tier's flat amount is due even at no usage."""

    tiers: tuple[Tier, ...]

    def __post_init__(self) -> None:
        if not self.tiers:
            raise PriceError("tiers", "needs at least one tier")
        below = Decimal(0)
        for index, tier in enumerate(self.tiers[:-1]):
            if tier.up_to is None:
                raise PriceError(f"tiers[{index}].up_to", "only the last tier is without end")
            if tier.up_to <= below:
                raise PriceError(f"tiers[{index}].up_to", f"must be above {text_of(below)}")
            below = tier.up_to
        if self.tiers[-1].up_to is not None:
            raise PriceError(f"tiers[{len(self.tiers) - 1}].up_to", 'the last tier is without end; write "inf"')


Price = Flat | Unit | Package | Graduated

ENDLESS: Final = "inf"  # TOML has no null


def parse(document: object) -> Price:
    """Return the price that a document describes. Raises PriceError naming the field, such as `tiers[1].up_to`.

    Forms: {"kind": "flat" | "unit", "amount": "0.02"}, {"kind": "package", "size": "10", "amount": "0.08"} and
    {"kind": "graduated", "tiers": [{"up_to": "100", "unit": "0.002", "flat": "0"}, {"up_to": null, "unit": "0.001"}]}.
    Numbers are decimal texts; the end of the last tier is null, or "inf" where the notation has no null.
    """
    if not isinstance(document, Mapping):
        raise PriceError("price", "must be a table with a kind")
    reader = _READERS.get(str(document.get("kind")))
    if reader is None:
        raise PriceError("kind", f"{document.get('kind')!r} is not one of {', '.join(_READERS)}")
    return reader(document)


def document_of(price: Price) -> dict[str, Any]:
    """Return the document of a price, as stored; `parse` gives the same price back."""
    match price:
        case Flat(amount):
            return {"kind": "flat", "amount": text_of(amount)}
        case Unit(amount):
            return {"kind": "unit", "amount": text_of(amount)}
        case Package(size, amount):
            return {"kind": "package", "size": text_of(size), "amount": text_of(amount)}
        case Graduated(tiers):
            return {"kind": "graduated", "tiers": [_tier_document(tier) for tier in tiers]}


def _tier_document(tier: Tier) -> dict[str, str | None]:
    up_to = None if tier.up_to is None else text_of(tier.up_to)
    return {"up_to": up_to, "unit": text_of(tier.unit), "flat": text_of(tier.flat)}


def _flat(document: Mapping[str, Any]) -> Flat:
    _refuse_unknown(document, {"kind", "amount"})
    return Flat(_number(document, "amount"))


def _unit(document: Mapping[str, Any]) -> Unit:
    _refuse_unknown(document, {"kind", "amount"})
    return Unit(_number(document, "amount"))


def _package(document: Mapping[str, Any]) -> Package:
    _refuse_unknown(document, {"kind", "size", "amount"})
    return Package(size=_number(document, "size"), amount=_number(document, "amount"))


def _graduated(document: Mapping[str, Any]) -> Graduated:
    _refuse_unknown(document, {"kind", "tiers"})
    tiers = document.get("tiers")
    if not isinstance(tiers, Sequence) or isinstance(tiers, str):
        raise PriceError("tiers", "must be a list of tiers")
    return Graduated(tuple(_tier(tier, f"tiers[{index}]") for index, tier in enumerate(tiers)))


def _tier(document: object, path: str) -> Tier:
    if not isinstance(document, Mapping):
        raise PriceError(path, "must be a table with up_to, unit and flat")
    _refuse_unknown(document, {"up_to", "unit", "flat"}, f"{path}.")
    if "up_to" not in document:
        raise PriceError(f"{path}.up_to", "is missing")
    endless = document["up_to"] in (None, ENDLESS)
    up_to = None if endless else _number(document, "up_to", f"{path}.")
    flat = _number(document, "flat", f"{path}.") if "flat" in document else Decimal(0)
    return Tier(up_to=up_to, unit=_number(document, "unit", f"{path}."), flat=flat)


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], Price]]] = MappingProxyType(
    {"flat": _flat, "unit": _unit, "package": _package, "graduated": _graduated}
)


def _number(document: Mapping[str, Any], name: str, path: str = "") -> Decimal:
    if name not in document:
        raise PriceError(f"{path}{name}", "is missing")
    try:
        return decimal_of(document[name])
    except ValueError as error:
        raise PriceError(f"{path}{name}", str(error)) from None


def _refuse_unknown(document: Mapping[str, Any], known: set[str], path: str = "") -> None:
    for name in document:
        if name not in known:
            raise PriceError(f"{path}{name}", f"is unknown; the fields are {', '.join(sorted(known))}")
