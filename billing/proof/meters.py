"""Meters: a definition read from a bundle, and what it makes of an event's data, as the service does."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Context, Decimal
from typing import Any, Final

from billing.proof.errors import BundleError

EXACT: Final = Context(prec=100)
AGGREGATIONS: Final = ("count", "sum", "min", "max", "unique", "latest", "peak", "level")
_NUMBER: Final = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,12})?\Z")
_DIMENSION_BYTES: Final = 128  # a longer text is no dimension, and counts as none


@dataclass(frozen=True, slots=True)
class Meter:
    """A meter's definition: which events it counts, and what it makes of them."""

    key: str
    unit: str
    event_type: str
    aggregation: str
    value_field: str
    scale: Decimal
    dimensions: tuple[str, ...]
    filters: tuple[tuple[str, frozenset[str], bool], ...]
    width: int
    statistic: str
    last_fold: int | None

    @classmethod
    def of(cls, definition: Mapping[str, Any]) -> "Meter":
        """Read a definition. Raises BundleError."""
        try:
            conditions = [(one["field"], frozenset(one["values"]), one["operator"]) for one in definition["filters"]]
            return cls(
                key=definition["key"],
                unit=definition["unit"],
                event_type=definition["event_type"],
                aggregation=_known(definition["aggregation"]),
                value_field=definition["value_field"],
                scale=Decimal(definition["scale"]),
                dimensions=tuple(definition["dimensions"]),
                filters=tuple((name, values, operator == "not_in") for name, values, operator in conditions),
                width=int(definition.get("window_seconds", 3600)),
                statistic=definition.get("statistic", "max"),
                last_fold=definition["last_fold"],
            )
        except (KeyError, TypeError, ValueError, ArithmeticError) as error:
            raise BundleError(f"meters.json: a meter cannot be read: {error!r}") from error

    def admits(self, data: Mapping[str, Any]) -> bool:
        """Whether an event of its type with this data counts."""
        return all((text_of(data.get(name)) in values) is not excludes for name, values, excludes in self.filters)

    def value(self, data: Mapping[str, Any]) -> Decimal | str | None:
        """Return what an event says to it, None where that cannot be used."""
        if not self.value_field:
            return Decimal(1)
        text = text_of(data.get(self.value_field))
        if self.aggregation == "unique":
            return text or None
        if text is None or not _NUMBER.match(text):
            return None
        return EXACT.multiply(Decimal(text), self.scale)


def plain(number: Decimal) -> Decimal:
    """Return a number without trailing zeros and without an exponent."""
    short = number.normalize(EXACT)
    return short.quantize(Decimal(1), context=EXACT) if int(short.as_tuple().exponent) > 0 else EXACT.plus(short)


def text_of(value: Any) -> str | None:  # noqa: ANN401 - whatever JSON holds
    """Return a field of an event's data as text, as the service does."""
    match value:
        case None | str():
            return value
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case Decimal():
            return f"{value:f}"
    return _nested(value)


def _nested(value: Any) -> str:  # noqa: ANN401
    """Return JSON within JSON as PostgreSQL prints its jsonb: shorter names first."""
    if isinstance(value, Mapping):
        pairs = sorted(value.items(), key=lambda item: (len(item[0].encode()), item[0].encode()))
        return "{" + ", ".join(f"{_quoted(name)}: {_nested(one)}" for name, one in pairs) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_nested(one) for one in value) + "]"
    return _quoted(value) if isinstance(value, str) else (text_of(value) or "null")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def dimension(data: Mapping[str, Any], name: str) -> str | None:
    """Return a dimension of an event's data, as groups and filters take it."""
    text = text_of(data.get(name))
    return text if text is None or len(text.encode()) <= _DIMENSION_BYTES else None


def _known(aggregation: str) -> str:
    if aggregation not in AGGREGATIONS:
        raise ValueError(f"there is no aggregation {aggregation!r}")
    return aggregation
