"""Periods are cut on the local calendar, and into whole hours and edges, without gap or overlap."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metering.errors import InvalidQueryError
from metering.slices import BEGINNING, Slice, Span, cut, period, pieces

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "Australia/Lord_Howe", "America/Sao_Paulo"]


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


@settings(deadline=None)
@given(instants, st.integers(1, 10**12), st.sampled_from([None, *Span]), st.sampled_from(ZONES), st.booleans())
def test_slices_and_their_pieces_tile_the_period(start, microseconds, span, zone, with_history):
    whole = period(starts_at=start, ends_at=start + timedelta(microseconds=microseconds))
    slices = cut(whole=whole, span=span, zone=ZoneInfo(zone))
    _tile(slices, whole.starts_at, whole.ends_at)
    found = pieces(slices=slices, use_windows=True, with_history=with_history)
    for number, one in enumerate(slices):
        own = sorted((piece for piece in found if piece.number == number), key=lambda piece: piece.starts_at)
        _tile(own, BEGINNING if with_history else one.starts_at, one.ends_at)
    assert all(bound.minute == 0 for piece in found if piece.whole for bound in (piece.starts_at, piece.ends_at))


def _tile(parts, starts_at, ends_at):
    bounds = [(part.starts_at.astimezone(UTC), part.ends_at.astimezone(UTC)) for part in parts]
    assert (bounds[0][0], bounds[-1][1]) == (starts_at, ends_at)
    assert all(one[1] == other[0] for one, other in pairwise(bounds))
    assert all(first < last for first, last in bounds)


def test_without_windows_a_slice_is_one_piece():
    one = Slice(at("2026-01-01T00:30Z"), at("2026-01-05T00:00Z"))
    assert [
        (piece.starts_at, piece.whole) for piece in pieces(slices=[one], use_windows=False, with_history=False)
    ] == [(one.starts_at, False)]
