"""Periods are cut on the local calendar, and into whole hours and edges, without gap or overlap."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metering.aggregation import EPOCH
from metering.errors import InvalidQueryError
from metering.slices import BEGINNING, Span, cut, equal_length, period, stretches

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = [
    "UTC",
    "Europe/Berlin",
    "Asia/Kolkata",
    "Asia/Kathmandu",
    "America/St_Johns",
    "Australia/Lord_Howe",
    "America/Sao_Paulo",
]


def at(text):
    return datetime.fromisoformat(text)


def sliced(first, last, span, zone=BERLIN):
    return cut(whole=period(starts_at=at(first), ends_at=at(last)), span=span, zone=zone)


def hours(slices):
    return [(one.ends_at.astimezone(UTC) - one.starts_at.astimezone(UTC)) / timedelta(hours=1) for one in slices]


def test_a_day_of_a_clock_change_has_its_own_length():
    assert hours(sliced("2026-10-24T00:00+02:00", "2026-10-27T00:00+01:00", Span.DAY)) == [24, 25, 24]
    assert hours(sliced("2026-03-29T00:00+01:00", "2026-03-30T00:00+02:00", Span.DAY)) == [23]


def test_the_hour_that_a_clock_runs_through_twice_is_two_slices():
    assert len(sliced("2026-10-25T00:00+02:00", "2026-10-26T00:00+01:00", Span.HOUR)) == 25


def test_months_are_those_of_the_calendar_and_the_outer_ones_may_be_parts():
    found = sliced("2026-11-23T12:00+01:00", "2027-02-02T00:00+01:00", Span.MONTH)
    assert [one.starts_at.isoformat() for one in found] == [
        "2026-11-23T12:00:00+01:00",
        "2026-12-01T00:00:00+01:00",
        "2027-01-01T00:00:00+01:00",
        "2027-02-01T00:00:00+01:00",
    ]
    assert found[-1].ends_at == at("2027-02-02T00:00+01:00")


def test_too_many_slices_are_refused():
    with pytest.raises(InvalidQueryError, match="window"):
        sliced("2000-01-01T00:00Z", "2026-01-01T00:00Z", Span.HOUR)


def test_a_period_must_have_aware_bounds_in_order():
    with pytest.raises(InvalidQueryError, match="starts_at"):
        period(starts_at=datetime(2026, 1, 1), ends_at=at("2026-01-02T00:00Z"))  # noqa: DTZ001
    with pytest.raises(InvalidQueryError, match="ends_at"):
        period(starts_at=at("2026-01-01T01:00+01:00"), ends_at=at("2026-01-01T00:00Z"))


def test_bounds_are_compared_as_instants_where_a_clock_runs_back():
    first = datetime(2026, 10, 25, 2, 45, tzinfo=BERLIN)
    last = datetime(2026, 10, 25, 2, 15, fold=1, tzinfo=BERLIN)
    assert hours([period(starts_at=first, ends_at=last)]) == [0.5]


instants = st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(UTC))  # noqa: DTZ001


WIDTHS = [(), (86_400, 3_600, 900), (86_400, 900), (5_400,), (300,)]


@settings(deadline=None)
@given(
    instants,
    st.integers(1, 10**12),
    st.sampled_from([None, Span.HOUR, Span.DAY, Span.MONTH]),
    st.sampled_from(ZONES),
    st.booleans(),
    st.sampled_from(WIDTHS),
)
def test_slices_and_stretches_tile_the_period(start, microseconds, span, zone, with_history, widths):
    whole = period(starts_at=start, ends_at=start + timedelta(microseconds=microseconds))
    slices = cut(whole=whole, span=span, zone=ZoneInfo(zone))
    _tile(slices, whole.starts_at, whole.ends_at)
    found = stretches(slices=slices, widths=widths, with_history=with_history)
    _tile(found, BEGINNING if with_history else whole.starts_at, whole.ends_at)
    for one in found:
        assert one.width in {0, *widths}
        assert not one.width or (one.starts_at - EPOCH) % timedelta(seconds=one.width) == timedelta(0)
    bounds = [one.starts_at.astimezone(UTC) for one in slices]
    for one in found:
        inside = [bound for bound in bounds if one.starts_at < bound < one.ends_at]
        assert not one.width or all(
            (at - one.starts_at) % timedelta(seconds=one.width) == timedelta(0) for at in inside
        )


def _tile(parts, starts_at, ends_at):
    bounds = [(part.starts_at.astimezone(UTC), part.ends_at.astimezone(UTC)) for part in parts]
    assert (bounds[0][0], bounds[-1][1]) == (starts_at, ends_at)
    assert all(one[1] == other[0] for one, other in pairwise(bounds))
    assert all(first < last for first, last in bounds)


def test_without_windows_a_period_is_one_stretch_of_events():
    slices = sliced("2026-01-01T00:30Z", "2026-01-05T00:00Z", Span.HOUR)
    (one,) = stretches(slices=slices, widths=(), with_history=False)
    assert (one.width, one.starts_at, one.ends_at) == (0, at("2026-01-01T00:30Z"), at("2026-01-05T00:00Z"))


@pytest.mark.parametrize("zone", ZONES)
def test_a_local_month_is_read_from_windows_alone(zone):
    first = datetime(2026, 11, 1, tzinfo=ZoneInfo(zone))
    whole = period(starts_at=first, ends_at=datetime(2026, 12, 1, tzinfo=ZoneInfo(zone)))
    for span in (None, Span.DAY, Span.MONTH):
        slices = cut(whole=whole, span=span, zone=ZoneInfo(zone))
        assert 0 not in {one.width for one in stretches(slices=slices, widths=(86_400, 900), with_history=False)}


def test_minutes_are_slices_too():
    assert len(sliced("2026-10-25T00:30:30+02:00", "2026-10-25T01:00:00+02:00", Span.MINUTE)) == 30


def test_slices_of_one_length_are_known_as_such():
    hours_of_day = sliced("2026-11-20T00:30+01:00", "2026-11-20T09:10+01:00", Span.HOUR)
    assert equal_length(slices=hours_of_day) == timedelta(hours=1)
    assert equal_length(slices=sliced("2026-10-24T00:00+02:00", "2026-10-29T00:00+01:00", Span.DAY)) is None
    assert equal_length(slices=sliced("2026-11-20T00:00+01:00", "2026-11-20T02:00+01:00", Span.HOUR)) is None
