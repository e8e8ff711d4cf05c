"""Many workers at one grant: what is drawn is never more than what was granted, and each thing happens once."""

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db import IntegrityError, transaction

from billing import coupons, credits, ledger, recurring_grants, top_ups
from billing.errors import CouponError, CreditEndedError
from billing.models import (
    BillingPeriod,
    Coupon,
    CreditDrawdown,
    CreditGrant,
    LedgerEntry,
    LedgerTransaction,
    RecurringGrant,
    Redemption,
    TopUp,
    TopUpRule,
)
from billing.models.ledger import Account
from billing.rating.statement import Draw
from tests import factories
from tests.billing import agreed
from tests.billing.conftest import JUNE, MAY
from tests.billing.test_credits import give, prepay
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("committed")
HOUR = timedelta(hours=1)


together = partial(at_once, refusals=(CouponError, IntegrityError))


def drafts(customer, number, total):
    hours = [MAY + HOUR * at for at in range(number)]
    return [agreed.draft(agreed.period(customer, at, at + HOUR), total) for at in hours]


def test_invoices_that_pay_from_one_grant_at_once_share_it(acme):
    prepay(acme, "25.00")
    results = together(
        *[lambda invoice=invoice: credits.apply(invoice=invoice, now=JUNE) for invoice in drafts(acme, 5, "10.00")]
    )
    assert sorted(str(paid.amount) for paid in results) == ["0.00", "0.00", "10.00", "10.00", "5.00"]
    assert not ledger.balance(account=Account.CREDITS, currency="EUR")


def test_invoices_that_rate_and_draw_one_promotion_at_once_share_it(acme):
    give(acme, "25.00")

    def close(invoice):
        with transaction.atomic():
            credits.hold(customer=acme)
            offered = credits.for_period(period=invoice.period, currency="EUR")
            part = min(sum((grant.remaining for grant in offered), Decimal(0)), Decimal(10))
            draws = [Draw("gift", "turns", part, "EUR")] if part else []
            credits.draw(invoice=invoice, draws=draws, now=JUNE)

    together(*[lambda invoice=invoice: close(invoice) for invoice in drafts(acme, 5, "0")])
    assert sorted(CreditDrawdown.objects.values_list("amount", flat=True)) == [5, 10, 10]
    assert not ledger.balance(account=Account.CREDITS, currency="EUR")


def test_the_database_refuses_to_overdraw_though_nobody_took_a_lock(acme):
    grant = give(acme, "10.00")

    def insert(number):
        with transaction.atomic():
            booking = LedgerTransaction.objects.create(key=f"raw-{number}", description="", booked_at=MAY)
            row = {"transaction": booking, "customer": acme, "currency": "EUR"}
            LedgerEntry.objects.create(**row, account="credits", grant=grant, amount=7)
            LedgerEntry.objects.create(**row, account="issued", amount=-7)

    results = together(*[lambda number=number: insert(number) for number in range(4)])
    assert [isinstance(result, IntegrityError) for result in sorted(results, key=str)].count(True) == 3
    assert str(ledger.remaining(grant=grant)) == "3.00 EUR"


def test_a_void_an_expiry_and_a_payment_at_once_end_a_grant_once(acme):
    grant = prepay(acme, "25.00", expires_at=MAY + 9 * HOUR)
    invoice = drafts(acme, 1, "10.00")[0]
    BillingPeriod.objects.update(status="closed")

    def void():
        try:
            return credits.void(grant=CreditGrant.objects.get(), reason="", now=JUNE)
        except CreditEndedError:
            return None

    together(
        void,
        void,
        lambda: credits.expire_due(now=JUNE),
        lambda: credits.expire_due(now=JUNE),
        lambda: credits.apply(invoice=invoice, now=JUNE),
    )
    grant.refresh_from_db()
    assert (grant.voided_at is None) != (grant.expired_at is None)
    assert not ledger.balance(account=Account.CREDITS, currency="EUR")


def test_the_same_grant_at_once_is_one_grant(acme):
    assert len({row.pk for row in together(*[lambda: give(acme)] * 4)}) == 1
    assert CreditGrant.objects.count() == 1


def test_a_recurring_grant_at_once_comes_once_a_month(acme):
    RecurringGrant.objects.create(
        customer=acme, name="Monthly", currency="EUR", amount=10, starts_at=MAY, created_at=MAY
    )
    together(*[lambda: recurring_grants.grant_due(now=JUNE)] * 4)
    assert list(CreditGrant.objects.order_by("pk").values_list("effective_at", flat=True)) == [MAY, JUNE]


def test_a_coupon_is_redeemed_no_more_often_than_it_may_be():
    Coupon.objects.create(
        code="first-two",
        name="First two",
        percent=10,
        duration="once",
        redeemable_from=MAY,
        max_redemptions=2,
        created_at=MAY,
    )
    customers = [factories.customer(f"c{number}") for number in range(5)]
    results = together(*[lambda who=who: coupons.redeem(customer=who, code="first-two", now=MAY) for who in customers])
    assert sum(isinstance(result, Redemption) for result in results) == 2
    assert Coupon.objects.get().redeemed == Redemption.objects.count() == 2


def test_a_rule_tops_up_once_though_many_look(acme):
    TopUpRule.objects.create(customer=acme, currency="EUR", threshold=5, amount=20, max_per_day=3, created_at=MAY)
    together(*[lambda: top_ups.due(now=MAY)] * 4)
    assert TopUp.objects.count() == 1


def test_a_top_up_paid_by_many_workers_is_one_grant(acme):
    TopUpRule.objects.create(customer=acme, currency="EUR", threshold=5, amount=20, created_at=MAY)
    row = top_ups.due(now=MAY)[0]
    together(*[lambda: top_ups.settle(top_up=row, payment="wire-1", now=MAY)] * 4)
    assert str(credits.available(customer=acme, currency="EUR", at=MAY)) == "20.00 EUR"
