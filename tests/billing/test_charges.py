"""Charges: one card, one period, an ordered list of steps, one rounding."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import NegativeQuantityError, PeriodError, RatingError
from billing.money import Money, round_half_up
from billing.periods import Period, split
from billing.rating.charges import Card, Measured, charge
from billing.rating.prices import Flat, Graduated, Package, Tier, Unit

JANUARY = Period(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC))
DAY = 86_400


def euro(text: str) -> Money:
    return Money(Decimal(text), "EUR")


def rate(card, quantity=None, unit="turn", period=JANUARY):
    measured = None if quantity is None else Measured(Decimal(quantity), unit)
    return charge(card=card, measured=measured, period=period, full=JANUARY, currency="EUR")


def card(price, **fields):
    return Card(key="card", name="Card", unit="turn", price=price, **{"meter": "turns"} | fields)


def fee(amount, **fields):
    return Card(key="base", name="Base fee", unit="month", price=Flat(Decimal(amount)), **fields)


def seat(amount="29.00"):
    return card(Unit(Decimal(amount)), meter="seats", per_period=True)


def first_days(days: str) -> Period:
    return Period(JANUARY.starts_at, JANUARY.starts_at + timedelta(days=float(days)))


def test_a_line_says_what_was_used_and_how_it_became_an_amount():
    line = rate(card(Unit(Decimal("0.03")), allowance=Decimal(100)), "121")
    assert (line.quantity, line.amount) == (Decimal(121), euro("0.63"))
    assert line.detail() == [
        {"text": "121 used, 100 included", "quantity": "21", "unit_price": "", "amount": ""},
        {"text": "each", "quantity": "21", "unit_price": "0.03", "amount": "0.63"},
    ]


def test_usage_within_the_allowance_is_shown_and_costs_nothing():
    line = rate(card(Unit(Decimal("0.03")), allowance=Decimal(100)), "80")
    assert (line.quantity, line.amount) == (Decimal(80), euro("0.00"))


def test_the_first_tiers_fixed_amount_is_due_without_usage():
    price = Graduated((Tier(Decimal(5), Decimal(1), Decimal(3)), Tier(None, Decimal(1), Decimal(7))))
    assert [rate(card(price), quantity).amount for quantity in ("0", "5", "5.001")] == [
        euro("3.00"),
        euro("8.00"),
        euro("15.00"),
    ]


def test_units_are_divided_then_rounded_then_allowed_then_priced():
    tokens = card(Unit(Decimal(2)), divide_by=Decimal(1000), rounding="up", allowance=Decimal("0.5"))
    assert rate(tokens, "7400").amount == euro("15.00")  # 7.4, 8, 7.5, 15


@pytest.mark.parametrize(("rounding", "units"), [("none", "2.5"), ("up", "3"), ("down", "2"), ("half_up", "3")])
def test_a_fraction_of_a_unit_is_rounded_as_the_card_says(rounding, units):
    assert rate(card(Unit(Decimal(1)), rounding=rounding), "2.5").quantity == Decimal(units)


def test_half_a_unit_in_a_package_starts_it():
    assert rate(card(Package(Decimal(5), Decimal(1))), "7").amount == euro("2.00")
    assert rate(card(Package(Decimal(5), Decimal(1))), "10").amount == euro("2.00")
    assert rate(card(Package(Decimal(5), Decimal(1))), "0").amount == euro("0.00")


def test_seat_seconds_become_seats_of_the_full_period_exactly():
    line = rate(seat(), str(31 * DAY * 2 + 10 * DAY), "seat-second")
    assert line.quantity == Decimal("2.322580645161")
    assert line.amount == euro("67.35")  # 72 / 31 x 29 = 67.3548...


def test_a_tie_that_decimals_would_lose_goes_up():
    """0.31 for half a day of 31 is 0.005 exactly; as a decimal, half a day of 31 is 0.0161290..., and all is lost."""
    assert rate(fee("0.31"), period=first_days("0.5")).amount == euro("0.01")
    assert rate(seat("0.31"), str(DAY // 2), "seat-second").amount == euro("0.01")


def test_a_fixed_fee_follows_the_elapsed_fraction_unless_the_card_says_otherwise():
    assert rate(fee("100"), period=first_days("10")).amount == euro("32.26")
    assert rate(fee("100", prorated=False), period=first_days("10")).amount == euro("100.00")
    assert rate(fee("100")).amount == euro("100.00")


def test_what_is_measured_is_not_prorated_again():
    assert rate(card(Flat(Decimal(5))), "1", period=first_days("10")).amount == euro("5.00")
    assert rate(seat(), str(10 * DAY), "seat-second", first_days("10")).amount == euro("9.35")


def test_what_cannot_be_charged_is_refused():
    with pytest.raises(NegativeQuantityError, match="card: the meter 'turns' reports -1 turn"):
        rate(card(Unit(Decimal(1))), "-1")
    with pytest.raises(RatingError, match="sideways"):
        rate(card(Unit(Decimal(1)), rounding="sideways"), "1")
    with pytest.raises(PeriodError):
        rate(fee("1"), period=Period(JANUARY.starts_at, JANUARY.ends_at + timedelta(seconds=1)))


@given(st.integers(1, 31 * DAY - 1), st.decimals(0, 500, places=2))
def test_the_parts_of_a_fee_make_the_fee(cut, amount):
    parts = split(period=JANUARY, at=JANUARY.starts_at + timedelta(seconds=cut))
    exact = [Fraction(amount) * part.fraction_of(JANUARY) for part in parts]
    assert sum(exact) == Fraction(amount)
    assert [rate(fee(str(amount)), period=part).amount for part in parts] == [
        round_half_up(share, "EUR") for share in exact
    ]


@given(
    st.integers(0, 10**7), st.decimals(0, 100, places=2), st.integers(0, 50), st.sampled_from(["none", "up", "down"])
)
def test_the_rows_of_a_line_add_up_to_its_amount(quantity, amount, allowance, rounding):
    line = rate(
        card(Unit(amount), divide_by=Decimal(7), rounding=rounding, allowance=Decimal(allowance)), str(quantity)
    )
    exact = sum((row.amount for row in line.rows if row.amount is not None), Fraction(0))
    assert round_half_up(exact, "EUR") == line.amount


@given(st.integers(1, 31 * DAY), st.decimals(0, 100, places=2))
def test_the_rows_of_a_prorated_fee_add_up_too(seconds, amount):
    line = rate(fee(str(amount)), period=Period(JANUARY.starts_at, JANUARY.starts_at + timedelta(seconds=seconds)))
    assert round_half_up(sum((row.amount or Fraction(0) for row in line.rows), Fraction(0)), "EUR") == line.amount
