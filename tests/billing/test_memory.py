"""Memory: customers rated one after the other are charged what each would be alone, though some of it is done once."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.errors import NegativeQuantityError, RatingError
from billing.periods import Period, split
from billing.rating import memory
from billing.rating.kinds import Credits, Unit
from billing.rating.memory import remembering
from billing.rating.statement import Discount, Grant, Pool, Service, Terms, ZeroRate, rate
from tests.billing.pricing import JANUARY, card, euro, fee, prices, used

WHOLE = st.integers(0, 5).map(Decimal)  # few, so that customers meet
FIRST, SECOND = split(period=JANUARY, at=JANUARY.starts_at + (JANUARY.ends_at - JANUARY.starts_at) / 3)
METERED = card(Unit(Decimal(2)), "calls")

cards = st.builds(
    card,
    st.one_of(prices, st.builds(lambda amount: Credits("credit", Decimal(1), amount), st.just(Decimal("0.5")))),
    st.just(""),
    divide_by=st.sampled_from([Decimal(1), Decimal(3)]),
    rounding=st.sampled_from(["none", "up"]),
    allowance=WHOLE,
    rollover=st.sampled_from([Decimal(0), Decimal(2)]),
    minimum=st.sampled_from([None, Decimal(4)]),
    maximum=st.sampled_from([None, Decimal(40)]),
    zero_rates=st.sampled_from([(), (ZeroRate("own", "own", {"class": ["cpu"]}),)]),
)
plans = st.lists(cards, min_size=1, max_size=3).map(
    lambda drawn: (fee("9.99"), *(replace(one, key=f"card{at}", name=f"Card {at}") for at, one in enumerate(drawn)))
)


@st.composite
def customers(draw):
    """Return the terms of customers on one plan, each with usage, a period and credit of its own."""
    plan = draw(plans)
    grants = st.sampled_from(
        [(), (Grant("gift", "Gift", Decimal(3), "EUR"),), (Grant("c", "C", Decimal(2), "credit"),)]
    )
    pools = st.sampled_from([(), (Pool("pool", "Pool", Decimal(3), (plan[-1].key,)),)])
    return [
        Terms(
            cards=plan,
            usage={one.key: used(draw(WHOLE), draw(st.sampled_from(["turn", "second"]))) for one in plan if one.meter},
            period=draw(st.sampled_from([FIRST, SECOND, JANUARY])),
            full=JANUARY,
            currency="EUR",
            discounts=draw(st.sampled_from([(), (Discount("d", "D", percent=Decimal("12.5")),)])),
            promotions=draw(grants),
            pools=draw(pools),
            rollover=draw(st.sampled_from([{}, {plan[-1].key: Decimal(1)}])),
            services=draw(st.sampled_from([{}, {"base": Service(SECOND, JANUARY)}])),
        )
        for _ in range(draw(st.integers(2, 6)))
    ]


@given(customers())
def test_who_is_rated_with_others_is_charged_as_if_alone(terms):
    with remembering():
        together = [rate(one) for one in terms]
    assert together == [rate(one) for one in terms]
    assert [[line.detail() for line in one.lines] for one in together] == [
        [line.detail() for line in rate(one).lines] for one in terms
    ]


def terms(quantity, *, card=METERED, period=JANUARY, **fields):
    usage = {card.key: used(quantity)} if card.meter else {}
    return Terms(cards=(card,), usage=usage, period=period, full=JANUARY, currency="EUR", **fields)


def lines(*asked):
    with remembering():
        return [rate(one).lines[0] for one in asked]


def test_the_lines_of_those_who_used_as_much_are_made_once():
    first, second, other = lines(terms("7"), terms("7.000"), terms("8"))
    assert first is second
    assert (first.amount, other.amount) == (euro("14"), euro("16"))


def test_so_is_a_fixed_fee_in_each_period_of_its_own():
    base = fee("31")
    whole, again, part = lines(*(terms("0", card=base, period=period) for period in (JANUARY, JANUARY, FIRST)))
    assert whole is again
    assert (whole.amount, part.amount) == (euro("31"), euro("10.33"))


def test_a_card_that_looks_the_same_is_another_card():
    first, second = lines(terms("7"), terms("7", card=replace(METERED)))
    assert first == second
    assert first is not second


def test_parts_of_a_unit_are_not_kept_for_they_hardly_come_again():
    first, second = lines(terms("7.125"), terms("7.125"))
    assert first == second
    assert first is not second


def test_nothing_is_kept_after_or_without():
    kept = lines(terms("7"))[0]
    assert rate(terms("7")).lines[0] is not kept
    assert lines(terms("7"))[0] is not kept


def test_what_is_kept_is_bounded(monkeypatch):
    monkeypatch.setattr(memory, "_MOST", 3)  # the card and two quantities
    one, _, _, again, more = lines(*(terms(quantity) for quantity in ("1", "2", "3", "1", "1")))
    assert one == again
    assert one is not again
    assert again is more


def test_what_cannot_be_rated_is_refused_every_time():
    with remembering():
        for _ in range(2):
            with pytest.raises(NegativeQuantityError):
                rate(terms("-1"))
            with pytest.raises(RatingError, match="nobody read the meter"):
                rate(replace(terms("1"), usage={}))


def test_a_period_of_another_length_is_another_period():
    longer = Period(JANUARY.starts_at, JANUARY.ends_at.replace(day=2))
    seats = card(Unit(Decimal(100)), "seats", per_period=True)
    month, more = lines(terms("86400", card=seats), replace(terms("86400", card=seats), period=longer, full=longer))
    assert (month.amount, more.amount) == (euro("3.23"), euro("3.13"))  # a day of 31, a day of 32
