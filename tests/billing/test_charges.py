"""Charges: one card, one period, an ordered list of steps, one rounding."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import NegativeQuantityError, PeriodError, RatingError
from billing.money import round_half_up
from billing.periods import Period, split
from billing.rating.prices import (
    Capacity,
    CreditRow,
    Credits,
    Flat,
    Graduated,
    Matrix,
    MatrixRow,
    Package,
    Percentage,
    Unit,
    Volume,
)
from billing.rating.statement import Line, Usage, ZeroRate, dimensions
from tests.billing.pricing import DAY, JANUARY, bill, card, euro, fee, grouped, shown, tiers, used

ONE = Unit(Decimal(1))


def charge(one, quantity="0", period=JANUARY) -> Line:
    usage = {} if not one.meter else {one.key: quantity if isinstance(quantity, Usage) else used(quantity)}
    return bill(one, usage=usage, period=period).lines[0]


def seat(amount="29.00"):
    return card(Unit(Decimal(amount)), meter="seats", per_period=True)


def seat_seconds(seconds) -> Usage:
    return used(seconds, "seat-second")


def first_days(days: str) -> Period:
    return Period(JANUARY.starts_at, JANUARY.starts_at + timedelta(days=float(days)))


def test_a_line_says_what_was_used_and_how_it_became_an_amount():
    line = charge(card(Unit(Decimal("0.03")), allowance=Decimal(100)), "121")
    assert (line.quantity, line.amount) == (Decimal(121), euro("0.63"))
    assert line.detail() == [
        {"text": "121 used, 100 included", "quantity": "21", "unit_price": "", "amount": ""},
        {"text": "each", "quantity": "21", "unit_price": "0.03", "amount": "0.63"},
    ]


def test_usage_within_the_allowance_is_shown_and_costs_nothing():
    line = charge(card(Unit(Decimal("0.03")), allowance=Decimal(100)), "80")
    assert (line.quantity, line.amount) == (Decimal(80), euro("0.00"))


def test_the_first_tiers_fixed_amount_is_due_without_usage():
    price = Graduated(tiers(("5", "1", "3"), (None, "1", "7")))
    assert [charge(card(price), quantity).amount for quantity in ("0", "5", "5.001")] == [
        euro("3.00"),
        euro("8.00"),
        euro("15.00"),
    ]


def test_units_are_divided_then_rounded_then_allowed_then_priced():
    tokens = card(Unit(Decimal(2)), divide_by=Decimal(1000), rounding="up", allowance=Decimal("0.5"))
    assert charge(tokens, "7400").amount == euro("15.00")  # 7.4, 8, 7.5, 15


@pytest.mark.parametrize(("rounding", "units"), [("none", "2.5"), ("up", "3"), ("down", "2"), ("half_up", "3")])
def test_a_fraction_of_a_unit_is_rounded_as_the_card_says(rounding, units):
    assert charge(card(ONE, rounding=rounding), "2.5").quantity == Decimal(units)


@pytest.mark.parametrize(("rounding", "hours"), [("up", "2"), ("down", "1"), ("half_up", "1")])
def test_a_conversion_without_an_end_is_rounded_too(rounding, hours):
    assert charge(card(ONE, divide_by=Decimal(7), rounding=rounding), "10").quantity == Decimal(hours)  # 1.428571...


def test_half_a_unit_in_a_package_starts_it():
    packs = card(Package(Decimal(5), Decimal(1)))
    assert [charge(packs, quantity).amount for quantity in ("7", "10", "0")] == [euro("2"), euro("2"), euro("0")]


def test_seat_seconds_become_seats_of_the_full_period_exactly():
    line = charge(seat(), seat_seconds(31 * DAY * 2 + 10 * DAY))
    assert line.quantity == Decimal("2.322580645161")
    assert line.amount == euro("67.35")  # 72 / 31 x 29 = 67.3548...
    assert line.rows[0].text == "6220800 seat-second divided by 2678400 s of the full period"
    dozens = charge(card(ONE, divide_by=Decimal(12)), "30")
    assert dozens.rows[0].text == "30 turn divided by 12"


def test_a_tie_that_decimals_would_lose_goes_up():
    """0.31 for half a day of 31 is 0.005 exactly; as a decimal, half a day of 31 is 0.0161290..., and all is lost."""
    assert charge(fee("0.31"), period=first_days("0.5")).amount == euro("0.01")
    assert charge(seat("0.31"), seat_seconds(DAY // 2)).amount == euro("0.01")


def test_a_fixed_fee_follows_the_elapsed_fraction_unless_the_card_says_otherwise():
    assert charge(fee("100"), period=first_days("10")).amount == euro("32.26")
    assert charge(fee("100", prorated=False), period=first_days("10")).amount == euro("100.00")
    assert (charge(fee("100")).quantity, charge(fee("100")).amount) == (Decimal(1), euro("100.00"))


def test_what_is_measured_is_not_prorated_again():
    assert charge(card(Flat(Decimal(5))), "1", period=first_days("10")).amount == euro("5.00")
    assert charge(seat(), seat_seconds(10 * DAY), first_days("10")).amount == euro("9.35")


def test_a_capacity_is_a_peak_that_was_held_so_its_price_follows_the_elapsed_fraction():
    agents = card(Capacity(Volume(tiers(("10", "5", "0"), (None, "4", "0")))), meter="peak")
    assert charge(agents, "12").amount == euro("48.00")
    assert charge(agents, "12", first_days("10")).amount == euro("15.48")  # 48 x 10/31 = 15.4838...


def test_what_cannot_be_charged_is_refused():
    with pytest.raises(NegativeQuantityError, match="card: the meter 'turns' reports -1 turn"):
        charge(card(ONE), "-1")
    with pytest.raises(RatingError, match="sideways"):
        charge(card(ONE, rounding="sideways"), "1")
    with pytest.raises(PeriodError):
        charge(fee("1"), period=Period(JANUARY.starts_at, JANUARY.ends_at + timedelta(seconds=1)))


BY_CLASS = Matrix(
    rows=(
        MatrixRow({"hardware_class": ("gpu",)}, Unit(Decimal("0.10"))),
        MatrixRow({"hardware_class": ("gpu",), "quantization": ("Q4_0", "Q4_1")}, Unit(Decimal("0.06"))),
        MatrixRow({"hardware_class": ("npu",)}, Graduated(tiers(("100", "0.05", "0"), (None, "0.02", "0")))),
    ),
    default=Unit(Decimal("0.01")),
)


def seconds_of(*parts: tuple[str, str | None, str | None]) -> Usage:
    return grouped(
        *((quantity, {"hardware_class": hardware, "quantization": how}) for quantity, hardware, how in parts), unit="s"
    )


def test_usage_is_priced_by_the_most_specific_row_it_matches_and_else_by_the_default():
    compute = card(BY_CLASS, unit="s")
    assert dimensions(compute) == ("hardware_class", "quantization")
    read = seconds_of(
        ("10", "gpu", "Q8_0"), ("20", "gpu", "Q4_0"), ("5", "gpu", "Q4_1"), ("150", "npu", None), ("30", None, "Q4_0")
    )
    line = charge(compute, read)
    # 10 x 0.10 + 25 x 0.06 + (100 x 0.05 + 50 x 0.02) + 30 x 0.01
    assert (line.quantity, line.amount) == (Decimal(215), euro("8.80"))
    assert [(row.text, str(row.quantity)) for row in line.rows] == [
        ("hardware_class gpu: each", "10"),
        ("hardware_class gpu, quantization Q4_0 or Q4_1: each", "25"),
        ("hardware_class npu: up to 100", "100"),
        ("hardware_class npu: above 100", "50"),
        ("other: each", "30"),
    ]


def test_an_allowance_is_used_up_by_the_rows_in_their_order_and_rows_are_rounded_apart():
    read = seconds_of(("10", "gpu", "Q8_0"), ("20", "gpu", "Q4_0"), ("30", "cpu", None))
    assert charge(card(BY_CLASS, allowance=Decimal(15)), read).amount == euro("1.20")  # 0 + 15 x 0.06 + 30 x 0.01
    minutes = card(BY_CLASS, divide_by=Decimal(60), rounding="up")
    assert charge(minutes, read).amount == euro("0.17")  # one minute each


def test_a_row_below_nothing_is_refused_though_the_card_is_not():
    with pytest.raises(NegativeQuantityError, match="-1 s"):
        charge(card(BY_CLASS), seconds_of(("-1", "gpu", None), ("5", "cpu", None)))


CREDITS = Credits(
    "credit",
    Decimal(1),
    Decimal("0.02"),
    (CreditRow({"model": ("large",)}, Decimal(5)), CreditRow({"model": ("small",)}, Decimal("0.5"))),
)


def test_units_take_credits_by_class_and_those_beyond_the_allowance_are_paid_for():
    read = grouped(("10", {"model": "large"}), ("40", {"model": "small"}), ("3", {"model": None}))
    line = charge(card(CREDITS, allowance=Decimal(60)), read)
    assert line.detail() == [
        {"text": "model large: 10 turn, 5 credit each", "quantity": "50", "unit_price": "", "amount": ""},
        {"text": "model small: 40 turn, 0.5 credit each", "quantity": "20", "unit_price": "", "amount": ""},
        {"text": "other: 3 turn, 1 credit each", "quantity": "3", "unit_price": "", "amount": ""},
        {"text": "73 used, 60 included", "quantity": "13", "unit_price": "", "amount": ""},
        {"text": "each", "quantity": "13", "unit_price": "0.02", "amount": "0.26"},
    ]
    assert (line.quantity, line.amount) == (Decimal(53), euro("0.26"))


PAYMENTS = Percentage(Decimal("2.99"), Decimal(2), Decimal("1.75"), Decimal(12), "payment")


def payments(*found: str) -> Usage:
    return grouped(*((amount, {"payment": str(number)}) for number, amount in enumerate(found)), unit="USD")


def test_a_percentage_takes_its_fixed_amount_and_bounds_from_each_transaction():
    line = charge(card(PAYMENTS), payments("10", "80", "10000"))
    assert line.amount == euro("18.69")  # 2.299 + 4.392 + 12
    assert [(row.text, str(row.amount)) for row in line.rows] == [
        ("2.99 % of the amount", "301.6910"),
        ("fixed amount for each transaction", "6"),
        ("at most 12 each", "-289.0000"),
    ]
    assert charge(card(PAYMENTS), payments()).amount == euro("0.00")
    at_its_bound = Percentage(Decimal(1), minimum=Decimal(2), maximum=Decimal(2), transaction="payment")
    assert len(charge(card(at_its_bound), payments("200")).rows) == 1
    assert charge(card(Percentage(Decimal("2.5"))), "130").amount == euro("3.25")


def test_a_transaction_that_the_allowance_covers_has_no_fixed_amount():
    price = Percentage(Decimal("1.3"), Decimal(2), transaction="payment")
    line = charge(card(price, allowance=Decimal(250)), payments("50", "100", "250", "400"))
    assert line.amount == euro("11.15")  # the first two and 100 of the third are free: 550 x 1.3 % + 2 x 2
    assert charge(card(price, allowance=Decimal(250)), payments("0")).amount == euro("2.00")


FAILED = ZeroRate("failed", "failed tasks", {"outcome": ["failed", "rejected"]})
OWN = ZeroRate("byoc", "on your own compute", {"byoc": ["true"]})


def test_what_a_rule_makes_free_is_a_line_of_its_own_with_its_quantity_and_its_name():
    tasks = card(Unit(Decimal(2)), zero_rates=(FAILED, OWN), divide_by=Decimal(10))
    assert dimensions(tasks) == ("byoc", "outcome")
    read = grouped(
        ("15", {"outcome": "completed", "byoc": None}),
        ("20", {"outcome": "cancelled", "byoc": None}),
        ("5", {"outcome": "completed", "byoc": "false"}),
        ("20", {"outcome": "failed", "byoc": "true"}),
        ("30", {"outcome": "completed", "byoc": "true"}),
    )
    rated = bill(tasks, usage={"card": read})
    assert [(line.kind, line.description, str(line.quantity), line.source) for line in rated.lines] == [
        ("charge", "Card", "4", ""),
        ("zero_rated", "Card: failed tasks", "2", "failed"),
        ("zero_rated", "Card: on your own compute", "3", "byoc"),
    ]
    assert shown(rated) == [("charge", "card", "8.00"), ("zero_rated", "card", "0.00"), ("zero_rated", "card", "0.00")]
    assert len(bill(tasks).lines) == 1
    two_paid = grouped(("15", {"outcome": "completed"}), ("25", {"outcome": "cancelled"}))
    assert bill(tasks, usage={"card": two_paid}).total == euro("8.00")


@given(st.integers(1, 31 * DAY - 1), st.decimals(0, 500, places=2))
def test_the_parts_of_a_fee_make_the_fee(cut, amount):
    parts = split(period=JANUARY, at=JANUARY.starts_at + timedelta(seconds=cut))
    exact = [Fraction(amount) * part.fraction_of(JANUARY) for part in parts]
    assert sum(exact) == Fraction(amount)
    assert [charge(fee(str(amount)), period=part).amount for part in parts] == [
        round_half_up(share, "EUR") for share in exact
    ]


@given(
    st.integers(0, 10**7), st.decimals(0, 100, places=2), st.integers(0, 50), st.sampled_from(["none", "up", "down"])
)
def test_the_rows_of_a_line_add_up_to_its_amount(quantity, amount, allowance, rounding):
    line = charge(
        card(Unit(amount), divide_by=Decimal(7), rounding=rounding, allowance=Decimal(allowance)), str(quantity)
    )
    exact = sum((Fraction(row.amount) for row in line.rows if row.amount is not None), Fraction(0))
    assert round_half_up(exact, "EUR") == line.amount


@given(st.integers(1, 31 * DAY), st.decimals(0, 100, places=2))
def test_the_rows_of_a_prorated_fee_add_up_too(seconds, amount):
    line = charge(fee(str(amount)), period=Period(JANUARY.starts_at, JANUARY.starts_at + timedelta(seconds=seconds)))
    exact = sum((Fraction(row.amount or 0) for row in line.rows), Fraction(0))
    assert round_half_up(exact, "EUR") == line.amount
