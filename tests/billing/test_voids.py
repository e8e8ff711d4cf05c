"""Voids and write-offs: what an invoice booked and used is undone, and its usage is billed once more."""

from datetime import timedelta

import pytest

from billing import changes, closing, coupons, credits, ledger, recognition, voiding
from billing.errors import InvoiceStateError
from billing.models import BillingPeriod, Coupon, CreditGrant, Invoice, LedgerTransaction, RedemptionUse
from billing.models.invoices import InvoiceStatus
from billing.models.ledger import Account
from billing.models.subscriptions import PeriodStatus
from tests.billing.agreement import ANNA, GRACE, close, fee, lines, metered, plan, start
from tests.billing.conftest import JUNE, MAY
from tests.billing.crediting import LATER, balance, books, credit, pay
from tests.billing.test_credits import give, prepay

DAY = timedelta(days=1)


def void(invoice, now=LATER, **fields):
    return voiding.void(invoice=invoice, actor="anna", reason="wrong price", now=now, **fields)


@pytest.fixture
def subscription(acme, send):
    send.turns(acme, MAY + DAY, 10)
    return start(acme, plan(fee("20.00"), metered("1.00")))


@pytest.fixture
def invoice(subscription) -> Invoice:
    """20.00 and ten turns."""
    return close(subscription, JUNE)[0]


class TestInvariant20VoidingReleasesUsageOnce:
    def test_the_period_is_invoiced_once_more_with_the_same_usage(self, subscription, invoice):
        void(invoice)
        period = BillingPeriod.objects.get(pk=invoice.period_id)
        assert (period.status, period.closed_at) == (PeriodStatus.OPEN, None)
        first, again = close(subscription, LATER)
        assert (first.status, again.status, again.number) == ("void", "open", "AM-000002")
        assert lines(again) == lines(first) == [("Base", "20.00"), ("Turns", "10.00")]
        assert books() == {"receivable": "30.00", "revenue": "-30.00"}

    def test_voiding_twice_does_nothing_more(self, subscription, invoice):
        void(invoice)
        close(subscription, LATER)
        booked = LedgerTransaction.objects.count()
        assert void(invoice).status == InvoiceStatus.VOID
        assert LedgerTransaction.objects.count() == booked
        assert len(close(subscription, LATER)) == 2

    def test_later_periods_stay_as_they_are(self, subscription, invoice):
        assert subscription.periods.count() == 2
        void(invoice)
        close(subscription, LATER)
        assert subscription.periods.count() == 2

    def test_usage_that_came_meanwhile_is_on_the_new_one(self, subscription, invoice, acme, send):
        void(invoice)
        send.turns(acme, MAY + 2 * DAY, 1)
        assert lines(close(subscription, LATER)[-1]) == [("Base", "20.00"), ("Turns", "11.00")]

    def test_it_may_wait_for_a_person(self, subscription, invoice):
        void(invoice, is_held=True)
        period = BillingPeriod.objects.get(pk=invoice.period_id)
        assert (period.status, period.parked_reason) == ("parked", "Invoice AM-000001 was voided: wrong price")
        assert len(close(subscription, LATER)) == 1


class TestItsBookings:
    def test_every_account_is_as_before(self, invoice):
        assert books()
        void(invoice)
        assert books() == {}

    def test_what_is_deferred_and_what_was_earned_goes(self, acme):
        subscription = start(acme, plan(fee("31.00", billed="advance")))
        (opening,) = close(subscription, MAY)
        recognition.recognise(now=MAY + 10 * DAY)
        void(opening, now=MAY + 10 * DAY)
        assert books() == {}
        assert recognition.recognise(now=JUNE).days == 0
        _, again = close(subscription, MAY + 11 * DAY)
        assert lines(again) == [("Base", "31.00")]
        recognition.recognise(now=JUNE)
        assert books() == {"receivable": "31.00", "revenue": "-31.00"}

    def test_time_that_it_gave_back_is_deferred_again(self, acme):
        subscription = start(acme, plan(fee("31.00", billed="advance"), metered("1.00"), name="small"))
        (opening,) = close(subscription, MAY)
        large = plan(fee("310.00", billed="advance"), metered("1.00"), name="large")
        mid = MAY + 10 * DAY
        recognition.recognise(now=mid)
        changes.change_plan(subscription=subscription, version=large, at=mid, act=ANNA, invoice_at_once=True)
        upgrade = close(subscription, mid)[-1]
        assert ("Base: unused time", "-21.00") in lines(upgrade)
        void(upgrade, now=mid, is_held=True)
        assert books() == {"receivable": "31.00", "revenue": "-10.00", "deferred": "-21.00"}
        recognition.recognise(now=JUNE)
        assert balance(Account.REVENUE) == "-31.00"
        assert opening.status == "open"


