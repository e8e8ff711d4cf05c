"""Cost: exact for every quantity and every kind of price, by hand, by a naive oracle, and by properties."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import NegativeQuantityError
from billing.rating.cost import amount_of, cost, explain, transactions
from billing.rating.kinds import Flat, Graduated, Package, Percentage, StairStep, Unit, Volume
from billing.rating.numbers import EXACT
from tests.billing.pricing import amounts, linear, prices, quantities, rising, tiers


def tier_of(price, unit):
    """Walk up the stairs to the tier that a unit is in."""
    found = 0
    while price.tiers[found].up_to is not None and unit > price.tiers[found].up_to:
        found += 1
    return price.tiers[found]


def walk_graduated(price, quantity: int) -> Fraction:
    paid, entered = Fraction(price.tiers[0].flat), price.tiers[0]
    for unit in range(1, quantity + 1):
        tier = tier_of(price, unit)
        for passed in price.tiers[price.tiers.index(entered) + 1 : price.tiers.index(tier) + 1]:
            paid += Fraction(passed.flat)
        entered = tier
        paid += Fraction(tier.unit)
    return paid


def walk_packages(price, quantity: int) -> Fraction:
    held, packages = Fraction(0), 0
    while held < quantity:
        held, packages = held + Fraction(price.size), packages + 1
    return packages * Fraction(price.amount)


def walk(price, quantity: int) -> Fraction:
    """A naive oracle: serve the units one after the other and pay for each."""
    match price:
        case Flat():
            return Fraction(price.amount)
        case Unit():
            return sum((Fraction(price.amount) for _ in range(quantity)), Fraction(0))
        case Package():
            return walk_packages(price, quantity)
        case Graduated():
            return walk_graduated(price, quantity)
        case Volume():
            tier = tier_of(price, quantity)
            return Fraction(tier.flat) + sum((Fraction(tier.unit) for _ in range(quantity)), Fraction(0))
        case _:
            return Fraction(tier_of(price, quantity).flat)


@given(prices, st.integers(0, 70))
def test_the_cost_of_whole_units_is_what_serving_them_one_by_one_costs(price, quantity):
    assert cost(price, Fraction(quantity)) == walk(price, quantity)


@given(prices, st.lists(quantities, min_size=1, max_size=5))
def test_slices_add_up_to_the_whole_even_where_a_total_falls(price, slices):
    billed, charged = Fraction(0), cost(price, Fraction(0))
    for part in slices:
        charged += cost(price, billed + part) - cost(price, billed)
        billed += part
    assert charged == cost(price, billed)


@given(rising, quantities, quantities)
def test_more_never_costs_less_but_by_volume_and_on_stairs(price, one, more):
    assert cost(price, one) <= cost(price, one + more)


@given(linear, quantities, quantities)
def test_a_linear_price_does_not_mind_where_a_quantity_is_cut(price, one, other):
    assert cost(price, one) + cost(price, other) == cost(price, one + other)


@given(prices, st.decimals(0, 1000, places=9))
def test_decimals_cost_exactly_what_fractions_cost(price, quantity):
    with localcontext(EXACT):
        assert cost(price, quantity) == cost(price, Fraction(quantity))


@given(prices, quantities)
def test_the_rows_of_the_formula_add_up_to_the_cost(price, quantity):
    rows = explain(price, quantity)
    assert sum(row.amount or 0 for row in rows) == cost(price, quantity)
    assert all(row.quantity * Fraction(row.unit_price or 0) == row.amount for row in rows)


@given(
    st.lists(st.decimals(0, 500, places=2), max_size=6),
    amounts,
    amounts,
    st.one_of(st.none(), amounts),
    st.one_of(st.none(), amounts),
)
def test_transactions_cost_what_each_of_them_costs(found, percent, fixed, least, above):
    most = None if above is None else (least or 0) + above
    price = Percentage(percent, fixed, least, most, "payment")
    each = []
    for amount in found:
        exact = Fraction(amount) * Fraction(percent) / 100 + Fraction(fixed)
        if least is not None and exact < least:
            exact = Fraction(least)
        each.append(exact if most is None or exact <= most else Fraction(most))
    assert amount_of(transactions(price, [Fraction(amount) for amount in found]), Fraction) == sum(each)


@pytest.mark.parametrize("price", [Unit(Decimal(1)), Volume(tiers((None, "1", "0"))), Percentage(Decimal(1))])
def test_a_price_below_nothing_is_not_asked_for(price):
    with pytest.raises(NegativeQuantityError):
        cost(price, Fraction(-1))


BY_VOLUME = Volume(tiers(("10", "2", "0"), ("20", "1", "5"), (None, "0.50", "0")))
STAIRS = StairStep(tiers(("5", "0", "20"), ("50", "0", "99"), (None, "0", "500")))
HALF_PACK = Package(Decimal("2.5"), Decimal(3))


@pytest.mark.parametrize(
    ("price", "quantity", "expected"),
    [
        (BY_VOLUME, "0", "0"),
        (BY_VOLUME, "10", "20"),  # the bound belongs to its tier
        (BY_VOLUME, "10.5", "15.5"),  # 10.5 x 1 + 5: all units move to the new price
        (BY_VOLUME, "20", "25"),
        (BY_VOLUME, "21", "10.5"),
        (STAIRS, "0", "20"),  # the first stair is due without usage
        (STAIRS, "5", "20"),
        (STAIRS, "5.001", "99"),
        (STAIRS, "1000000", "500"),
        (HALF_PACK, "7", "9"),  # 2.5, 5, 7.5: three packages
        (HALF_PACK, "7.5", "9"),
        (HALF_PACK, "7.500000001", "12"),
        (Percentage(Decimal("2.9")), "200", "5.8"),
        (Unit(Decimal("0.000000000001")), "123456789012.5", "0.1234567890125"),
    ],
)
def test_worked_by_hand(price, quantity, expected):
    assert cost(price, Fraction(quantity)) == Fraction(expected)
    with localcontext(EXACT):
        assert cost(price, Decimal(quantity)) == Decimal(expected)


def test_a_slice_across_a_falling_tier_has_a_negative_cost():
    assert cost(BY_VOLUME, Fraction(11)) - cost(BY_VOLUME, Fraction(10)) == -4


def rows_of(price, quantity):
    return [(row.text, str(row.quantity), str(row.amount)) for row in explain(price, Fraction(quantity))]


def test_a_formula_names_the_tiers_that_were_entered():
    assert rows_of(Graduated(tiers(("2", "0.80", "1"), ("10", "0.60", "0"), (None, "0.45", "0"))), 5) == [
        ("up to 2, fixed amount", "1", "1"),
        ("up to 2", "2", "8/5"),
        ("above 2 up to 10", "3", "9/5"),
    ]
    assert rows_of(BY_VOLUME, 11) == [
        ("fixed amount, in the tier above 10 up to 20", "1", "5"),
        ("each, in the tier above 10 up to 20", "11", "11"),
    ]
    assert rows_of(BY_VOLUME, 1)[0][0] == "each, in the tier up to 10"
    assert rows_of(STAIRS, 51) == [("fixed amount, in the tier above 50", "1", "500")]
