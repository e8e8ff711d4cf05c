"""Prices: read strictly from documents, and exact for every quantity."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import NegativeQuantityError, PriceError
from billing.rating.cost import cost, explain
from billing.rating.prices import Flat, Graduated, Package, Tier, Unit, document_of, parse

amounts = st.decimals(0, 50, places=3)
sizes = st.decimals(Decimal("0.5"), 20, places=1)
bounds = st.lists(st.integers(1, 60), min_size=0, max_size=4, unique=True).map(sorted)
quantities = st.fractions(0, 80, max_denominator=7)


@st.composite
def graduated(draw):
    ups = [*map(Decimal, draw(bounds)), None]
    return Graduated(tuple(Tier(up_to=up, unit=draw(amounts), flat=draw(amounts)) for up in ups))


prices = st.one_of(st.builds(Flat, amounts), st.builds(Unit, amounts), st.builds(Package, sizes, amounts), graduated())


def walk(price, quantity: int) -> Fraction:
    """A naive oracle: serve the units one after the other and pay for each."""
    if isinstance(price, Flat):
        return Fraction(price.amount)
    if isinstance(price, Unit):
        return sum((Fraction(price.amount) for _ in range(quantity)), Fraction(0))
    if isinstance(price, Package):
        held, packages = Fraction(0), 0
        while held < quantity:
            held, packages = held + Fraction(price.size), packages + 1
        return packages * Fraction(price.amount)
    paid, entered = Fraction(price.tiers[0].flat), 0
    for unit in range(1, quantity + 1):
        while price.tiers[entered].up_to is not None and unit > price.tiers[entered].up_to:
            entered += 1
            paid += Fraction(price.tiers[entered].flat)
        paid += Fraction(price.tiers[entered].unit)
    return paid


@given(prices, st.integers(0, 70))
def test_the_cost_of_whole_units_is_what_serving_them_one_by_one_costs(price, quantity):
    assert cost(price, Fraction(quantity)) == walk(price, quantity)


@given(prices, st.lists(quantities, min_size=1, max_size=5))
def test_slices_add_up_to_the_whole(price, slices):
    billed, charged = Fraction(0), cost(price, Fraction(0))
    for part in slices:
        charged += cost(price, billed + part) - cost(price, billed)
        billed += part
    assert charged == cost(price, billed)


@given(prices, quantities, quantities)
def test_more_never_costs_less(price, one, more):
    assert cost(price, one) <= cost(price, one + more)


@given(prices, quantities)
def test_the_rows_of_the_formula_add_up_to_the_cost(price, quantity):
    rows = explain(price, quantity)
    assert sum(row.amount or 0 for row in rows) == cost(price, quantity)
    assert all(row.quantity * Fraction(row.unit_price or 0) == row.amount for row in rows)


@given(prices)
def test_a_price_survives_its_document(price):
    assert parse(document_of(price)) == price


def test_a_price_below_nothing_is_not_asked_for():
    with pytest.raises(NegativeQuantityError):
        cost(Unit(Decimal(1)), Fraction(-1))


def test_a_formula_names_the_tiers_that_were_entered():
    price = parse(
        {
            "kind": "graduated",
            "tiers": [
                {"up_to": "2", "unit": "0.80", "flat": "1"},
                {"up_to": "10", "unit": "0.60"},
                {"up_to": None, "unit": "0.45"},
            ],
        }
    )
    rows = explain(price, Fraction(5))
    assert [(row.text, str(row.quantity), str(row.amount)) for row in rows] == [
        ("up to 2, fixed amount", "1", "1"),
        ("up to 2", "2", "8/5"),
        ("above 2 up to 10", "3", "9/5"),
    ]


def tiers(*rows):
    return {"kind": "graduated", "tiers": list(rows)}


LAST = {"up_to": None, "unit": "1"}


@pytest.mark.parametrize(
    ("document", "field"),
    [
        ("0.02", "price"),
        ({}, "kind"),
        ({"kind": "free"}, "kind"),
        ({"kind": ["unit"]}, "kind"),
        ({"kind": "unit"}, "amount"),
        ({"kind": "unit", "amount": 0.02}, "amount"),
        ({"kind": "unit", "amount": 2}, "amount"),
        ({"kind": "unit", "amount": "-1"}, "amount"),
        ({"kind": "unit", "amount": "1e3"}, "amount"),
        ({"kind": "unit", "amount": "NaN"}, "amount"),
        ({"kind": "unit", "amount": "0.0000000000001"}, "amount"),
        ({"kind": "unit", "amount": "1\n"}, "amount"),
        ({"kind": "unit", "amount": "1", "per": "turn"}, "per"),
        ({"kind": "flat", "size": "1", "amount": "1"}, "size"),
        ({"kind": "package", "amount": "1"}, "size"),
        ({"kind": "package", "size": "0", "amount": "1"}, "size"),
        ({"kind": "graduated"}, "tiers"),
        (tiers(), "tiers"),
        ({"kind": "graduated", "tiers": "many"}, "tiers"),
        (tiers("first"), "tiers[0]"),
        (tiers({"unit": "1"}), "tiers[0].up_to"),
        (tiers({"up_to": None}), "tiers[0].unit"),
        (tiers({"up_to": "5", "unit": "1"}), "tiers[0].up_to"),
        (tiers(LAST, LAST), "tiers[0].up_to"),
        (tiers({"up_to": "0", "unit": "1"}, LAST), "tiers[0].up_to"),
        (tiers({"up_to": "5", "unit": "1"}, {"up_to": "5", "unit": "1"}, LAST), "tiers[1].up_to"),
        (tiers({"up_to": 5, "unit": "1"}, LAST), "tiers[0].up_to"),
        (tiers({"up_to": "5", "unit": "1", "flat": 1}, LAST), "tiers[0].flat"),
        (tiers({"up_to": "5", "unit": "1", "from": "0"}, LAST), "tiers[0].from"),
    ],
)
def test_a_wrong_document_names_the_field(document, field):
    with pytest.raises(PriceError) as caught:
        parse(document)
    assert caught.value.field == field
