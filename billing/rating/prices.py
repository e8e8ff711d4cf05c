"""Prices as plans write them: documents, read strictly and written back."""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from billing.errors import PriceError
from billing.rating.falls import Fall, warnings
from billing.rating.fields import Fields
from billing.rating.kinds import (
    Capacity,
    CreditRow,
    Credits,
    Flat,
    Graduated,
    Match,
    Matrix,
    MatrixRow,
    Package,
    Percentage,
    Price,
    Scalar,
    StairStep,
    Tier,
    Unit,
    Volume,
    dimensions_of,
)
from billing.rating.numbers import text_of

__all__ = [
    "Capacity",
    "CreditRow",
    "Credits",
    "Fall",
    "Flat",
    "Graduated",
    "Matrix",
    "MatrixRow",
    "Package",
    "Percentage",
    "Price",
    "Scalar",
    "StairStep",
    "Tier",
    "Unit",
    "Volume",
    "dimensions_of",
    "document_of",
    "parse",
    "warnings",
]

ENDLESS: Final = "inf"  # TOML has no null

_VIRTUAL: Final = re.compile(r"[a-z][a-z0-9_-]{1,15}\Z")


def parse(document: object) -> Price:
    """Return the price that a document describes. Raises PriceError naming the field, such as `tiers[1].up_to`.

    Forms, by kind; numbers are decimal texts, and the end of the last tier is null, or "inf" where a notation lacks it:

    * flat, unit: amount. package: size, amount.
    * graduated, volume: tiers of up_to, unit and, if any, flat. stair_step: tiers of up_to and flat. A tier may say in
      `above` where it begins, which is then checked.
    * percentage: percent; for each transaction fixed, minimum, maximum, and transaction, the dimension of its name.
    * capacity: price, one of the above but percentage.
    * matrix: rows of match {dimension: value or values} and price, and default, a price.
    * credits: currency, credits for each unit, amount of each credit, and rows of match and credits.
    """
    if not isinstance(document, Mapping):
        raise PriceError("price", "must be a table with a kind")
    return _parse(Fields(document))


def _parse(fields: Fields) -> Price:
    kind = str(fields.table.get("kind"))
    if kind not in _READERS:
        raise fields.error("kind", f"{fields.table.get('kind')!r} is not one of {', '.join(_READERS)}")
    try:
        return _READERS[kind](fields)
    except PriceError as error:  # the values know nothing of where their document stands
        if error.field.startswith(fields.path):
            raise
        raise fields.error(error.field, error.detail) from None


def _flat(fields: Fields) -> Flat:
    fields.refuse_unknown("kind", "amount")
    return Flat(fields.number("amount"))


def _unit(fields: Fields) -> Unit:
    fields.refuse_unknown("kind", "amount")
    return Unit(fields.number("amount"))


def _package(fields: Fields) -> Package:
    fields.refuse_unknown("kind", "size", "amount")
    return Package(size=fields.number("size"), amount=fields.number("amount"))


def _graduated(fields: Fields) -> Graduated:
    return Graduated(_tiers(fields, "unit"))


def _volume(fields: Fields) -> Volume:
    return Volume(_tiers(fields, "unit"))


def _stair_step(fields: Fields) -> StairStep:
    return StairStep(_tiers(fields, "flat"))


def _tiers(fields: Fields, needed: str) -> tuple[Tier, ...]:
    fields.refuse_unknown("kind", "tiers")
    tiers: list[Tier] = []
    for tier in fields.tables("tiers"):
        tier.refuse_unknown(*{"above", "up_to", "flat", needed})
        _check_start(tier, tiers[-1].up_to if tiers else Decimal(0))
        tiers.append(
            Tier(
                up_to=_end(tier),
                unit=tier.number("unit") if needed == "unit" else Decimal(0),
                flat=tier.number("flat") if needed == "flat" or "flat" in tier.table else Decimal(0),
            )
        )
    return tuple(tiers)


def _end(tier: Fields) -> Decimal | None:
    if "up_to" not in tier.table:
        raise tier.error("up_to", "is missing")
    return None if tier.table["up_to"] in (None, ENDLESS) else tier.number("up_to")


def _check_start(tier: Fields, end: Decimal | None) -> None:
    """Refuse a tier that says it begins elsewhere than where the one before it ends."""
    above = tier.number_or_none("above")
    if above is None or end is None or above == end:
        return
    fault = "leaves a gap after" if above > end else "overlaps the tier up to"
    raise tier.error("above", f"{fault} {text_of(end)}")


