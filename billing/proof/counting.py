"""Counting: the quantity of a meter from single events, by the meter's definition and as the service counts."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from billing.periods import Period
from billing.proof.meters import EXACT, Meter, dimension, plain
from billing.rating.usage import Part, Usage

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MILLION: Final = Decimal(10**6)
_PRODUCTION: Final = "production"

Group = tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Moment:
    """When an event happened, and whose it was: by it the latest is found."""

    time: datetime
    source: str
    id: str


@dataclass(frozen=True, slots=True)
class Measure:
    """What a rate card asks a meter: of a half-open period, split by dimensions, under filters, as of a fold."""

    meter: Meter
    period: Period
    group_by: tuple[str, ...]
    filters: Mapping[str, Sequence[str]]
    as_of: int


@dataclass(slots=True)
class Tally:
    """One measure while events go by."""

    measure: Measure
    values: dict[Group, Any] = field(default_factory=dict)
    counted: int = 0

    @property
    def cut_off(self) -> int:
        """The last fold that counts."""
        last = self.measure.meter.last_fold
        return self.measure.as_of if last is None else min(last, self.measure.as_of)

    def take(self, event: Mapping[str, Any], time: datetime, fold: int) -> None:
        """Count an event, where it counts; `fold` is that of its batch."""
        period, meter, data = self.measure.period, self.measure.meter, event["data"]
        voided = event["voided"]
        if event["environment"] != _PRODUCTION or event["type"] != meter.event_type or time >= period.ends_at:
            return
        if fold > self.cut_off or (voided is not None and voided <= self.cut_off):
            return
        if (time < period.starts_at and meter.aggregation != "level") or not meter.admits(data):
            return
        if not all(dimension(data, name) in values for name, values in self.measure.filters.items()):
            return
        value = meter.value(data)
        if value is not None:
            self.counted += 1
            group = tuple(dimension(data, name) for name in self.measure.group_by)
            _ADD[meter.aggregation](self, group, value, Moment(time, event["source"], event["id"]))

    def usage(self) -> Usage:
        """Return what was counted, in the order in which rating takes it."""
        meter, names = self.measure.meter, self.measure.group_by
        found = {group: self._quantity(value) for group, value in self.values.items()}
        if not names:
            found = found or {(): Decimal(0)}
        elif meter.aggregation == "level":
            found = {group: quantity for group, quantity in found.items() if quantity}
        ordered = sorted(found.items(), key=lambda item: [(text is None, text or "") for text in item[0]])
        parts = tuple(Part(quantity, dict(zip(names, group, strict=True))) for group, quantity in ordered)
        return Usage(meter=meter.key, unit=meter.unit, parts=parts)

    def _quantity(self, value: Any) -> Decimal:  # noqa: ANN401 - as the aggregation keeps it
        match self.measure.meter.aggregation:
            case "unique":
                return Decimal(len(value))
            case "latest":
                return plain(value[1])
            case "peak":
                return plain(self._peak(value))
        return plain(value)

    def _peak(self, sums: Mapping[int, Decimal]) -> Decimal:
        rank, period, width = 0, self.measure.period, self.measure.meter.width
        if self.measure.meter.statistic == "p95":
            windows = _window(period.ends_at - _MICROSECOND, width) - _window(period.starts_at, width) + 1
            rank = windows // 20
        ordered = sorted(sums.values(), reverse=True)
        return ordered[rank] if rank < len(ordered) else Decimal(0)

    def seconds_held(self, time: datetime) -> Decimal:
        """Return for how many seconds of the period a change of a level at `time` holds."""
        since = max(time, self.measure.period.starts_at)
        return EXACT.divide(Decimal((self.measure.period.ends_at - since) // _MICROSECOND), _MILLION)


def _window(time: datetime, width: int) -> int:
    return (time - _EPOCH) // timedelta(seconds=width)


def _add_sum(tally: Tally, group: Group, value: Any, moment: Moment) -> None:  # noqa: ANN401
    del moment
    tally.values[group] = EXACT.add(tally.values.get(group, Decimal(0)), value)


def _add_least(tally: Tally, group: Group, value: Any, moment: Moment) -> None:  # noqa: ANN401
    del moment
    tally.values[group] = min(tally.values.get(group, value), value)


def _add_greatest(tally: Tally, group: Group, value: Any, moment: Moment) -> None:  # noqa: ANN401
    del moment
    tally.values[group] = max(tally.values.get(group, value), value)


def _add_member(tally: Tally, group: Group, value: Any, moment: Moment) -> None:  # noqa: ANN401
    del moment
    tally.values.setdefault(group, set()).add(value)


def _add_latest(tally: Tally, group: Group, value: Any, moment: Moment) -> None:  # noqa: ANN401
    place = (moment.time, moment.source, moment.id)
    if group not in tally.values or tally.values[group][0] < place:
        tally.values[group] = (place, value)


def _add_to_window(tally: Tally, group: Group, value: Any, moment: Moment) -> None:  # noqa: ANN401
    sums = tally.values.setdefault(group, defaultdict(Decimal))
    number = _window(moment.time, tally.measure.meter.width)
    sums[number] = EXACT.add(sums[number], value)


def _add_level(tally: Tally, group: Group, value: Any, moment: Moment) -> None:  # noqa: ANN401
    _add_sum(tally, group, EXACT.multiply(value, tally.seconds_held(moment.time)), moment)


_ADD: Final[Mapping[str, Callable[[Tally, Group, Any, Moment], None]]] = MappingProxyType(
    {
        "count": _add_sum,
        "sum": _add_sum,
        "min": _add_least,
        "max": _add_greatest,
        "unique": _add_member,
        "latest": _add_latest,
        "peak": _add_to_window,
        "level": _add_level,
    }
)


def by_type(tallies: Sequence[Tally]) -> Mapping[str, list[Tally]]:
    """Return the tallies by the type of event that their meters count."""
    found: dict[str, list[Tally]] = defaultdict(list)
    for one in tallies:
        found[one.measure.meter.event_type].append(one)
    return found
