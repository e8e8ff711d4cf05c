"""The definitions of the aggregations, worked by hand."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from metering.aggregation import AGGREGATIONS, Period, Reading, aggregate
from metering.event import Reason
from metering.models import AggregationKind, RefusalReason

DAY = datetime(2026, 11, 1, tzinfo=UTC)
PERIOD = Period(DAY, DAY + timedelta(hours=4))


def readings(*values):
    """One reading every half hour from the start of the period."""
    return [Reading(DAY + n * timedelta(minutes=30), value, id=str(n)) for n, value in enumerate(values)]


@pytest.mark.parametrize(
    ("key", "expected"),
    [("count", 5), ("sum", 15), ("min", 1), ("max", 5), ("unique", 4), ("latest", 2), ("peak", 7)],
)
def test_five_readings(key, expected):
    """Hours: 5 + 2 = 7, 5 + 1 = 6, then 2."""
    values = [Decimal(n) for n in (5, 2, 5, 1, 2)]
    if key == "unique":
        expected = 3
    assert aggregate(key=key, readings=readings(*values), period=PERIOD) == expected


@pytest.mark.parametrize("key", AGGREGATIONS)
def test_nothing_is_zero(key):
    assert aggregate(key=key, readings=[], period=PERIOD) == 0


@pytest.mark.parametrize("key", sorted(set(AGGREGATIONS) - {"level"}))
def test_the_period_is_half_open(key):
    edge = [Reading(PERIOD.ends_at, Decimal(9)), Reading(PERIOD.starts_at - timedelta(microseconds=1), Decimal(9))]
    assert aggregate(key=key, readings=edge, period=PERIOD) == 0


def test_a_level_is_the_seats_held_times_the_seconds():
    """Two seats before the period, a third 90 minutes into its four hours: 2 x 14,400 + 1 x 9,000."""
    held = [Reading(DAY - timedelta(days=9), Decimal(2)), Reading(DAY + timedelta(minutes=90), Decimal(1))]
    assert aggregate(key="level", readings=held, period=PERIOD) == 37_800


def test_a_peak_counts_in_windows_of_its_own_width():
    values = [Decimal(n) for n in (1, 2, 3, 4)]
    wide = Period(PERIOD.starts_at, PERIOD.ends_at, width=7200)
    assert aggregate(key="peak", readings=readings(*values), period=wide) == 10


def test_the_latest_of_equal_times_is_the_greater_source_then_id():
    same = [Reading(DAY, Decimal(1), "b", "1"), Reading(DAY, Decimal(2), "a", "9"), Reading(DAY, Decimal(3), "b", "0")]
    assert aggregate(key="latest", readings=same, period=PERIOD) == 1


@pytest.mark.parametrize("key", AGGREGATIONS)
def test_summable_says_whether_adjoining_periods_add_up(key):
    values = [Decimal(n) for n in (5, 2, 5, 1, 2, 5)]
    middle = DAY + timedelta(minutes=70)
    parts = [Period(DAY, middle), Period(middle, PERIOD.ends_at)]
    in_parts = sum(aggregate(key=key, readings=readings(*values), period=part) for part in parts)
    whole = aggregate(key=key, readings=readings(*values), period=PERIOD)
    assert (in_parts == whole) is AGGREGATIONS[key].is_summable
    assert AGGREGATIONS[key].reason


def test_sums_are_exact_beyond_twenty_eight_digits():
    values = [Decimal("999999999999999.000000000001")] * 3 + [Decimal("1E+20")]
    found = aggregate(key="sum", readings=readings(*values), period=PERIOD)
    assert str(found) == "100002999999999999997.000000000003"


def test_the_columns_know_the_same_words_as_the_code():
    assert set(AggregationKind.values) == set(AGGREGATIONS)
    assert set(RefusalReason.values) == {reason.value for reason in Reason}
