"""Worked examples of a rate card: what a quantity comes to, chosen where the price changes unless it is asked for."""

from decimal import Decimal

import pytest

from billing import worked
from billing.rating import prices
from billing.rating.card import Card


def card(price, **more):
    return Card(**{"key": "x", "name": "X", "unit": "unit", "meter": "turns", "price": prices.parse(price)} | more)


def amounts(found):
    return [(one.quantity, str(one.amount)) for one in found]


UNIT = {"kind": "unit", "amount": "0.10"}
VOLUME = {"kind": "volume", "tiers": [{"up_to": "100", "unit": "0.10"}, {"up_to": "inf", "unit": "0.05"}]}


def test_quantities_asked_for_are_worked_out():
    found = worked.work(card=card(UNIT), currency="EUR", quantities=[Decimal(3), Decimal("4.5")])
    assert amounts(found) == [(Decimal(3), "0.30 EUR"), (Decimal("4.5"), "0.45 EUR")]


@pytest.mark.parametrize(
    ("price", "more", "quantities"),
    [
        (UNIT, {}, (10, 100, 1000)),
        (UNIT, {"allowance": Decimal(5)}, (15, 105, 1005)),
        (VOLUME, {}, (100, 200, 300)),
        ({"kind": "capacity", "price": VOLUME}, {}, (100, 200, 300)),
    ],
)
def test_three_telling_quantities_are_chosen(price, more, quantities):
    assert worked.telling(card(price, **more)) == tuple(map(Decimal, quantities))


def test_of_many_tiers_the_first_bounds_and_one_beyond_are_shown():
    tiers = [{"up_to": str(10 * step), "unit": "1"} for step in (1, 2, 3)] + [{"up_to": "inf", "unit": "1"}]
    assert worked.telling(card({"kind": "graduated", "tiers": tiers})) == (Decimal(10), Decimal(20), Decimal(40))


def test_a_fixed_fee_has_one_example():
    fee = card({"kind": "flat", "amount": "49"}, meter="")
    assert amounts(worked.work(card=fee, currency="USD")) == [(Decimal(1), "49.00 USD")]


def test_quantities_are_in_the_cards_own_unit():
    thousands = card(UNIT, divide_by=Decimal(1000), rounding="up")
    assert amounts(worked.work(card=thousands, currency="EUR", quantities=[Decimal(3)])) == [(Decimal(3), "0.30 EUR")]
    seats = card({"kind": "unit", "amount": "29"}, per_period=True)
    assert amounts(worked.work(card=seats, currency="EUR", quantities=[Decimal("2.5")])) == [
        (Decimal("2.5"), "72.50 EUR")
    ]


def test_a_price_by_dimensions_is_shown_row_by_row():
    price = {"kind": "matrix", "rows": [{"match": {"agent": ["a", "b"]}, "price": UNIT}], "default": VOLUME}
    found = worked.work(card=card(price), currency="EUR", quantities=[Decimal(200)])
    assert [(one.group, str(one.amount)) for one in found] == [({"agent": "a"}, "20.00 EUR"), ({}, "10.00 EUR")]


def test_a_price_in_credits_shows_each_class():
    price = {
        "kind": "credits",
        "currency": "spark",
        "credits": "1",
        "amount": "0.01",
        "rows": [{"match": {"agent": "a"}, "credits": "10"}],
    }
    found = worked.work(card=card(price), currency="EUR", quantities=[Decimal(100)])
    assert [str(one.amount) for one in found] == ["10.00 EUR", "1.00 EUR"]


def test_a_percentage_is_of_one_transaction():
    price = {"kind": "percentage", "percent": "2", "fixed": "0.30", "transaction": "order"}
    found = worked.work(card=card(price), currency="EUR", quantities=[Decimal(100)])
    assert amounts(found) == [(Decimal(100), "2.30 EUR")]
