"""Coupons: redeemed within their window, applied in order, and counted once a closed period."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing import coupons
from billing.errors import CouponError
from billing.models import Coupon, InvoiceLine, Redemption, RedemptionUse
from billing.models.invoices import Moment
from billing.money import Money, zero
from billing.rating.statement import Line, LineKind
from tests.billing import agreed
from tests.billing.conftest import JUNE, MAY

DAY = timedelta(days=1)
JULY = datetime(2026, 7, 1, tzinfo=UTC)


def coupon(code="ten", **terms):
    """Ten per cent off, for ever, unless told otherwise."""
    terms = {"percent": 10, "duration": "forever", "redeemable_from": MAY, "created_at": MAY} | terms
    return Coupon.objects.create(code=code, name=code.title(), **terms)


def redeem(customer, code="ten", now=MAY):
    return coupons.redeem(customer=customer, code=code, now=now)


def names(period, **moment):
    return [discount.name for discount in coupons.for_period(period=period, **moment)]


def discount_line(code, amount="-1.00"):
    return Line(
        kind=LineKind.DISCOUNT,
        card="",
        description=code,
        meter="",
        quantity=Decimal(1),
        unit="",
        amount=Money(Decimal(amount), "EUR"),
        rows=(),
        starts_at=MAY,
        ends_at=JUNE,
        source=f"coupon:{code}",
    )


def close(period, *lines, now=None, moment="closing"):
    """Issue an invoice with the lines, and count the coupons, as closing does."""
    now = now or period.ends_at
    invoice = agreed.draft(period, moment=moment)
    for position, line in enumerate(lines, start=1):
        InvoiceLine.objects.create(
            invoice=invoice,
            position=position,
            kind=line.kind,
            source=line.source,
            quantity=1,
            amount=line.amount.amount,
            starts_at=MAY,
            ends_at=JUNE,
            detail=[],
        )
    used = coupons.consume(period=period, lines=lines, now=now)
    agreed.issue(invoice, now)
    return used


@pytest.fixture
def may(acme):
    return agreed.period(acme, MAY, JUNE)


@pytest.fixture
def june(acme, may):
    return agreed.period(acme, JUNE, JULY)


class TestRedeeming:
    def test_a_redeemed_coupon_lowers_the_open_period(self, acme, may):
        coupon()
        redeem(acme, now=JUNE - DAY)
        assert names(may) == ["Ten"]

    def test_not_the_period_before(self, acme, may, june):
        coupon()
        redeem(acme, now=JUNE)
        assert (names(may), names(june)) == ([], ["Ten"])

    @pytest.mark.parametrize("at", [MAY - DAY, JUNE, JUNE + DAY])
    def test_only_within_its_window(self, acme, at):
        coupon(redeemable_until=JUNE)
        with pytest.raises(CouponError, match="cannot be redeemed now"):
            redeem(acme, now=at)

    def test_once_a_customer_and_the_count_stays(self, acme):
        coupon()
        redeem(acme)
        with pytest.raises(CouponError, match="before"):
            redeem(acme)
        assert Coupon.objects.get().redeemed == 1

    def test_no_more_often_than_it_may_be(self, acme, make_customer):
        coupon(max_redemptions=1)
        redeem(acme)
        with pytest.raises(CouponError, match="as often as it may be"):
            redeem(make_customer("rival"))

    def test_an_unknown_code_and_another_currency_are_refused(self, acme):
        coupon("five-dollars", percent=None, amount=5, currency="USD")
        with pytest.raises(CouponError, match="no coupon"):
            redeem(acme, "guess")
        with pytest.raises(CouponError, match="USD"):
            redeem(acme, "five-dollars")

    def test_what_a_redeemed_coupon_gives_never_changes(self, acme):
        coupon()
        redeem(acme)
        Coupon.objects.update(redeemable_until=JUNE)
        with pytest.raises(IntegrityError), transaction.atomic():
            Coupon.objects.update(percent=99)

    @pytest.mark.parametrize(
        "terms",
        [
            {"percent": None},
            {"amount": 5, "currency": "EUR"},
            {"percent": 101},
            {"percent": None, "amount": 5},
            {"duration": "periods"},
            {"duration": "once", "periods": 3},
            {"redeemable_until": MAY},
        ],
        ids=str,
    )
    def test_the_database_refuses_what_makes_no_sense(self, db, terms):
        with pytest.raises(IntegrityError), transaction.atomic():
            coupon(**terms)


class TestApplying:
    def test_in_the_order_of_redemption(self, acme, may):
        for day, code in enumerate(("b", "a", "c")):
            coupon(code)
            redeem(acme, code, MAY + day * DAY)
        assert names(may) == ["B", "A", "C"]

    def test_limited_to_rate_cards_and_fixed_in_money(self, acme, may):
        coupon(percent=None, amount=Decimal("7.50"), currency="EUR", cards=["turns"])
        redeem(acme)
        discount = coupons.for_period(period=may)[0]
        assert (discount.key, discount.percent, str(discount.amount), discount.cards) == (
            "coupon:ten",
            None,
            "7.50 EUR",
            ("turns",),
        )

    def test_a_coupon_taken_back_lowers_no_later_period(self, acme, may, june):
        coupon()
        redemption = redeem(acme)
        coupons.take_back(redemption=redemption, now=JUNE)
        assert coupons.take_back(redemption=redemption, now=JULY).ended_at == JUNE
        assert (names(may), names(june)) == (["Ten"], [])

    def test_another_customers_coupon_stays_theirs(self, make_customer, may):
        coupon()
        redeem(make_customer("rival"))
        assert names(may) == []


class TestUsingUp:
    def test_once_is_the_first_period_that_it_lowers(self, acme, may, june):
        coupon(duration="once")
        redeem(acme)
        assert close(may) == 0
        assert names(june) == ["Ten"]
        assert close(june, discount_line("ten")) == 1
        assert names(agreed.period(acme, JULY, JULY + DAY)) == []

    def test_several_periods_are_counted_whatever_they_come_to(self, acme, may, june):
        coupon(duration="periods", periods=2)
        redeem(acme)
        assert (close(may), close(june)) == (1, 1)
        assert names(agreed.period(acme, JULY, JULY + DAY)) == []
        assert list(RedemptionUse.objects.order_by("pk").values_list("number", flat=True)) == [1, 2]

    def test_for_ever_is_for_ever(self, acme, may, june):
        coupon()
        redeem(acme)
        close(may)
        close(june)
        assert names(agreed.period(acme, JULY, JULY + DAY)) == ["Ten"]

    def test_a_period_is_counted_once(self, acme, may):
        coupon(duration="periods", periods=2)
        redeem(acme)
        assert coupons.consume(period=may, lines=(), now=JUNE) == 1
        assert coupons.consume(period=may, lines=(), now=JUNE) == 0
        with pytest.raises(IntegrityError), transaction.atomic():
            RedemptionUse.objects.create(redemption=Redemption.objects.get(), period=may, number=2, used_at=JUNE)

    def test_an_invoiced_period_is_rated_again_with_the_coupons_that_it_used(self, acme, may):
        coupon()
        redeem(acme)
        close(may, now=JUNE)
        coupon("late")
        redeem(acme, "late", JUNE - DAY)
        assert names(may) == ["Ten"]

    def test_two_invoices_of_a_period_are_one_use_and_share_a_fixed_amount(self, acme, may):
        coupon(percent=None, amount=10, currency="EUR", duration="once")
        redeem(acme)
        assert close(may, discount_line("ten", "-7.00"), now=MAY, moment="opening") == 1
        left = coupons.for_period(period=may)[0].amount
        assert str(left) == "3.00 EUR"
        assert close(may, discount_line("ten", "-3.00")) == 0
        assert [str(one.amount) for one in coupons.for_period(period=may, moment=Moment.OPENING)] == ["10.00 EUR"]
        assert [str(one.amount) for one in coupons.for_period(period=may)] == ["3.00 EUR"]

    def test_an_amount_used_up_at_the_opening_leaves_nothing(self, acme, may):
        coupon(percent=None, amount=10, currency="EUR")
        redeem(acme)
        close(may, discount_line("ten", "-10.00"), now=MAY, moment="opening")
        assert coupons.for_period(period=may) == ()


def test_no_coupon_takes_off_nothing_or_gives(db):
    with pytest.raises(IntegrityError), transaction.atomic():
        coupon(percent=None, amount=zero("EUR").amount, currency="EUR")
