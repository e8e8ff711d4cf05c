"""Money: exact, of one currency, rounded in one place."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import CurrencyMismatchError, MoneyError, UnknownCurrencyError
from billing.money import CURRENCIES, Money, allocate, from_minor_units, round_half_up, to_minor_units, total, zero

currencies = st.sampled_from(sorted(CURRENCIES))
units = st.integers(-10_000, 10_000)


def euro(text: str) -> Money:
    return Money(Decimal(text), "EUR")


def test_amounts_carry_the_digits_of_their_currency():
    assert str(euro("29")) == "29.00 EUR"
    assert str(Money(Decimal("29.0000"), "JPY")) == "29 JPY"
    assert str(euro("-0")) == "0.00 EUR"


def test_sums_and_differences_stay_in_the_currency():
    assert euro("1.10") + euro("2.20") == euro("3.30")
    assert euro("1.10") - euro("2.20") == -euro("1.10")
    assert total([euro("0.10")] * 3, "EUR") == euro("0.30")
    assert total([], "JPY") == zero("JPY")
    assert euro("1") < euro("2") <= euro("2")
    assert not zero("EUR")


@pytest.mark.parametrize("mix", [lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a < b, lambda a, b: a <= b])
def test_two_currencies_are_never_mixed(mix):
    with pytest.raises(CurrencyMismatchError):
        mix(euro("1"), Money(Decimal(1), "USD"))


@pytest.mark.parametrize(
    "amount", [1.5, 1, "1.50", Decimal("0.001"), Decimal("NaN"), Decimal("Infinity"), Decimal("1e16")]
)
def test_what_is_no_exact_amount_is_refused(amount):
    with pytest.raises(MoneyError):
        Money(amount, "EUR")


def test_money_goes_only_with_money():
    with pytest.raises(MoneyError):
        euro("1") + Decimal(1)  # type: ignore[operator]  # the mistake under test


@pytest.mark.parametrize("currency", ["eur", "XYZ", ""])
def test_an_unknown_currency_is_refused(currency):
    with pytest.raises(UnknownCurrencyError):
        Money(Decimal(1), currency)


@pytest.mark.parametrize(
    ("value", "currency", "expected"),
    [
        ("1023.45", "JPY", "1023"),
        ("1023.5", "JPY", "1024"),
        ("0.004", "GBP", "0.00"),
        ("0.005", "GBP", "0.01"),
        ("0.0049999999999", "GBP", "0.00"),
        ("-0.005", "GBP", "-0.01"),
        ("999999.999", "USD", "1000000.00"),
    ],
)
def test_half_a_smallest_unit_goes_up(value, currency, expected):
    assert round_half_up(Decimal(value), currency) == Money(Decimal(expected), currency)


def test_a_float_cannot_be_rounded_to_money():
    with pytest.raises(MoneyError):
        round_half_up(0.5, "EUR")  # type: ignore[arg-type]  # the mistake under test


@given(st.fractions(-1000, 1000, max_denominator=10_000), currencies)
def test_rounding_moves_an_amount_by_at_most_half_a_step_and_a_credit_mirrors_its_charge(value, currency):
    rounded = round_half_up(value, currency)
    assert abs(Fraction(rounded.amount) - value) <= Fraction(CURRENCIES[currency].step) / 2
    assert round_half_up(-value, currency) == -rounded


@given(units, currencies)
def test_minor_units_and_back_is_the_same_money(count, currency):
    assert to_minor_units(from_minor_units(count, currency)) == count


@pytest.mark.parametrize("count", [1.0, True, "1"])
def test_minor_units_are_whole(count):
    with pytest.raises(MoneyError):
        from_minor_units(count, "EUR")


@given(units, currencies, st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any))
def test_allocation_never_gains_or_loses_a_cent_and_is_fair_to_one(count, currency, weights):
    whole = from_minor_units(count, currency)
    parts = allocate(whole, weights)
    assert total(parts, currency) == whole
    for part, weight in zip(parts, weights, strict=True):
        assert abs(to_minor_units(part) - Fraction(count * weight, sum(weights))) < 1


def test_left_over_cents_go_to_the_largest_remainders_and_then_to_the_first():
    assert allocate(euro("0.10"), [1, 1, 1]) == (euro("0.04"), euro("0.03"), euro("0.03"))
    assert allocate(euro("1.00"), [Decimal("0.5"), Decimal("0.3"), Decimal("0.2")]) == (
        euro("0.50"),
        euro("0.30"),
        euro("0.20"),
    )
    assert allocate(euro("-0.05"), [1, 2]) == (euro("-0.02"), euro("-0.03"))


@pytest.mark.parametrize("weights", [[], [0, 0], [1, -1], [2, -1]])
def test_weights_must_be_able_to_share(weights):
    with pytest.raises(MoneyError):
        allocate(euro("1"), weights)