def _percentage(fields: Fields) -> Percentage:
    fields.refuse_unknown("kind", "percent", "fixed", "minimum", "maximum", "transaction")
    return Percentage(
        percent=fields.number("percent"),
        fixed=fields.number_or_none("fixed") or Decimal(0),
        minimum=fields.number_or_none("minimum"),
        maximum=fields.number_or_none("maximum"),
        transaction=fields.text("transaction", default=""),
    )


def _capacity(fields: Fields) -> Capacity:
    fields.refuse_unknown("kind", "price")
    return Capacity(_scalar(fields.inner("price")))


def _matrix(fields: Fields) -> Matrix:
    fields.refuse_unknown("kind", "rows", "default")
    return Matrix(rows=tuple(map(_matrix_row, fields.tables("rows"))), default=_scalar(fields.inner("default")))


def _matrix_row(fields: Fields) -> MatrixRow:
    fields.refuse_unknown("match", "price")
    return MatrixRow(match=fields.values("match"), price=_scalar(fields.inner("price")))


def _credits(fields: Fields) -> Credits:
    fields.refuse_unknown("kind", "currency", "credits", "amount", "rows")
    return Credits(
        currency=_virtual(fields),
        credits=fields.number("credits"),
        amount=fields.number("amount"),
        rows=tuple(map(_credit_row, fields.tables("rows"))) if "rows" in fields.table else (),
    )


def _virtual(fields: Fields) -> str:
    """Return the name of a virtual currency, which the ledger must be able to tell from a currency's code."""
    name = fields.text("currency")
    if not _VIRTUAL.match(name):
        raise fields.error("currency", f"{name!r} is not 2 to 16 lower-case letters, digits, - and _")
    return name


def _credit_row(fields: Fields) -> CreditRow:
    fields.refuse_unknown("match", "credits")
    return CreditRow(match=fields.values("match"), credits=fields.number("credits"))


def _scalar(fields: Fields) -> Scalar:
    price = _parse(fields)
    if not isinstance(price, Scalar):
        raise fields.error("kind", f"{fields.table['kind']!r} is no price of a single quantity")
    return price


_READERS: Final[Mapping[str, Callable[[Fields], Price]]] = MappingProxyType(
    {
        "flat": _flat,
        "unit": _unit,
        "package": _package,
        "graduated": _graduated,
        "volume": _volume,
        "stair_step": _stair_step,
        "percentage": _percentage,
        "capacity": _capacity,
        "matrix": _matrix,
        "credits": _credits,
    }
)


def document_of(price: Price) -> dict[str, Any]:
    """Return the document of a price, as stored; `parse` gives the same price back."""
    match price:
        case Percentage():
            return {"kind": "percentage"} | _bounds(price)
        case Capacity(inner):
            return {"kind": "capacity", "price": document_of(inner)}
        case Matrix(rows, default):
            table = [{"match": _match(row.match), "price": document_of(row.price)} for row in rows]
            return {"kind": "matrix", "rows": table, "default": document_of(default)}
        case Credits(currency, credits_, amount, rows):
            return {
                "kind": "credits",
                "currency": currency,
                "credits": text_of(credits_),
                "amount": text_of(amount),
                "rows": [{"match": _match(row.match), "credits": text_of(row.credits)} for row in rows],
            }
        case _:
            return _scalar_document(price)


def _scalar_document(price: Scalar) -> dict[str, Any]:
    match price:
        case Flat(amount):
            return {"kind": "flat", "amount": text_of(amount)}
        case Unit(amount):
            return {"kind": "unit", "amount": text_of(amount)}
        case Package(size, amount):
            return {"kind": "package", "size": text_of(size), "amount": text_of(amount)}
        case Graduated(tiers):
            return {"kind": "graduated", "tiers": [_tier(tier) | {"unit": text_of(tier.unit)} for tier in tiers]}
        case Volume(tiers):
            return {"kind": "volume", "tiers": [_tier(tier) | {"unit": text_of(tier.unit)} for tier in tiers]}
        case StairStep(tiers):
            return {"kind": "stair_step", "tiers": [_tier(tier) for tier in tiers]}


def _tier(tier: Tier) -> dict[str, str | None]:
    return {"up_to": None if tier.up_to is None else text_of(tier.up_to), "flat": text_of(tier.flat)}


def _bounds(price: Percentage) -> dict[str, str]:
    numbers = {name: getattr(price, name) for name in ("percent", "fixed", "minimum", "maximum")}
    written = {name: text_of(number) for name, number in numbers.items() if number is not None}
    return written | ({"transaction": price.transaction} if price.transaction else {})


def _match(match: Match) -> dict[str, list[str]]:
    return {name: list(values) for name, values in match.items()}
