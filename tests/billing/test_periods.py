"""Billing periods: half-open, anchored, and without gap or overlap whatever month ends and clocks do."""

from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import PeriodError
from billing.periods import Period, clip, full_period, split

BERLIN = ZoneInfo("Europe/Berlin")
ZONES = ["UTC", "Europe/Berlin", "America/New_York", "America/Sao_Paulo", "Asia/Kolkata", "Pacific/Apia", "Asia/Amman"]

FIRST = datetime(2000, 1, 1, tzinfo=UTC)
NAIVE = FIRST.replace(tzinfo=None)

instants = st.integers(0, 30 * 366 * 86400).map(lambda seconds: FIRST + timedelta(seconds=seconds))


def month(anchor, at, zone="Europe/Berlin"):
    return full_period(anchor_at=anchor, zone=zone, interval="month", at=at)


def test_a_day_that_a_month_lacks_becomes_its_last_day_and_recovers():
    anchor = datetime(2026, 1, 31, tzinfo=UTC)
    starts = [month(anchor, datetime(2026, m, 15, tzinfo=UTC), "UTC").ends_at for m in range(2, 6)]
    assert [(at.month, at.day) for at in starts] == [(2, 28), (3, 31), (4, 30), (5, 31)]


def test_periods_are_cut_at_local_midnight_on_both_sides_of_a_clock_change():
    period = month(datetime(2026, 3, 1, tzinfo=BERLIN), datetime(2026, 3, 20, tzinfo=UTC))
    assert period.starts_at == datetime(2026, 2, 28, 23, tzinfo=UTC)
    assert period.ends_at == datetime(2026, 3, 31, 22, tzinfo=UTC)
    assert period.seconds == 31 * 86400 - 3600


def test_a_boundary_that_the_clocks_skip_is_taken_as_if_they_had_not_changed():
    anchor = datetime(2026, 1, 29, 2, 30, tzinfo=BERLIN)
    assert month(anchor, datetime(2026, 3, 29, 2, tzinfo=UTC)).starts_at == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_an_anchor_in_the_hour_that_comes_twice_stays_where_it_is():
    anchor = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)
    assert month(anchor, anchor).starts_at == anchor.astimezone(UTC)


def test_the_start_belongs_to_a_period_and_the_end_to_the_next():
    anchor = datetime(2026, 5, 1, tzinfo=UTC)
    may = month(anchor, anchor, "UTC")
    assert may.contains(may.starts_at)
    assert not may.contains(may.ends_at)
    assert month(anchor, may.ends_at, "UTC").starts_at == may.ends_at


def test_that_it_was_the_second_time_matters_only_to_the_anchor_itself():
    anchor = datetime(2026, 10, 25, 2, 30, tzinfo=BERLIN, fold=1)
    boundary = datetime(2029, 3, 25, 1, 30, tzinfo=UTC)  # 02:30 is skipped on that day
    assert month(anchor, boundary).starts_at == boundary


@given(anchor=instants, at=instants, zone=st.sampled_from(ZONES), fold=st.integers(0, 1))
def test_periods_tile_time(anchor, at, zone, fold):
    anchor = anchor.astimezone(ZoneInfo(zone)).replace(fold=fold)
    period = month(anchor, at, zone)
    assert period.contains(at)
    assert month(anchor, period.starts_at, zone) == period
    assert month(anchor, period.ends_at - timedelta(microseconds=1), zone) == period
    assert month(anchor, period.ends_at, zone).starts_at == period.ends_at
    assert timedelta(days=27) < period.ends_at - period.starts_at < timedelta(days=33)


@given(anchor=instants, zone=st.sampled_from(ZONES))
def test_the_first_period_starts_at_its_anchor(anchor, zone):
    assert month(anchor, anchor, zone).starts_at == anchor


@given(at=instants, cut=st.integers(1, 10**6), zone=st.sampled_from(ZONES))
def test_the_parts_of_a_split_period_make_the_whole(at, cut, zone):
    full = month(at, at, zone)
    before, after = split(period=full, at=full.starts_at + timedelta(seconds=cut))
    assert before.fraction_of(full) + after.fraction_of(full) == 1
    assert before.ends_at == after.starts_at


def test_a_partial_period_is_an_exact_fraction_of_the_full_one():
    full = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
    first = clip(full=full, starts_at=datetime(2026, 1, 22, tzinfo=UTC))
    last = clip(full=full, starts_at=full.starts_at, ends_at=datetime(2026, 1, 1, 12, tzinfo=UTC))
    assert (first.fraction_of(full), last.fraction_of(full)) == (Fraction(10, 31), Fraction(1, 62))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Period(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC)),
        lambda: Period(NAIVE, datetime(2026, 1, 2, tzinfo=UTC)),
        lambda: month(NAIVE, datetime(2026, 1, 2, tzinfo=UTC)),
        lambda: month(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 2, tzinfo=UTC), "Mars/Base"),
        lambda: full_period(
            anchor_at=datetime(2026, 1, 1, tzinfo=UTC), zone="UTC", interval="eon", at=datetime(2026, 1, 1, tzinfo=UTC)
        ),
        lambda: Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC)).fraction_of(
            Period(datetime(2026, 1, 2, tzinfo=UTC), datetime(2026, 1, 3, tzinfo=UTC))
        ),
    ],
)
def test_what_is_no_period_is_refused(make):
    with pytest.raises(PeriodError):
        make()
