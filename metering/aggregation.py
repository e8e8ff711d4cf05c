"""The ways to make one quantity from many events, each with the plain definition that it is tested against."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from metering.quantities import EXACT, product, total

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Reading:
    """What one event says to one meter: a number, or for `unique` a text. Source and id break ties of time."""

    time: datetime
    value: Decimal | str
    source: str = ""
    id: str = ""


@dataclass(frozen=True, slots=True)
class Period:
    """A half-open period [starts_at, ends_at).

    For a peak, `width` is that of its fixed windows, in seconds, and `statistic` is "max" or "p95".
    """

    starts_at: datetime
    ends_at: datetime
    width: int = 3600
    statistic: str = "max"


Measure = Callable[[Sequence[Reading], Period], Decimal]


@dataclass(frozen=True, slots=True)
class Aggregation:
    """One aggregation: its definition, and what may be done with its quantities."""

    key: str
    measure: Measure
    is_summable: bool  # the quantities of two adjoining periods add up to that of both
    reason: str  # why it may or may not be added
    is_reversible: bool  # an event can be taken out of a window without reading the others
    is_numeric: bool = True  # its events must carry a number
    allows_negative: bool = True


def seconds_between(*, starts_at: datetime, ends_at: datetime) -> Decimal:
    """Return the exact seconds from one instant to another, to the microsecond."""
    return EXACT.divide(Decimal((ends_at - starts_at) // MICROSECOND), Decimal(10**6))


def bucket_of(*, time: datetime, width: int) -> int:
    """Return the number of the fixed window of `width` seconds, counted from 1970 in UTC, that holds `time`."""
    return (time - EPOCH) // timedelta(seconds=width)


def rank_of(*, period: Period) -> int:
    """Return which of the window sums, from the greatest on and from 0, is the peak.

    The 95th percentile is the nearest rank: of n windows the one that at least 95 % of them, itself included, do not
    exceed. Windows are all that the period touches; one without usage is 0.
    """
    if period.statistic == "max":
        return 0
    first = bucket_of(time=period.starts_at, width=period.width)
    last = bucket_of(time=period.ends_at - MICROSECOND, width=period.width)
    return (last - first + 1) // 20


def _within(readings: Sequence[Reading], period: Period) -> list[Reading]:
    return [reading for reading in readings if period.starts_at <= reading.time < period.ends_at]


def _numbers(readings: Sequence[Reading], period: Period) -> list[Decimal]:
    return [Decimal(reading.value) for reading in _within(readings, period)]


def _count(readings: Sequence[Reading], period: Period) -> Decimal:
    return Decimal(len(_within(readings, period)))


def _sum(readings: Sequence[Reading], period: Period) -> Decimal:
    return total(_numbers(readings, period))


def _min(readings: Sequence[Reading], period: Period) -> Decimal:
    return min(_numbers(readings, period), default=Decimal(0))


def _max(readings: Sequence[Reading], period: Period) -> Decimal:
    return max(_numbers(readings, period), default=Decimal(0))


def _unique(readings: Sequence[Reading], period: Period) -> Decimal:
    return Decimal(len({reading.value for reading in _within(readings, period)}))


def _latest(readings: Sequence[Reading], period: Period) -> Decimal:
    newest = max(_within(readings, period), key=lambda r: (r.time, r.source, r.id), default=None)
    return Decimal(newest.value) if newest else Decimal(0)


def _peak(readings: Sequence[Reading], period: Period) -> Decimal:
    buckets: dict[int, list[Decimal]] = defaultdict(list)
    for reading in _within(readings, period):
        buckets[bucket_of(time=reading.time, width=period.width)].append(Decimal(reading.value))
    sums = sorted((total(values) for values in buckets.values()), reverse=True)
    rank = rank_of(period=period)
    return sums[rank] if rank < len(sums) else Decimal(0)


def _level(readings: Sequence[Reading], period: Period) -> Decimal:
    parts = [
        product(
            Decimal(reading.value),
            seconds_between(starts_at=max(reading.time, period.starts_at), ends_at=period.ends_at),
        )
        for reading in readings
        if reading.time < period.ends_at
    ]
    return total(parts)


_ALL = (
    Aggregation(
        "count", _count, is_summable=True, reason="each event counts once", is_reversible=True, is_numeric=False
    ),
    Aggregation("sum", _sum, is_summable=True, reason="addition", is_reversible=True, allows_negative=False),
    Aggregation("min", _min, is_summable=False, reason="the least of two parts is not their sum", is_reversible=False),
    Aggregation(
        "max", _max, is_summable=False, reason="the greatest of two parts is not their sum", is_reversible=False
    ),
    Aggregation(
        "unique",
        _unique,
        is_summable=False,
        reason="a value seen in two parts counts once in both together",
        is_reversible=True,
        is_numeric=False,
    ),
    Aggregation(
        "latest", _latest, is_summable=False, reason="a later part replaces an earlier one", is_reversible=False
    ),
    Aggregation(
        "peak",
        _peak,
        is_summable=False,
        reason="the highest window of two parts is the higher of both",
        is_reversible=True,
        allows_negative=False,
    ),
    Aggregation(
        "level",
        _level,
        is_summable=True,
        reason="an integral over time adds up over adjoining times",
        is_reversible=True,
    ),
)
AGGREGATIONS: Final[Mapping[str, Aggregation]] = MappingProxyType({one.key: one for one in _ALL})


def aggregate(*, key: str, readings: Iterable[Reading], period: Period) -> Decimal:
    """Return the quantity of `period` straight from the definition; slow, and what every faster path must equal.

    `level` takes value times the seconds it held: each reading changes the level from its time on, readings before the
    period included. No readings give 0. Raises KeyError for an unknown aggregation.
    """
    return AGGREGATIONS[key].measure(list(readings), period)
