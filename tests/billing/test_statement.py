"""Statements: what happens around the prices, in which order, and that every line adds up to the total."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import RatingError
from billing.money import Money, round_half_up
from billing.periods import Period, split
from billing.rating.kinds import Credits, Unit
from billing.rating.statement import (
    Discount,
    Draw,
    Grant,
    LineKind,
    Pool,
    Service,
    TaxRate,
    TaxRule,
    Terms,
    Treatment,
    rate,
)
from tests.billing.pricing import DAY, JANUARY, amounts, bill, card, euro, fee, prices, shown

TEN_DAYS = Period(JANUARY.starts_at, JANUARY.starts_at + timedelta(days=10))
ONE = Unit(Decimal(1))


def percent(number: str, *cards: str, key="rebate") -> Discount:
    return Discount(key, "Rebate", percent=Decimal(number), cards=cards)


def off(amount: str, *cards: str, key="voucher") -> Discount:
    return Discount(key, "Voucher", amount=euro(amount), cards=cards)


def two(first: str, second: str, **terms):
    return bill(card(ONE, "a"), card(ONE, "b"), usage={"a": first, "b": second}, **terms)


def vat(number="20", *cards: str, **fields) -> TaxRule:
    return TaxRule((TaxRate("vat", "VAT", Decimal(number), cards),), **fields)


# --- discounts


def test_discounts_are_taken_in_order_each_on_what_those_before_have_left():
    # 100: less 10 % is 90, less 5.00 is 85; the other way round 95, 85.50.
    assert str(bill(fee("100"), discounts=(percent("10"), off("5"))).total) == "85.00 EUR"
    assert str(bill(fee("100"), discounts=(off("5"), percent("10"))).total) == "85.50 EUR"


def test_a_discount_is_a_line_of_its_own_for_each_card_with_its_formula():
    rated = two("30", "60", discounts=(percent("12.5", "b"),))
    assert shown(rated) == [("charge", "a", "30.00"), ("charge", "b", "60.00"), ("discount", "b", "-7.50")]
    line = rated.lines[-1]
    assert (line.description, line.source) == ("Rebate: B", "rebate")
    assert line.detail() == [
        {"text": "12.5 % of 60.00 EUR", "quantity": "60", "unit_price": "-0.125", "amount": "-7.5"}
    ]


def test_a_discount_may_be_the_whole_and_a_tax_as_much_again():
    assert bill(fee("40"), discounts=(percent("100"),)).total == euro("0")
    assert bill(fee("40"), tax=vat("100")).total == euro("80")


def test_a_discount_takes_its_part_of_a_few_cents_too():
    rated = bill(card(ONE), usage={"card": "0.50"}, discounts=(percent("50"),))
    assert shown(rated)[1:] == [("discount", "card", "-0.25")]


def test_a_line_around_the_prices_counts_one():
    rated = two(
        "80",
        "90",
        discounts=(percent("10"), off("1")),
        maximum=euro("100"),
        minimum=euro("120"),
        promotions=(Grant("gift", "Gift", Decimal(5), "EUR"),),
        tax=vat(),
    )
    around = [line for line in rated.lines if line.kind != LineKind.CHARGE]
    assert {str(line.kind) for line in around} == {"discount", "maximum", "minimum", "credit", "tax"}
    assert {(str(line.quantity), line.unit, line.meter) for line in around} == {("1", "", "")}
    assert rated.lines[-2].rows[0].text == "of 5.00 EUR left, 71.53 EUR due"


def test_an_amount_is_split_in_proportion_by_largest_remainder():
    rated = bill(*(card(ONE, key) for key in "abc"), usage=dict.fromkeys("abc", "33.33"), discounts=(off("10"),))
    assert [amount for kind, _, amount in shown(rated) if kind == "discount"] == ["-3.34", "-3.33", "-3.33"]


def test_a_discount_never_takes_more_than_there_is():
    assert shown(two("3", "4", discounts=(off("100"), percent("50")))) == [
        ("charge", "a", "3.00"),
        ("charge", "b", "4.00"),
        ("discount", "a", "-3.00"),
        ("discount", "b", "-4.00"),
    ]
    assert shown(two("0", "0", discounts=(off("1"), percent("10")))) == [
        ("charge", "a", "0.00"),
        ("charge", "b", "0.00"),
    ]


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"percent": Decimal(1), "amount": Money(Decimal(1), "EUR")},
        {"percent": Decimal(0)},
        {"percent": Decimal(101)},
        {"amount": Money(Decimal(0), "EUR")},
    ],
)
def test_a_discount_that_says_nothing_or_too_much_is_refused(fields):
    with pytest.raises(RatingError, match="discount x"):
        Discount("x", "X", **fields)


# --- the most and the least


def test_a_maximum_takes_off_what_is_above_it_after_discounts():
    cards = card(Unit(Decimal(10)), maximum=Decimal(100))
    assert shown(bill(cards, usage={"card": "27"}, discounts=(percent("50"),))) == [
        ("charge", "card", "270.00"),
        ("discount", "card", "-135.00"),
        ("maximum", "card", "-35.00"),
    ]
    assert str(bill(cards, usage={"card": "10"}).total) == "100.00 EUR"


def test_the_plans_maximum_is_a_discount_on_the_line_that_crosses_it_and_on_those_after():
    rated = bill(*(card(ONE, key) for key in "abc"), usage={"a": "60", "b": "70", "c": "5"}, maximum=euro("100"))
    assert shown(rated)[3:] == [("maximum", "b", "-30.00"), ("maximum", "c", "-5.00")]
    assert rated.total == euro("100")


def test_what_is_missing_to_a_minimum_is_a_line_of_its_own_prorated_with_the_period():
    commitment = card(ONE, minimum=Decimal(310))
    assert shown(bill(commitment, usage={"card": "20"})) == [("charge", "card", "20.00"), ("minimum", "card", "290.00")]
    assert shown(bill(commitment, usage={"card": "20"}, period=TEN_DAYS))[1] == ("minimum", "card", "80.00")
    assert len(bill(commitment, usage={"card": "310"}).lines) == 1


def test_the_plans_minimum_looks_at_all_that_was_charged():
    rated = two("20", "30", minimum=euro("100"), discounts=(percent("10"),))
    assert shown(rated)[-1] == ("minimum", "", "55.00")
    assert rated.lines[-1].detail() == [
        {"text": "at least 100", "quantity": "1", "unit_price": "100", "amount": "100"},
        {"text": "charged before", "quantity": "1", "unit_price": "-45", "amount": "-45"},
    ]


# --- allowances that are shared, or carried over


def test_a_pool_is_used_up_in_the_order_of_its_cards_after_their_own_allowance():
    pool = Pool("shared", "Shared turns", Decimal(100), cards=("b", "a"))
    rated = bill(
        card(ONE, "a"),
        card(ONE, "b", allowance=Decimal(10)),
        card(ONE, "c"),
        usage={"a": "80", "b": "50", "c": "7"},
        pools=(pool,),
    )
    # b: 50 less 10 of its own less 40 of the pool; a: 80 less the 60 that are left; c shares nothing.
    assert shown(rated) == [("charge", "a", "20.00"), ("charge", "b", "0.00"), ("charge", "c", "7.00")]
    assert [row.text for row in rated.lines[0].rows] == ["80 used, 60 left in Shared turns", "each"]


def test_unused_units_are_carried_over_up_to_the_bound_and_used_in_the_next_period():
    data = card(ONE, allowance=Decimal(100), rollover=Decimal(50))
    assert bill(data, usage={"card": "30"}).carried == {"card": Decimal(50)}
    assert bill(data, usage={"card": "80"}).carried == {"card": Decimal(20)}
    later = bill(data, usage={"card": "130"}, rollover={"card": Decimal(20)})
    assert (later.total, later.carried) == (euro("10.00"), {"card": Decimal(0)})
    assert later.lines[0].rows[0].text == "130 used, 120 included, 20 of them carried over"
    assert bill(card(ONE, allowance=Decimal(100))).carried == {}
    assert bill(card(ONE, rollover=Decimal(50)), usage={"card": "3"}).carried == {"card": Decimal(0)}


def test_a_pool_is_carried_over_too():
    pool = Pool("shared", "Shared", Decimal(100), cards=("a", "b"), rollover=Decimal(30))
    assert two("50", "45", pools=(pool,)).carried == {"shared": Decimal(5)}
    assert two("0", "0", pools=(pool,)).carried == {"shared": Decimal(30)}
    assert two("0", "0", pools=(Pool("shared", "Shared", Decimal(100), cards=("a",)),)).carried == {}
    assert two("0", "0", pools=(replace(pool, cards=()),)).carried == {"shared": Decimal(30)}
    assert two("100", "25", pools=(pool,), rollover={"shared": Decimal(30)}).carried == {"shared": Decimal(5)}


@pytest.mark.parametrize(
    ("pools", "message"),
    [
        ([("a", ("a",))], "keys of cards and pools must differ"),
        ([("p", ("a",)), ("q", ("a", "b"))], "one pool at most"),
        ([("p", ("a", "z"))], "no card is named z"),
    ],
)
def test_pools_that_contradict_each_other_are_refused(pools, message):
    with pytest.raises(RatingError, match=message):
        two("1", "1", pools=tuple(Pool(key, key, Decimal(1), cards) for key, cards in pools))


# --- promotional credit


def test_grants_pay_before_tax_in_their_order_and_say_what_they_paid():
    grants = (Grant("old", "Welcome", Decimal(30), "EUR", ("b",)), Grant("new", "Sorry", Decimal(100), "EUR"))
    rated = two("50", "40", promotions=grants, tax=vat())
    assert shown(rated)[2:] == [
        ("credit", "b", "-30.00"),
        ("credit", "a", "-50.00"),
        ("credit", "b", "-10.00"),
    ]
    assert rated.draws == (
        Draw("old", "b", Decimal("30.00"), "EUR"),
        Draw("new", "a", Decimal("50.00"), "EUR"),
        Draw("new", "b", Decimal("10.00"), "EUR"),
    )
    assert (rated.subtotal, rated.tax, rated.total) == (euro("0"), euro("0"), euro("0"))


def test_grants_in_credits_are_units_that_come_after_the_pool():
    def priced(key: str, each: str):
        return card(Credits("credit", Decimal(each), Decimal("0.10")), key)

    rated = bill(
        priced("turns", "2"),
        priced("tasks", "10"),
        usage={"turns": "20", "tasks": "7"},
        pools=(Pool("included", "Included credits", Decimal(50), cards=("turns", "tasks")),),
        promotions=(
            Grant("gift", "Gift", Decimal(15), "credit", ("tasks",)),
            Grant("other", "Other", Decimal(99), "token"),
            Grant("money", "Money", Decimal(1), "EUR"),
        ),
    )
    # turns take 40 of 50; tasks take 70: the 10 left, 15 of the gift, and 45 are paid for, 1.00 of it by the money.
    assert shown(rated) == [("charge", "turns", "0.00"), ("charge", "tasks", "4.50"), ("credit", "tasks", "-1.00")]
    assert rated.draws == (
        Draw("gift", "tasks", Decimal(15), "credit"),
        Draw("money", "tasks", Decimal("1.00"), "EUR"),
    )


# --- tax


def test_tax_is_a_line_for_each_rate_on_what_is_left_of_the_cards_it_names():
    rule = TaxRule((TaxRate("full", "VAT", Decimal(20), ("a",)), TaxRate("low", "VAT reduced", Decimal("5.5"), ("b",))))
    rated = two("100", "33.33", discounts=(percent("10", "a"),), tax=rule)
    assert shown(rated)[3:] == [("tax", "", "18.00"), ("tax", "", "1.83")]  # 33.33 x 5.5 % = 1.83315
    assert [line.description for line in rated.lines[3:]] == ["VAT 20 %", "VAT reduced 5.5 %"]
    assert (rated.subtotal, rated.tax, rated.total) == (euro("123.33"), euro("19.83"), euro("143.16"))


def test_two_taxes_on_one_line_are_both_on_the_net_and_the_plans_own_lines_are_taxed():
    rule = TaxRule((TaxRate("state", "State", Decimal(6)), TaxRate("city", "City", Decimal(2))))
    rated = bill(fee("40"), minimum=euro("100"), tax=rule)
    assert shown(rated)[1:] == [("minimum", "", "60.00"), ("tax", "", "6.00"), ("tax", "", "2.00")]
    only_plan = TaxRule((TaxRate("plan", "Plan", Decimal(10), ("",)),))
    assert bill(fee("40"), minimum=euro("100"), tax=only_plan).tax == euro("6.00")


@pytest.mark.parametrize("treatment", [Treatment.REVERSE, Treatment.EXEMPT])
def test_who_is_not_taxed_has_a_line_that_says_why(treatment):
    rated = bill(fee("40"), tax=vat(treatment=treatment, note="Reverse charge: tax is due by the recipient"))
    line = rated.lines[-1]
    assert (line.kind, line.description) == (LineKind.TAX, "Reverse charge: tax is due by the recipient")
    assert (line.amount, line.source, rated.total) == (euro("0"), treatment.value, euro("40"))


def test_tax_rules_that_cannot_be_are_refused():
    with pytest.raises(RatingError, match="needs a note"):
        vat(treatment=Treatment.EXEMPT)
    with pytest.raises(RatingError, match="101 is no percentage"):
        vat("101")


# --- other periods, other lines


def test_a_card_may_be_charged_for_another_period_than_the_invoices():
    february = Period(JANUARY.ends_at, JANUARY.ends_at + timedelta(days=28))
    half = Period(february.starts_at + timedelta(days=14), february.ends_at)
    rated = bill(fee("28", minimum=Decimal(20)), card(ONE), services={"base": Service(half, february)})
    assert shown(rated) == [("charge", "base", "14.00"), ("charge", "card", "0.00")]
    assert [(line.starts_at, line.ends_at) for line in rated.lines] == [
        (half.starts_at, half.ends_at),
        (JANUARY.starts_at, JANUARY.ends_at),
    ]


def test_lines_worked_out_elsewhere_are_taken_as_they_are_and_taxed():
    unused = replace(bill(fee("10")).lines[0], amount=-euro("10"), description="Unused time")
    rated = bill(fee("100"), discounts=(percent("50"),), minimum=euro("50"), adjustments=(unused,), tax=vat())
    assert [amount for _, _, amount in shown(rated)] == ["100.00", "-50.00", "-10.00", "8.00"]
    assert rated.total == euro("48.00")


def test_a_meter_that_nobody_read_is_no_meter_at_zero():
    with pytest.raises(RatingError, match="card: nobody read the meter 'turns'"):
        rate(Terms(cards=(card(ONE),), usage={}, period=JANUARY, full=JANUARY, currency="EUR"))


# --- properties

usages = st.decimals(0, 200, places=3).map(str)
keys = st.sampled_from("abc")
limits = st.one_of(st.just(()), st.tuples(keys))
some_discounts = st.lists(
    st.one_of(
        st.builds(lambda number, cards: percent(str(number), *cards), st.decimals("0.01", 100, places=2), limits),
        st.builds(lambda number, cards: off(str(number), *cards), st.decimals("0.01", 100, places=2), limits),
    ),
    max_size=4,
)
some_money = st.one_of(st.none(), st.decimals(0, 300, places=2))
some_grants = st.lists(st.decimals(0, 100, places=2), max_size=3)


@st.composite
def statements(draw):
    cards = [
        card(draw(prices), key, allowance=draw(amounts), minimum=draw(some_money), maximum=draw(some_money))
        for key in "abc"
    ]
    minimum, maximum = draw(some_money), draw(some_money)
    return bill(
        *cards,
        usage={key: draw(usages) for key in "abc"},
        discounts=tuple(draw(some_discounts)),
        minimum=None if minimum is None else Money(minimum, "EUR"),
        maximum=None if maximum is None else Money(maximum, "EUR"),
        promotions=tuple(Grant(str(at), "Grant", left, "EUR") for at, left in enumerate(draw(some_grants))),
        tax=vat(str(draw(st.decimals(0, 30, places=2)))),
    )


@given(statements())
def test_no_cent_is_gained_or_lost_and_nothing_falls_below_zero(rated):
    assert rated.subtotal + rated.tax == rated.total
    assert sum((line.amount.amount for line in rated.lines), Decimal(0)) == rated.total.amount
    for key in ("a", "b", "c", ""):
        net = euro("0")
        for line in rated.lines:
            if line.card == key and line.kind != LineKind.TAX:
                net += line.amount
                assert net >= euro("0")


@given(statements())
def test_every_lines_formula_adds_up_to_its_amount(rated):
    for line in rated.lines:
        exact = sum((Fraction(row.amount) for row in line.rows if row.amount is not None), Fraction(0))
        assert round_half_up(exact, "EUR") == line.amount


@given(statements())
def test_every_row_multiplies_out(rated):
    rows = [row for line in rated.lines for row in line.rows if row.unit_price is not None]
    assert all(Fraction(row.quantity) * Fraction(row.unit_price) == row.amount for row in rows)


@given(st.lists(usages, min_size=3, max_size=3), some_grants)
def test_grants_pay_all_they_can_and_no_more(used, left):
    grants = tuple(Grant(str(at), "Grant", remaining, "EUR") for at, remaining in enumerate(left))
    usage = dict(zip("abc", used, strict=True))
    before = bill(*(card(ONE, key) for key in "abc"), usage=usage).total
    rated = bill(*(card(ONE, key) for key in "abc"), usage=usage, promotions=grants)
    drawn = {grant.key: Decimal(0) for grant in grants}
    for draw in rated.draws:
        drawn[draw.grant] += draw.quantity
    assert all(drawn[grant.key] <= grant.remaining for grant in grants)
    assert sum(drawn.values(), Decimal(0)) == min(before.amount, sum(left, Decimal(0)))
    assert rated.total.amount == before.amount - sum(drawn.values(), Decimal(0))


@given(st.lists(st.decimals(0, 50, places=2), min_size=3, max_size=3), st.decimals(0, 60, places=2))
def test_rounded_draws_of_credits_never_exceed_what_the_grant_had(used, remaining):
    cards = [card(Credits("credit", Decimal(1), Decimal(1)), key, divide_by=Decimal(7)) for key in "abc"]
    gift = Grant("gift", "Gift", remaining, "credit")
    rated = bill(*cards, usage=dict(zip("abc", map(str, used), strict=True)), promotions=(gift,))
    drawn = sum((draw.quantity for draw in rated.draws), Decimal(0))
    assert drawn <= remaining
    wanted = sum(map(Fraction, used), Fraction(0)) / 7
    assert abs(Fraction(drawn) - min(wanted, Fraction(remaining))) <= Fraction(1, 10**12)


@given(st.lists(usages, min_size=3, max_size=3), st.decimals(0, 300, places=3), st.permutations("abc"))
def test_a_pool_gives_what_it_has_whatever_the_order(used, shared, order):
    pool = Pool("pool", "Pool", shared, cards=tuple(order), rollover=Decimal(1000))
    rated = bill(*(card(ONE, key) for key in "abc"), usage=dict(zip("abc", used, strict=True)), pools=(pool,))
    paid = sum((row.amount for line in rated.lines for row in line.rows if row.amount is not None), Decimal(0))
    wanted = sum(map(Decimal, used), Decimal(0))
    assert paid == max(wanted - shared, Decimal(0))
    assert rated.carried["pool"] == max(shared - wanted, Decimal(0))


@given(
    amounts, st.lists(st.integers(1, 31 * DAY - 1), min_size=1, max_size=4, unique=True), st.decimals(0, 90, places=2)
)
def test_a_period_cut_anywhere_sums_to_the_whole_for_linear_prices(each, cuts, monthly):
    parts, rest = [], JANUARY
    for cut in sorted(cuts):
        part, rest = split(period=rest, at=JANUARY.starts_at + timedelta(seconds=cut))
        parts.append(part)
    parts.append(rest)

    def exact(period):
        lines = bill(
            fee(str(monthly)),
            card(Unit(each), divide_by=Decimal(7)),
            usage={"card": str(int(period.seconds))},
            period=period,
        ).lines
        return sum((Fraction(row.amount) for line in lines for row in line.rows if row.amount is not None), Fraction(0))

    assert sum(map(exact, parts), Fraction(0)) == exact(JANUARY)


@given(amounts, st.lists(usages, min_size=2, max_size=5), st.decimals(0, 100, places=2))
def test_bills_of_growing_usage_differ_by_what_came_in_between(each, slices, least):
    """What is charged now is what is due now less what was charged: no slice is rounded by itself."""
    plan = card(Unit(each), minimum=least)
    charged, so_far = euro("0"), Decimal(0)
    for part in slices:
        so_far += Decimal(part)
        charged += bill(plan, usage={"card": str(so_far)}).total - charged
    assert charged == bill(plan, usage={"card": str(so_far)}).total
