"""Reads the definition of a meter as someone wrote it, and names every field that cannot be used; pure."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, TypeVar

from metering.aggregation import AGGREGATIONS
from metering.errors import InvalidMeterError
from metering.quantities import number_of, plain
from metering.rules import DAY, DIMENSION_BYTES, DIMENSION_COUNT, Filter, Rule

FIELDS: Final = (
    "key",
    "name",
    "unit",
    "event_type",
    "aggregation",
    "value_field",
    "scale",
    "window_seconds",
    "statistic",
    "dimensions",
    "filters",
)
STATISTICS: Final = ("max", "p95")
MOST_SCALE: Final = 10**6
MOST_WINDOW_SECONDS: Final = 31 * DAY
LEAST_WINDOW_SECONDS: Final = 60
DEFAULT_WINDOW_SECONDS: Final = 3_600
_KEY: Final = re.compile(r"[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?\Z")
_TEXT_LIMIT: Final = 128
_FILTER_COUNT: Final = 20
_VALUE_COUNT: Final = 200

Faults = dict[str, str]
T = TypeVar("T")


def rule_of(*, definition: Mapping[str, Any]) -> Rule:
    """Return the definition as a value. Raises InvalidMeterError with every field that cannot be used, and why.

    All of `FIELDS` may be given; key, name, unit, event_type and aggregation must be.
    """
    faults: Faults = {name: "A meter has no such field." for name in definition if name not in FIELDS}
    aggregation = _taken(faults, "aggregation", definition.get("aggregation"), _aggregation)
    rule = Rule(
        key=_taken(faults, "key", definition.get("key"), _key) or "",
        name=_taken(faults, "name", definition.get("name"), _text) or "",
        unit=_taken(faults, "unit", definition.get("unit"), _text) or "",
        event_type=_taken(faults, "event_type", definition.get("event_type"), _text) or "",
        aggregation=AGGREGATIONS[aggregation or "count"],
        value_field=_taken(faults, "value_field", definition.get("value_field") or "", _value_field) or "",
        scale=_taken(faults, "scale", definition.get("scale", 1), _scale) or Decimal(1),
        window_seconds=_taken(faults, "window_seconds", definition.get("window_seconds"), _seconds)
        or DEFAULT_WINDOW_SECONDS,
        statistic=_taken(faults, "statistic", definition.get("statistic"), _statistic) or "max",
        dimensions=_taken(faults, "dimensions", definition.get("dimensions") or [], _dimensions) or (),
        filters=_taken(faults, "filters", definition.get("filters") or [], _filters) or (),
    )
    if aggregation is not None:
        faults |= {name: detail for name, detail in _contradictions(rule, definition) if name not in faults}
    if faults:
        raise InvalidMeterError(*faults.items())
    return rule


def require_sound(*, rule: Rule) -> None:
    """Raise InvalidMeterError unless the definition could have been written by `rule_of`."""
    rule_of(definition=definition_of(rule=rule))


def definition_of(*, rule: Rule) -> dict[str, Any]:
    """Return a meter's definition as `rule_of` reads it, without what does not apply to its aggregation."""
    written: dict[str, Any] = {
        "key": rule.key,
        "name": rule.name,
        "unit": rule.unit,
        "event_type": rule.event_type,
        "aggregation": rule.aggregation.key,
        "value_field": rule.value_field,
        "scale": f"{plain(rule.scale):f}",
        "dimensions": list(rule.dimensions),
        "filters": [row_of(filter=one) for one in rule.filters],
    }
    peak = {"window_seconds": rule.window_seconds, "statistic": rule.statistic}
    return written | (peak if rule.aggregation.key == "peak" else {})


def row_of(*, filter: Filter) -> dict[str, Any]:  # noqa: A002 - as the design calls it
    """Return a condition as it is written and stored."""
    operator = "not_in" if filter.excludes else "in"
    return {"field": filter.field, "operator": operator, "values": list(filter.values)}


def _taken(faults: Faults, name: str, raw: object, read: Callable[[Any], T | None]) -> T | None:
    """Return what a field says, or note why it cannot be used."""
    try:
        return read(raw)
    except ValueError as error:
        faults[name] = str(error)
        return None


def _key(raw: object) -> str:
    if not isinstance(raw, str) or not _KEY.match(raw):
        raise ValueError("It is 1 to 64 of a-z, 0-9, - and _, and starts and ends with a letter or digit.")
    return raw


