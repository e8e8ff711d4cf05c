"""Prices as documents: read strictly, every wrong field named, written back without loss."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import PriceError
from billing.rating.prices import (
    Capacity,
    CreditRow,
    Credits,
    Matrix,
    MatrixRow,
    Percentage,
    StairStep,
    Unit,
    Volume,
    dimensions_of,
    document_of,
    parse,
    warnings,
)
from tests.billing.pricing import amounts, prices, tiers

ONE = {"kind": "unit", "amount": "1"}
classes = st.lists(st.sampled_from("abcdef"), min_size=1, max_size=6, unique=True)

percentages = st.builds(Percentage, amounts, amounts, amounts, st.none(), st.just("payment"))
matrices = st.builds(
    lambda names, price, other: Matrix(tuple(MatrixRow({"class": (name,)}, price) for name in names), other),
    classes,
    prices,
    prices,
)
credit_cards = st.builds(
    lambda names, each, amount: Credits(
        "credit", each, amount, tuple(CreditRow({"class": (name, f"{name}2")}, each) for name in names)
    ),
    classes,
    amounts,
    amounts,
)
every_kind = st.one_of(prices, percentages, st.builds(Capacity, prices), matrices, credit_cards)


@given(every_kind)
def test_a_price_survives_its_document(price):
    assert parse(document_of(price)) == price


def test_a_price_says_which_dimensions_it_looks_at():
    matrix = parse(matrix_of(({"model": "a", "hardware_class": ["gpu", "npu"]}, ONE), ({"model": "b"}, ONE)))
    assert dimensions_of(matrix) == {"model", "hardware_class"}
    assert dimensions_of(Percentage(Decimal(1), Decimal(1), transaction="payment")) == {"payment"}
    assert dimensions_of(Unit(Decimal(1))) == set()


def test_what_a_tier_does_not_say_costs_nothing():
    assert parse(table(FIRST, LAST, kind="volume")) == Volume(tiers(("5", "1", "0"), (None, "1", "0")))


def test_a_price_in_credits_takes_a_class_for_each_kind_of_work():
    price = parse(
        {
            "kind": "credits",
            "currency": "credit",
            "credits": "1",
            "amount": "0.01",
            "rows": [{"match": {"model": "large"}, "credits": "5"}],
        }
    )
    assert price == Credits("credit", Decimal(1), Decimal("0.01"), (CreditRow({"model": ("large",)}, Decimal(5)),))


def test_where_a_total_falls_is_said_with_the_amounts():
    volume = Volume(tiers(("5", "0", "100"), ("10", "0", "150"), ("15", "10", "0"), (None, "5", "0")))
    assert [str(fall) for fall in warnings(volume)] == [
        "tiers[2]: the total falls from 150 at 10 units to 100 just above",
        "tiers[3]: the total falls from 150 at 15 units to 75 just above",
    ]
    assert [fall.field for fall in warnings(Capacity(volume))] == ["price.tiers[2]", "price.tiers[3]"]
    rows = Matrix((MatrixRow({"class": ("a",)}, volume),), StairStep(tiers(("1", "0", "2"), (None, "0", "1"))))
    assert [fall.field for fall in warnings(rows)] == [
        "rows[0].price.tiers[2]",
        "rows[0].price.tiers[3]",
        "default.tiers[1]",
    ]
    assert warnings(Unit(Decimal(1))) == ()
    assert warnings(Volume(tiers(("5", "2", "0"), (None, "1", "5")))) == ()  # 10 on either side
    assert warnings(parse(table({"up_to": "5", "unit": "2"}, {"up_to": None, "unit": "1"}))) == ()


def table(*rows, kind="graduated"):
    return {"kind": kind, "tiers": list(rows)}


def matrix_of(*rows, default=ONE):
    return {"kind": "matrix", "rows": [{"match": match, "price": price} for match, price in rows], "default": default}


LAST = {"up_to": None, "unit": "1"}
FIRST = {"up_to": "5", "unit": "1"}
CREDITS = {"kind": "credits", "currency": "credit", "credits": "1", "amount": "1"}
PERCENT = {"kind": "percentage", "percent": "1"}


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
        (table(), "tiers"),
        ({"kind": "graduated", "tiers": "many"}, "tiers"),
        (table("first"), "tiers[0]"),
        (table({"unit": "1"}), "tiers[0].up_to"),
        (table({"up_to": None}), "tiers[0].unit"),
        (table(FIRST), "tiers[0].up_to"),
        (table(LAST, LAST), "tiers[0].up_to"),
        (table({"up_to": "0", "unit": "1"}, LAST), "tiers[0].up_to"),
        (table(FIRST, FIRST, LAST), "tiers[1].up_to"),
        (table({"up_to": 5, "unit": "1"}, LAST), "tiers[0].up_to"),
        (table({"up_to": "-5", "unit": "1"}, LAST), "tiers[0].up_to"),
        (table({"up_to": "5", "unit": "-1"}, LAST), "tiers[0].unit"),
        (table({"up_to": "5", "unit": "1", "flat": 1}, LAST), "tiers[0].flat"),
        (table({"up_to": "5", "unit": "1", "from": "0"}, LAST), "tiers[0].from"),
        (table(FIRST, LAST | {"above": "6"}), "tiers[1].above"),
        (table(FIRST, LAST | {"above": "4"}), "tiers[1].above"),
        (table(FIRST | {"above": "1"}, LAST), "tiers[0].above"),
        (table(FIRST, LAST | {"above": 5}), "tiers[1].above"),
        (table(FIRST, kind="volume"), "tiers[0].up_to"),
        (table(FIRST, {"up_to": "4", "unit": "1"}, LAST, kind="volume"), "tiers[1].up_to"),
        (table({"up_to": None, "flat": "1", "unit": "1"}, kind="stair_step"), "tiers[0].unit"),
        (table({"up_to": None}, kind="stair_step"), "tiers[0].flat"),
        ({"kind": "percentage"}, "percent"),
        (PERCENT | {"fixed": "1"}, "fixed"),
        (PERCENT | {"minimum": "1"}, "minimum"),
        (PERCENT | {"transaction": ""}, "transaction"),
        (PERCENT | {"transaction": "payment", "minimum": "2", "maximum": "1"}, "minimum"),
        ({"kind": "capacity"}, "price"),
        ({"kind": "capacity", "price": PERCENT}, "price.kind"),
        ({"kind": "capacity", "price": table(FIRST)}, "price.tiers[0].up_to"),
        ({"kind": "matrix", "default": ONE}, "rows"),
        ({"kind": "matrix", "rows": []}, "default"),
        (matrix_of(({}, ONE)), "rows[0].match"),
        (matrix_of(({"model": []}, ONE)), "rows[0].match.model"),
        (matrix_of(({"model": 1}, ONE)), "rows[0].match.model"),
        (matrix_of(({"model": [""]}, ONE)), "rows[0].match.model"),
        (matrix_of(({"model": ["a", 1]}, ONE)), "rows[0].match.model"),
        (matrix_of(({"model": "a"}, table(FIRST))), "rows[0].price.tiers[0].up_to"),
        (matrix_of(({"model": "a"}, matrix_of())), "rows[0].price.kind"),
        (matrix_of(({"model": "a"}, {"kind": "unit", "amount": "-1"})), "rows[0].price.amount"),
        (matrix_of(default=table({"up_to": 1, "unit": "1"})), "default.tiers[0].up_to"),
        (matrix_of(({"model": "a"}, ONE), ({"model": ["b", "a"]}, ONE)), "rows[1].match"),
        (matrix_of(({"model": "a"}, ONE), ({"hardware_class": "gpu"}, ONE)), "rows[1].match"),
        (CREDITS | {"currency": "EUR"}, "currency"),
        (CREDITS | {"credits": 1}, "credits"),
        (CREDITS | {"currency": ""}, "currency"),
        (CREDITS | {"rows": [{"match": {"model": "a"}}]}, "rows[0].credits"),
        (CREDITS | {"rows": [{"match": {}, "credits": "1"}]}, "rows[0].match"),
        (CREDITS | {"allowance": "1"}, "allowance"),
    ],
)
def test_a_wrong_document_names_the_field(document, field):
    with pytest.raises(PriceError) as caught:
        parse(document)
    assert caught.value.field == field


@pytest.mark.parametrize(("above", "fault"), [("6", "leaves a gap after 5"), ("4", "overlaps the tier up to 5")])
def test_a_tier_may_say_where_it_begins_and_is_taken_at_its_word(above, fault):
    assert parse(table(FIRST | {"above": "0"}, LAST | {"above": "5"})) == parse(table(FIRST, LAST))
    with pytest.raises(PriceError, match=fault):
        parse(table(FIRST, LAST | {"above": above}))


def test_rows_are_not_ambiguous_where_a_more_specific_one_takes_what_both_match():
    both = {"model": "a", "hardware_class": "gpu"}
    parse(matrix_of(({"model": "a"}, ONE), ({"hardware_class": "gpu"}, ONE), (both, ONE)))
    with pytest.raises(PriceError, match=r"rows\[1\].match: is as specific as rows\[0\]"):
        parse(matrix_of(({"model": ["a", "b"]}, ONE), ({"hardware_class": "gpu"}, ONE), (both, ONE)))
