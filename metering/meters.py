"""The meters there are, as values; and the one way to add another."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction

from metering.aggregation import AGGREGATIONS
from metering.errors import InvalidMeterError, UnknownMeterError
from metering.models import EventType, Meter
from metering.rules import DIMENSION_COUNT, Filter, Rule, TypeRules


@dataclass(frozen=True, slots=True)
class MeterInfo:
    """What a reader needs to know of a meter."""

    key: str
    name: str
    unit: str
    event_type: str
    aggregation: str
    is_summable: bool
    dimensions: tuple[str, ...]


def rule_of(meter: Meter) -> Rule:
    """Return the definition of a stored meter as a value. Raises InvalidMeterError where the row makes no sense."""
    return Rule(
        id=meter.pk,
        key=meter.key,
        name=meter.name,
        unit=meter.unit,
        event_type=meter.event_type,
        aggregation=AGGREGATIONS[meter.aggregation],
        value_field=meter.value_field,
        scale=meter.scale,
        window_seconds=meter.window_seconds,
        dimensions=tuple(meter.dimensions),
        filters=tuple(_filter_of(one) for one in meter.filters),
    )


def find(*, key: str) -> Rule:
    """Return the meter with this key. Raises UnknownMeterError."""
    meter = Meter.objects.filter(key=key).first()
    if meter is None:
        raise UnknownMeterError(key)
    return rule_of(meter)


def all_rules() -> list[Rule]:
    """Return every meter, by key."""
    return [rule_of(meter) for meter in Meter.objects.order_by("key")]


def infos() -> tuple[MeterInfo, ...]:
    """Return what readers need to know of every meter, by key."""
    return tuple(
        MeterInfo(
            key=rule.key,
            name=rule.name,
            unit=rule.unit,
            event_type=rule.event_type,
            aggregation=rule.aggregation.key,
            is_summable=rule.aggregation.is_summable,
            dimensions=rule.dimensions,
        )
        for rule in all_rules()
    )


def rules_by_type() -> Mapping[str, TypeRules]:
    """Return, per type of event, its unit and its meters."""
    identities: dict[str, list[str]] = dict(EventType.objects.values_list("type", "identity"))
    meters: dict[str, list[Rule]] = {}
    for rule in all_rules():
        meters.setdefault(rule.event_type, []).append(rule)
    return {
        name: TypeRules(identity=tuple(identities.get(name, ())), meters=tuple(meters.get(name, ())))
        for name in identities.keys() | meters.keys()
    }


@transaction.atomic
def define(*, rule: Rule) -> Rule:
    """Add a meter and return it as stored.

    A definition never changes afterwards. Events folded before are not in its windows until `fold.rebuild` is called.
    Raises InvalidMeterError naming the field.
    """
    names = rule.dimensions
    _require(len(names) <= DIMENSION_COUNT, "dimensions", f"A meter has at most {DIMENSION_COUNT}.")
    _require(len(set(names)) == len(names) and all(names), "dimensions", "Each needs a name of its own.")
    meter = Meter(
        key=rule.key,
        name=rule.name,
        unit=rule.unit,
        event_type=rule.event_type,
        aggregation=rule.aggregation.key,
        value_field=rule.value_field,
        scale=rule.scale,
        window_seconds=rule.window_seconds,
        dimensions=list(names),
        filters=[_row_of(one) for one in rule.filters],
    )
    try:
        with transaction.atomic():
            meter.save(force_insert=True)
    except IntegrityError as error:
        raise InvalidMeterError(_field_of(str(error)), "The definition breaks a rule, or the key is taken.") from error
    return rule_of(meter)


def _require(holds: object, field: str, detail: str) -> None:
    if not holds:
        raise InvalidMeterError(field, detail)


def _field_of(message: str) -> str:
    """Return which field a broken constraint of the table speaks of."""
    fields = {
        "meter_has_value": "value_field",
        "meter_scale": "scale",
        "meter_window": "window_seconds",
        "meter_counts": "event_type",
    }
    return next((field for name, field in fields.items() if name in message), "key")


def _filter_of(row: Mapping[str, Any]) -> Filter:
    try:
        operator, values, field = row["operator"], row["values"], row["field"]
    except (KeyError, TypeError) as error:
        raise InvalidMeterError("filters", f"{row!r} needs field, operator and values") from error
    _require(operator in {"in", "not_in"}, "filters", f"the operator {operator!r} is neither in nor not_in")
    return Filter(field=field, values=tuple(values), excludes=operator == "not_in")


def _row_of(one: Filter) -> dict[str, Any]:
    return {"field": one.field, "operator": "not_in" if one.excludes else "in", "values": list(one.values)}
