"""What a meter makes of an event, without a database: which events it counts and what they must carry."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from metering.aggregation import Aggregation, Reading
from metering.event import Problem, Reason, UsageEvent
from metering.quantities import FRACTION_DIGITS, LEVEL_FRACTION_DIGITS, WHOLE_LIMIT, number_of, plain, product, text_of

# Ten dimensions of this many bytes still fit into one entry of a btree (2,704 bytes), so no name can make a fold fail.
DIMENSION_BYTES: Final = 128
DIMENSION_COUNT: Final = 10
_SURELY_SHORT: Final = DIMENSION_BYTES // 4  # characters; none takes more than four bytes

# Every zone in use is a whole number of quarters of an hour away from UTC, so that the bounds of local days are bounds
# of windows. Longer windows spare a reader of months the short ones; what is split by dimensions is sparse, and would
# gain little from hours.
QUARTER: Final = 900
HOUR: Final = 3_600
DAY: Final = 86_400


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on a field of an event's data; an absent field is not one of any values."""

    field: str
    values: tuple[str, ...]
    excludes: bool = False

    def admits(self, data: Mapping[str, Any]) -> bool:
        """Whether an event with this data passes."""
        return (text_of(data.get(self.field)) in self.values) is not self.excludes


@dataclass(frozen=True, slots=True)
class Fault:
    """Why an event may not come in, as told to the sender and as kept."""

    reason: Reason
    problem: Problem


@dataclass(frozen=True, slots=True)
class Rule:
    """A meter's definition as a value."""

    key: str
    name: str
    unit: str
    event_type: str
    aggregation: Aggregation
    value_field: str = ""
    scale: Decimal = Decimal(1)
    window_seconds: int = 3600
    dimensions: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    statistic: str = "max"  # of a peak: max or p95
    id: int = 0  # of the stored meter; 0 before it is stored
    last_fold: int | None = None  # of an archived meter: events of later folds do not count
    created_at: datetime | None = field(default=None, compare=False)  # of the stored meter

    @property
    def base_width(self) -> int:
        """The seconds of the shortest windows that are kept of it."""
        return self.window_seconds if self.aggregation.key == "peak" else QUARTER

    def widths(self, *, is_total: bool) -> tuple[int, ...]:
        """Return the seconds of all windows that are kept of it, longest first."""
        if self.aggregation.key == "peak":
            return (self.base_width,)
        return (DAY, HOUR, QUARTER) if is_total else (DAY, QUARTER)

    @property
    def is_archived(self) -> bool:
        """Whether it counts nothing new."""
        return self.last_fold is not None

    def matches(self, event: UsageEvent) -> bool:
        """Whether the meter counts this event."""
        return event.type == self.event_type and all(one.admits(event.data) for one in self.filters)

    def read(self, event: UsageEvent) -> Reading:
        """Return what a matching event says. Raises ValueError where it does not carry an exact value."""
        return Reading(
            time=event.time, value=self.value(event.data.get(self.value_field)), source=event.source, id=event.id
        )

    def value(self, raw: object) -> Decimal | str:
        """Return what the field `value_field` holds, scaled. Raises ValueError saying what is wrong with it."""
        if not self.value_field:
            return Decimal(1)
        if not self.aggregation.is_numeric:
            return _name_of(raw)
        number = number_of(raw)
        if number < 0 and not self.aggregation.allows_negative:
            raise ValueError("must not be negative")
        return self._scaled(number)

    @property
    def takes_whole_numbers(self) -> bool:
        """Whether every whole number from 0 to WHOLE_LIMIT is a sound value."""
        return self.aggregation.is_numeric and -int(self.scale.as_tuple().exponent) <= self._digits

    @property
    def _digits(self) -> int:
        return LEVEL_FRACTION_DIGITS if self.aggregation.key == "level" else FRACTION_DIGITS

    def _scaled(self, number: Decimal) -> Decimal:
        scaled, digits = plain(product(number, self.scale)), self._digits
        if -int(scaled.as_tuple().exponent) > digits:
            raise ValueError(f"must have at most {digits} digits after the point once multiplied by {self.scale}")
        return scaled


@dataclass(frozen=True, slots=True)
class TypeRules:
    """All that metering asks of the events of one type."""

    identity: tuple[str, ...] = ()
    meters: tuple[Rule, ...] = ()
    names: tuple[str, ...] = field(init=False)  # of all dimensions and filtered fields, each once
    measuring: tuple[tuple[Rule, bool], ...] = field(init=False)  # with a value field; whether any small number will do

    def __post_init__(self) -> None:
        """Work out once what is asked of every event."""
        names = dict.fromkeys(name for meter in self.meters for name in _names_of(meter))
        measuring = tuple((meter, meter.takes_whole_numbers) for meter in self.meters if meter.value_field)
        object.__setattr__(self, "names", tuple(names))
        object.__setattr__(self, "measuring", measuring)

    def are_surely_kept(self, data: Mapping[str, Any]) -> bool:
        """Say whether data of the usual form cannot have a fault; without, `faults` looks closer."""
        value: Any
        for name in self.identity:
            value = data.get(name)
            if type(value) is not str or not value:
                return False
        for name in self.names:
            value = data.get(name)
            if value is not None and (type(value) is not str or len(value) > _SURELY_SHORT):
                return False
        for meter, takes_whole_numbers in self.measuring:
            value = data.get(meter.value_field)
            if not takes_whole_numbers or type(value) is not int or not 0 <= value < WHOLE_LIMIT:
                return False
        return True

    def faults(self, event: UsageEvent) -> Iterator[Fault]:
        """Yield what keeps `event` from being counted."""
        for name in self.identity:
            yield from _fault(event, name, Reason.BAD_IDENTITY, _name_of)
        dimensions = list(self._dimension_faults(event))
        yield from dimensions or self._value_faults(event)  # filters can only be judged once their fields are sound

    def _dimension_faults(self, event: UsageEvent) -> Iterator[Fault]:
        for name in self.names:
            yield from _fault(event, name, Reason.BAD_DIMENSION, _dimension_of)

    def _value_faults(self, event: UsageEvent) -> Iterator[Fault]:
        for meter, _ in self.measuring:
            if meter.matches(event):
                yield from _fault(event, meter.value_field, Reason.BAD_VALUE, meter.value)

    def unit(self, event: UsageEvent) -> tuple[str, ...]:
        """Return what identifies the billable unit, empty where the type has none."""
        data = event.data
        return tuple([_name_of(data.get(name)) for name in self.identity])


NO_RULES: Final = TypeRules()


def _names_of(meter: Rule) -> Sequence[str]:
    return [*meter.dimensions, *(one.field for one in meter.filters)]


def _fault(event: UsageEvent, name: str, reason: Reason, check: Callable[[object], object]) -> Iterator[Fault]:
    try:
        check(event.data.get(name))
    except (ValueError, TypeError) as error:
        yield Fault(reason, Problem(pointer_to(name), f"{name} {error}."))


def pointer_to(*path: str) -> str:
    """Return the JSON pointer (RFC 6901) to a field of an event's data."""
    return "/data" + "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)


def _name_of(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise ValueError("must be a text or a whole number")
    return str(value)


def _dimension_of(value: object) -> str | None:
    try:
        text = text_of(value)
    except TypeError as error:
        raise ValueError("must be text, a whole number, true, false or null") from error
    if text is not None and len(text.encode()) > DIMENSION_BYTES:
        raise ValueError(f"must have at most {DIMENSION_BYTES} bytes")
    return text
