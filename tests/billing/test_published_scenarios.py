"""Amounts that other billing systems publish for the same questions: an oracle that we did not compute.

Named after the system and its own example: OpenMeter's graduated tiers and packages, Lago's graduated ranges and
packages, Flexprice's slabs, Polar's metered units and proration.
"""

from decimal import Decimal
from fractions import Fraction

import pytest

from billing.money import Money, round_half_up
from billing.rating.cost import cost
from billing.rating.prices import Graduated, Package, Tier, Unit


def tiers(*rows: tuple[str | None, str, str]) -> Graduated:
    return Graduated(
        tuple(Tier(None if up is None else Decimal(up), Decimal(unit), Decimal(flat)) for up, unit, flat in rows)
    )


OPENMETER_1 = tiers(("5", "0", "100"), ("10", "0", "50"), ("15", "5", "0"), (None, "1", "0"))
OPENMETER_2 = tiers(("5", "0", "100"), ("10", "0", "50"), ("15", "10", "0"), (None, "5", "0"))
LAGO = tiers(("10", "10", "2"), ("20", "5", "3"), (None, "5", "3"))
LAGO_DECIMAL = tiers(("0.1", "10", "0"), ("1", "5", "0"), (None, "2", "0"))
SLABS = tiers(("10", "50", "0"), ("20", "40", "0"), (None, "30", "0"))
FREE_FIRST = tiers(("5", "0", "0"), ("10", "2", "0"), (None, "3", "0"))
SEATS = tiers(("10", "1000", "0"), ("50", "800", "0"), (None, "600", "0"))
TEN_FOR_15 = Package(size=Decimal(10), amount=Decimal(15))
HUNDRED_FOR_1 = Package(size=Decimal(100), amount=Decimal(1))


@pytest.mark.parametrize(
    ("price", "quantity", "expected"),
    [
        (OPENMETER_2, "0", "100"),
        (OPENMETER_2, "3", "100"),
        (OPENMETER_2, "5", "100"),
        (OPENMETER_2, "5.001", "150"),
        (OPENMETER_2, "10", "150"),
        (OPENMETER_2, "7", "150"),
        (LAGO, "0", "2"),
        (LAGO, "1", "12"),
        (LAGO, "11", "110"),
        (LAGO, "12", "115"),
        (LAGO_DECIMAL, "0.5", "3"),
        (SLABS, "5", "250"),
        (SLABS, "15", "700"),
        (SLABS, "25", "1050"),
        (FREE_FIRST, "3", "0"),
        (FREE_FIRST, "5", "0"),
        (FREE_FIRST, "15", "25"),
        (SEATS, "5", "5000"),
        (SEATS, "15", "14000"),
        (SEATS, "50", "42000"),
        (SEATS, "100", "72000"),
        (TEN_FOR_15, "10", "15"),
        (TEN_FOR_15, "5", "15"),
        (Package(Decimal(10), Decimal(100)), "121", "1300"),
        (Package(Decimal(10), Decimal(100)), "111", "1200"),
        (HUNDRED_FOR_1, "2", "1"),
        (HUNDRED_FOR_1, "100", "1"),
        (HUNDRED_FOR_1, "101", "2"),
        (HUNDRED_FOR_1, "300", "3"),
    ],
)
def test_a_quantity_costs_what_others_publish(price, quantity, expected):
    assert cost(price, Fraction(quantity)) == Fraction(expected)


@pytest.mark.parametrize(("price", "billed", "now", "expected"), [(OPENMETER_1, 12, 22, 22), (TEN_FOR_15, 17, 22, 15)])
def test_a_later_slice_costs_the_difference_of_two_totals(price, billed, now, expected):
    assert cost(price, Fraction(now)) - cost(price, Fraction(billed)) == expected


@pytest.mark.parametrize(
    ("unit", "quantity", "expected"),
    [
        ("1.00", "1.994", "1.99"),
        ("0.000000000001", "1000000", "0.00"),
        ("0.000000000001", "10000000000", "0.01"),
    ],
)
def test_prices_below_a_cent_are_rounded_once_on_the_line(unit, quantity, expected):
    assert round_half_up(cost(Unit(Decimal(unit)), Fraction(quantity)), "USD") == Money(Decimal(expected), "USD")


@pytest.mark.parametrize(
    ("fee", "part", "currency", "expected"),
    [
        ("100", Fraction(10, 31), "USD", "32.26"),
        ("1000", Fraction(10, 31), "JPY", "323"),
        ("910", Fraction(32, 91), "EUR", "320.00"),
        ("100000", Fraction(14, 31), "EUR", "45161.29"),
    ],
)
def test_a_fee_for_part_of_a_period_is_what_others_publish(fee, part, currency, expected):
    assert round_half_up(Fraction(fee) * part, currency) == Money(Decimal(expected), currency)
