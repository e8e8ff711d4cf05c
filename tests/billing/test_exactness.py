"""Exactness: what is computed in decimals, which is fast, equals what is computed in fractions, which is exact."""

from decimal import Decimal, Inexact, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.rating import working
from billing.rating.kinds import Capacity, CreditRow, Credits, Matrix, MatrixRow, Percentage
from billing.rating.numbers import EXACT, decimal_of, exactly, text_of
from billing.rating.statement import Part, Usage, ZeroRate
from billing.rating.working import included, work_out
from tests.billing.pricing import JANUARY, amounts, card, prices

classes = st.sampled_from(["gpu", "cpu", None])
parts = st.lists(
    st.builds(lambda q, name: Part(q, {"class": name}), st.decimals(0, 10**6, places=9), classes), max_size=5
)
one_of_each = st.one_of(
    prices,
    st.builds(Capacity, prices),
    st.builds(lambda price, other: Matrix((MatrixRow({"class": ("gpu",)}, price),), other), prices, prices),
    st.builds(
        lambda each, other, amount: Credits("credit", other, amount, (CreditRow({"class": ("gpu",)}, each),)),
        amounts,
        amounts,
        amounts,
    ),
    st.builds(lambda rate, fixed: Percentage(rate, fixed, transaction="class"), amounts, amounts),
)
cards = st.builds(
    lambda price, by, rounding, **fields: card(price, divide_by=by, rounding=rounding, **fields),
    one_of_each,
    st.sampled_from([Decimal(1), Decimal(1000), Decimal(7), Decimal("0.5"), Decimal(3600)]),
    st.sampled_from(["none", "up", "half_up", "down"]),
    per_period=st.booleans(),
    zero_rates=st.sampled_from([(), (ZeroRate("own", "own", {"class": ["cpu"]}),)]),
)


def facts(work):
    return (
        Fraction(work.used),
        Fraction(work.amount),
        [(row.text, Fraction(row.quantity), row.unit_price, row.amount) for row in work.rows],
        {key: Fraction(amount) for key, amount in work.taken.items()},
        [(free.rule.key, Fraction(free.quantity)) for free in work.free],
    )


@given(cards, parts, st.decimals(0, 1000, places=9))
def test_decimals_give_what_fractions_give_to_the_last_digit(one, read, allowance):
    usage = Usage("turns", "turn", tuple(read))
    sources = (included(allowance=allowance, rolled=Decimal(0)),)
    as_it_comes = work_out(card=one, usage=usage, period=JANUARY, full=JANUARY, sources=sources)
    in_fractions = working.work_in(Fraction, card=one, usage=usage, period=JANUARY, full=JANUARY, sources=sources)
    assert facts(as_it_comes) == facts(in_fractions)


def test_decimals_are_used_where_they_hold_the_result_and_fractions_where_they_do_not():
    def number_of(quantity, by):
        one = card(prices_of_one, divide_by=Decimal(by))
        usage = Usage("turns", "turn", (Part(Decimal(quantity)),))
        return work_out(card=one, usage=usage, period=JANUARY, full=JANUARY).number

    prices_of_one = Percentage(Decimal("2.5"))
    assert [number_of("10", "4"), number_of("10", "3"), number_of("9", "3")] == [Decimal, Fraction, Decimal]


def test_a_number_too_long_for_decimals_is_an_error_and_no_approximation():
    with localcontext(EXACT), pytest.raises(Inexact):
        Decimal(1) / Decimal(3)
    with pytest.raises(Inexact):
        exactly(Fraction(1, 3), Decimal)
    assert exactly(Fraction(1, 4), Decimal) == Decimal("0.25")
    assert exactly(Decimal("0.1"), Fraction) == Fraction(1, 10)


@given(
    st.one_of(st.decimals(-(10**15), 10**15, places=12), st.decimals(0, 1, places=20), st.integers(-9, 9).map(Decimal))
)
def test_a_decimal_reads_the_same_by_the_short_way_and_the_long_one(value):
    assert text_of(value) == text_of(Fraction(value))


def test_a_fraction_without_an_end_is_shown_to_twelve_digits_half_up():
    assert text_of(Fraction(2, 3)) == "0.666666666667"
    assert text_of(Fraction(1, 2 * 10**12)) == "0.000000000001"
    assert text_of(Fraction(-4, 10**13)) == "0"


def test_a_price_has_up_to_twelve_digits():
    assert decimal_of("0.000000000001") == Decimal("0.000000000001")
    with pytest.raises(ValueError, match="12 after it"):
        decimal_of("0.0000000000001")


@pytest.mark.parametrize(("value", "text"), [("1E+3", "1000"), ("-0.00", "0"), ("1.50", "1.5"), ("-0.10", "-0.1")])
def test_a_decimal_is_shown_without_exponent_or_trailing_zeros(value, text):
    assert text_of(Decimal(value)) == text
