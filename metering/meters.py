"""The meters there are, as values; and the one way to add or archive one."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max

from metering import coverage, definitions
from metering.aggregation import AGGREGATIONS
from metering.errors import InvalidMeterError, MeterArchivedError, MeterTakenError, UnknownMeterError
from metering.models import EventType, Fold, Meter
from metering.rules import Filter, Rule, TypeRules


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
    is_archived: bool = False
    value_field: str = ""
    created_at: datetime | None = None


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
        statistic=meter.statistic,
        dimensions=tuple(meter.dimensions),
        filters=tuple(_filter_of(one) for one in meter.filters),
        last_fold=meter.last_fold,
        created_at=meter.created_at,
    )


def find(*, key: str) -> Rule:
    """Return the meter with this key. Raises UnknownMeterError."""
    meter = Meter.objects.filter(key=key).first()
    if meter is None:
        raise UnknownMeterError(key)
    return rule_of(meter)


def all_rules() -> list[Rule]:
    """Return every meter, archived ones included, by key."""
    return [rule_of(meter) for meter in Meter.objects.order_by("key")]


def active_rules() -> list[Rule]:
    """Return every meter that still counts, by key."""
    return [rule_of(meter) for meter in Meter.objects.filter(archived_at=None).order_by("key")]


def infos() -> tuple[MeterInfo, ...]:
    """Return what readers need to know of every meter that still counts, by key."""
    return tuple(info_of(rule=rule) for rule in active_rules())


def info_of(*, rule: Rule) -> MeterInfo:
    """Return what readers need to know of a meter."""
    return MeterInfo(
        key=rule.key,
        name=rule.name,
        unit=rule.unit,
        event_type=rule.event_type,
        aggregation=rule.aggregation.key,
        is_summable=rule.aggregation.is_summable,
        dimensions=rule.dimensions,
        is_archived=rule.is_archived,
        value_field=rule.value_field,
        created_at=rule.created_at,
    )


def rules_by_type() -> Mapping[str, TypeRules]:
    """Return, per type of event, its unit and its meters that still count."""
    identities: dict[str, list[str]] = dict(EventType.objects.values_list("type", "identity"))
    grouped: dict[str, list[Rule]] = {}
    for rule in active_rules():
        grouped.setdefault(rule.event_type, []).append(rule)
    return {
        name: TypeRules(identity=tuple(identities.get(name, ())), meters=tuple(grouped.get(name, ())))
        for name in identities.keys() | grouped.keys()
    }


@transaction.atomic
def define(*, rule: Rule) -> Rule:
    """Add a meter and return it as stored. Its definition never changes afterwards.

    It counts stored events, too: they are read from evidence until a back-fill has put them into its windows. Raises
    InvalidMeterError naming the fields, and MeterTakenError.
    """
    definitions.require_sound(rule=rule)
    meter = Meter(
        key=rule.key,
        name=rule.name,
        unit=rule.unit,
        event_type=rule.event_type,
        aggregation=rule.aggregation.key,
        value_field=rule.value_field,
        scale=rule.scale,
        window_seconds=rule.window_seconds,
        statistic=rule.statistic,
        dimensions=list(rule.dimensions),
        filters=[definitions.row_of(filter=one) for one in rule.filters],
    )
    try:
        with transaction.atomic():
            meter.save(force_insert=True)
    except IntegrityError as error:
        raise MeterTakenError(rule.key) from error
    return rule_of(meter)


@transaction.atomic
def archive(*, key: str, now: datetime) -> Rule:
    """Let a meter count nothing that is folded from now on, and return it. What it counted can be read for ever.

    Raises UnknownMeterError and MeterArchivedError.
    """
    coverage.wait_for_turn()
    rule = find(key=key)
    last = int(Fold.objects.aggregate(newest=Max("number"))["newest"] or 0)
    if not Meter.objects.filter(pk=rule.id, archived_at=None).update(archived_at=now, last_fold=last):
        raise MeterArchivedError(key)
    return find(key=key)


def _filter_of(row: Mapping[str, Any]) -> Filter:
    try:
        return Filter(field=row["field"], values=tuple(row["values"]), excludes=_excludes(row["operator"]))
    except (KeyError, TypeError) as error:
        raise InvalidMeterError(("filters", f"{row!r} needs field, operator and values.")) from error


def _excludes(operator: object) -> bool:
    if operator not in {"in", "not_in"}:
        raise InvalidMeterError(("filters", f"The operator {operator!r} is neither in nor not_in."))
    return operator == "not_in"