class TestWhatItUsed:
    def test_credits_go_back_to_their_grants(self, acme, subscription):
        promotion, prepaid = give(acme, "5.00"), prepay(acme, "7.00")
        invoice = close(subscription, JUNE)[0]
        assert (f"{invoice.total:.2f}", f"{invoice.due:.2f}") == ("25.00", "18.00")
        void(invoice)
        assert [str(ledger.remaining(grant=one)) for one in (promotion, prepaid)] == ["5.00 EUR", "7.00 EUR"]
        assert books() == {"cash": "7.00", "credits": "-12.00", "issued": "5.00"}
        again = close(subscription, LATER)[-1]
        assert f"{again.due:.2f}" == "18.00"

    def test_credit_that_expired_meanwhile_serves_its_period_again(self, acme, subscription):
        grant = give(acme, "5.00", expires_at=JUNE)
        prepaid = prepay(acme, "7.00", expires_at=JUNE)
        invoice = close(subscription, JUNE)[0]
        credits.expire_due(now=JUNE + GRACE)
        void(invoice)
        assert not CreditGrant.objects.filter(pk__in=[grant.pk, prepaid.pk]).exclude(expired_at=None).exists()
        again = close(subscription, LATER)[-1]
        assert f"{again.due:.2f}" == "18.00"
        credits.expire_due(now=LATER)
        assert CreditGrant.objects.get(pk=grant.pk).expired_at == LATER

    def test_what_a_voided_grant_gets_back_goes_where_it_came_from(self, acme, subscription):
        prepaid = prepay(acme, "7.00")
        invoice = close(subscription, JUNE)[0]
        credits.void(grant=prepaid, reason="bounced", now=LATER)
        void(invoice)
        assert books() == {}

    def test_a_coupon_is_free_again(self, acme, subscription):
        Coupon.objects.create(
            code="half", name="Half", percent=50, duration="once", redeemable_from=MAY, created_at=MAY
        )
        coupons.redeem(customer=acme, code="half", now=MAY)
        first = close(subscription, JUNE)[0]
        assert f"{first.total:.2f}" == "15.00"
        void(first)
        assert not RedemptionUse.objects.filter(given_back_at=None).exists()
        again = close(subscription, LATER)[-1]
        assert f"{again.total:.2f}" == "15.00"
        assert RedemptionUse.objects.filter(given_back_at=None).count() == 1
        july = close(subscription, JUNE + 30 * DAY)[-1]
        assert f"{july.total:.2f}" == "20.00"


class TestWhatCannotBeVoided:
    def test_a_paid_one(self, invoice):
        pay(invoice, "30.00")
        with pytest.raises(InvoiceStateError, match="credit note"):
            void(invoice)

    def test_one_that_was_paid_in_part(self, invoice):
        pay(invoice, "1.00")
        with pytest.raises(InvoiceStateError, match="money may have come"):
            void(invoice)

    def test_one_with_credit_notes(self, invoice):
        credit(invoice, "1.00")
        with pytest.raises(InvoiceStateError, match="void them first"):
            void(invoice)

    def test_one_of_which_a_later_invoice_gives_time_back(self, acme):
        subscription = start(acme, plan(fee("31.00", billed="advance")))
        (opening,) = close(subscription, MAY)
        changes.cancel(subscription=subscription, at=MAY + 10 * DAY, act=ANNA)
        close(subscription, MAY + 10 * DAY)
        with pytest.raises(InvoiceStateError, match="gives back time"):
            void(opening)

    def test_an_opening_one_while_the_closing_one_stands(self, acme, send):
        subscription = start(acme, plan(fee("31.00", billed="advance"), metered("1.00")))
        send.turns(acme, MAY + DAY)
        opening, closed = close(subscription, JUNE)
        with pytest.raises(InvoiceStateError, match="of the same period"):
            void(opening)
        void(closed)
        void(opening)
        period = BillingPeriod.objects.get(pk=opening.period_id)
        assert (period.status, period.opening) == ("open", "due")
        *_, again, last = close(subscription, LATER)
        assert (lines(again), lines(last)) == (lines(opening), lines(closed))

    def test_without_a_reason(self, invoice):
        with pytest.raises(InvoiceStateError, match="why"):
            voiding.void(invoice=invoice, actor="anna", reason=" ", now=LATER)


class TestWriteOffs:
    def off(self, invoice):
        return voiding.write_off(invoice=invoice, actor="anna", reason="insolvent", now=LATER)

    def test_what_is_owed_is_given_up_once(self, invoice):
        pay(invoice, "10.00")
        for _ in range(2):
            assert self.off(invoice).status == InvoiceStatus.UNCOLLECTIBLE
        assert books() == {"cash": "10.00", "revenue": "-30.00", "write_off": "20.00"}

    def test_money_that_comes_later_takes_it_back(self, invoice):
        self.off(invoice)
        assert pay(invoice, "12.00").status == InvoiceStatus.UNCOLLECTIBLE
        assert (balance(Account.WRITE_OFF), balance(Account.RECEIVABLE)) == ("18.00", "0.00")
        assert pay(invoice, "19.00", "pi_2").status == InvoiceStatus.PAID
        assert (balance(Account.WRITE_OFF), balance(Account.RECEIVABLE)) == ("0.00", "-1.00")

    def test_a_credit_note_lowers_what_was_given_up(self, invoice):
        self.off(invoice)
        credit(invoice, "30.00")
        assert books() == {}
        invoice.refresh_from_db()
        assert invoice.status == InvoiceStatus.PAID

    def test_it_can_be_voided_still(self, invoice):
        self.off(invoice)
        void(invoice)
        assert books() == {}

    def test_only_an_open_one(self, invoice):
        pay(invoice, "30.00")
        with pytest.raises(InvoiceStateError, match="only an open one"):
            self.off(invoice)


def test_a_void_invoice_is_not_counted_as_the_periods_own(invoice):
    period = BillingPeriod.objects.get(pk=invoice.period_id)
    void(invoice)
    again = closing.close(period_id=period.pk, now=LATER)
    assert again is not None
    assert (again.period_id, again.moment) == (invoice.period_id, invoice.moment)