def _text(raw: object) -> str:
    if not isinstance(raw, str) or not raw.strip() or len(raw) > _TEXT_LIMIT or not raw.isprintable():
        raise ValueError(f"It is a text of 1 to {_TEXT_LIMIT} printable characters.")
    return raw


def _aggregation(raw: object) -> str:
    if not isinstance(raw, str) or raw not in AGGREGATIONS:
        raise ValueError(f"It is one of {', '.join(AGGREGATIONS)}.")
    return raw


def _value_field(raw: object) -> str:
    return "" if raw == "" else _text(raw)


def _scale(raw: object) -> Decimal:
    try:
        number = number_of(raw)
    except ValueError as error:
        raise ValueError(f"It {error}.") from error
    if not 0 < number <= MOST_SCALE:
        raise ValueError(f"It is more than 0 and at most {MOST_SCALE}.")
    return number


def _seconds(raw: object) -> int | None:
    if raw is None:
        return None
    if isinstance(raw, bool) or not isinstance(raw, int) or not LEAST_WINDOW_SECONDS <= raw <= MOST_WINDOW_SECONDS:
        raise ValueError(f"It is a whole number from {LEAST_WINDOW_SECONDS} to {MOST_WINDOW_SECONDS}.")
    return raw


def _statistic(raw: object) -> str | None:
    if raw is not None and raw not in STATISTICS:
        raise ValueError(f"It is one of {', '.join(STATISTICS)}.")
    return None if raw is None else str(raw)


def _dimensions(raw: object) -> tuple[str, ...]:
    if not isinstance(raw, list | tuple) or len(raw) > DIMENSION_COUNT:
        raise ValueError(f"It is a list of at most {DIMENSION_COUNT} names.")
    names = tuple(_named(one) for one in raw)
    if len(set(names)) < len(names):
        raise ValueError("Each needs a name of its own.")
    return names


def _named(raw: object) -> str:
    try:
        return _text(raw)
    except ValueError as error:
        raise ValueError(f"{raw!r:.40}: each name is a text of 1 to {_TEXT_LIMIT} printable characters.") from error


def _filters(raw: object) -> tuple[Filter, ...]:
    if not isinstance(raw, list | tuple) or len(raw) > _FILTER_COUNT:
        raise ValueError(f"It is a list of at most {_FILTER_COUNT} conditions.")
    return tuple(_filter(one) for one in raw)


def _filter(raw: object) -> Filter:
    if not isinstance(raw, Mapping) or set(raw) != {"field", "operator", "values"}:
        raise ValueError(f"{raw!r:.80}: each condition has field, operator and values.")
    if raw["operator"] not in {"in", "not_in"}:
        raise ValueError(f"{raw['operator']!r:.40}: the operator is in or not_in.")
    values = raw["values"]
    if not isinstance(values, list | tuple) or not 0 < len(values) <= _VALUE_COUNT:
        raise ValueError(f"values is a list of 1 to {_VALUE_COUNT} texts.")
    for one in values:
        if not isinstance(one, str) or len(one.encode("utf-8", "replace")) > DIMENSION_BYTES or "\0" in one:
            raise ValueError(f"{one!r:.40}: each value is a text of at most {DIMENSION_BYTES} bytes, as it compares.")
    return Filter(field=_named(raw["field"]), values=tuple(values), excludes=raw["operator"] == "not_in")


def _contradictions(rule: Rule, definition: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield what makes no sense together, though each field by itself would."""
    key = rule.aggregation.key
    if key == "count" and rule.value_field:
        yield "value_field", "A count counts events, whatever they hold: leave it empty, or sum it."
    if key not in {"count", "peak"} and not rule.value_field:
        yield "value_field", f"The aggregation {key} needs the field whose values it takes."
    if rule.scale != 1 and (not rule.aggregation.is_numeric or not rule.value_field):
        yield "scale", "There is no number to multiply."
    if key != "peak":
        for name in ("window_seconds", "statistic"):
            if definition.get(name) is not None:
                yield name, "Only a peak has fixed windows."
    if (field := _never_met(rule.filters)) is not None:
        yield "filters", f"No event can meet all conditions on {field!r}."


def _never_met(filters: Sequence[Filter]) -> str | None:
    """Return the first field whose conditions exclude each other."""
    admitted: dict[str, set[str]] = {}
    for one in filters:
        if not one.excludes:
            admitted[one.field] = admitted.get(one.field, set(one.values)) & set(one.values)
    for one in filters:
        if one.excludes and one.field in admitted:
            admitted[one.field] -= set(one.values)
    return next((field for field, values in admitted.items() if not values), None)
