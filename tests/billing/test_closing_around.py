"""An invoice with coupon, promotional credit, tax and prepaid credit: each in its place, and the books agree."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import connection

from billing import catalog, changes, closing, coupons, credits, invoicing, ledger, parking, recognition, subscriptions
from billing.changes import Act
from billing.ledger import Units
from billing.models import (
    BillingPeriod,
    Coupon,
    CreditDrawdown,
    Invoice,
    LedgerTransaction,
    RedemptionUse,
    TaxAssignment,
    TaxRate,
)
from billing.models.credits import Funding
from billing.models.invoices import InvoiceStatus, Moment
from billing.models.ledger import Account
from billing.money import Money
from billing.stripe import content, outbox
from metering import usage
from tests import factories
from tests.billing.conftest import JUNE, MAY
from tests.billing.test_credits import give, prepay
from tests.billing.usage import invoiced

JULY = datetime(2026, 7, 1, tzinfo=UTC)
GRACE = timedelta(hours=2)


def plan(*cards, key="plan"):
    document = {"plan": key, "name": key.title(), "version": 1, "currency": "EUR", "rate_cards": list(cards)}
    return catalog.publish(version=catalog.import_plan(document=document, now=MAY), now=MAY)


def fee(amount, **fields):
    return {"key": "fee", "name": "Fee", "unit": "month", "price": {"kind": "flat", "amount": amount}} | fields


def start(customer, *cards, at=MAY, key="plan"):
    subscription = subscriptions.start(customer=customer, version=plan(*cards, key=key), starts_at=at, now=MAY)
    return subscription.periods.get()


def coupon(customer, **terms):
    terms = {"code": "ten", "name": "Ten", "duration": "forever", "redeemable_from": MAY, "created_at": MAY} | terms
    row = Coupon.objects.create(**terms)
    coupons.redeem(customer=customer, code=row.code, now=MAY)


def tax(customer, percent="19", category=""):
    rate = {"jurisdiction": "DE", "name": "VAT", "percent": percent, "category": category}
    TaxRate.objects.create(**rate, starts_at=MAY, created_at=MAY)
    TaxAssignment.objects.get_or_create(customer=customer, jurisdiction="DE", starts_at=MAY, created_at=MAY)


def lines(invoice):
    return [(line.kind, line.description, str(line.amount.normalize())) for line in invoice.lines.order_by("position")]


def balances(*accounts):
    return [str(ledger.balance(account=account, currency="EUR").amount) for account in accounts]


class TestEverythingAtOnce:
    """100.00, less 10 %, less 25.00 of promotional credit, plus 19 %; 40.00 of it is paid by prepaid credit."""

    @pytest.fixture
    def invoice(self, acme):
        period = start(acme, fee("100.00"))
        coupon(acme, percent=10)
        tax(acme)
        give(acme, "25.00")
        prepay(acme, "40.00")
        return invoiced(period, JUNE + GRACE)

    def test_its_lines_are_in_order_and_add_up(self, invoice):
        assert lines(invoice) == [
            ("charge", "Fee", "1E+2"),
            ("discount", "Ten: Fee", "-1E+1"),
            ("credit", "Welcome: Fee", "-25"),
            ("tax", "VAT 19 %", "12.35"),
        ]
        assert (invoice.subtotal, invoice.tax, invoice.total) == (65, Decimal("12.35"), Decimal("77.35"))
        assert (invoice.prepaid, invoice.due) == (40, Decimal("37.35"))

    def test_every_account_has_its_part(self, invoice):
        accounts = (Account.RECEIVABLE, Account.REVENUE, Account.TAX, Account.CASH, Account.CREDITS, Account.ISSUED)
        assert balances(*accounts) == ["37.35", "-65.00", "-12.35", "40.00", "0.00", "0.00"]
        assert not sum(row.amount.amount for row in ledger.trial_balance())

    def test_stripe_is_asked_for_what_is_due(self, invoice):
        told = content.lines_content(invoice)["lines"]
        assert sum(line["amount"] for line in told) == 3735

    def test_the_rest_pays_it(self, invoice):
        money = Money(Decimal("37.35"), "EUR")
        paid = invoicing.mark_paid(invoice_id=invoice.pk, payment_id="pi", amount=money, paid_at=JUNE, now=JUNE)
        assert paid.status == InvoiceStatus.PAID
        assert balances(Account.RECEIVABLE, Account.CASH) == ["0.00", "77.35"]

    def test_it_is_rated_again_as_it_was_whatever_came_later(self, acme, invoice):
        give(acme, "50.00", key="later")
        coupon(acme, code="later", percent=50)
        period = BillingPeriod.objects.get(pk=invoice.period_id)
        again = closing.rate(period=period, as_of=invoice.fold)
        assert [str(line.amount.amount.normalize()) for line in again.lines] == ["1E+2", "-1E+1", "-25", "12.35"]

    def test_it_prints_the_buyers_tax_id(self, acme, invoice):
        assert "Tax id" not in invoice.buyer
        acme.tax_id = "DE123"
        assert "\nTax id DE123\n" in invoicing._buyer(acme)


def test_an_invoice_that_credit_pays_whole_is_paid_at_once(acme):
    period = start(acme, fee("30.00"))
    prepay(acme, "50.00")
    invoice = invoiced(period, JUNE + GRACE)
    assert invoice.status == InvoiceStatus.PAID
    assert not invoice.due
    assert not invoice.outbox.exists()
    assert balances(Account.RECEIVABLE, Account.CREDITS) == ["0.00", "-20.00"]


def test_a_preview_shows_credit_and_draws_nothing(acme):
    period = start(acme, fee("30.00"))
    give(acme, "25.00")
    rated = closing.preview(period=period, now=JUNE)
    assert str(rated.total) == "5.00 EUR"
    assert not CreditDrawdown.objects.exists()
    assert lines(invoiced(period, JUNE + GRACE)) == [
        (str(line.kind), line.description, str(line.amount.amount.normalize())) for line in rated.lines
    ]


def test_a_grant_for_one_card_leaves_the_others(acme):
    period = start(acme, fee("30.00"), fee("20.00", key="other", name="Other"))
    give(acme, "25.00", cards=["other"])
    assert lines(invoiced(period, JUNE + GRACE))[2:] == [("credit", "Welcome: Other", "-2E+1")]


def test_a_rest_serves_the_next_period(acme):
    period = start(acme, fee("30.00"))
    give(acme, "50.00")
    assert invoiced(period, JUNE + GRACE).total == 0
    following = BillingPeriod.objects.get(starts_at=JUNE)
    assert invoiced(following, JULY + GRACE).total == 10


def test_units_of_a_virtual_currency_lower_what_is_used_beyond(acme, send):
    card = {
        "key": "turns",
        "name": "Turns",
        "meter": "turns",
        "unit": "turn",
        "price": {"kind": "credits", "currency": "credits", "credits": "2", "amount": "0.10"},
    }
    period = start(acme, card)
    grant = give(acme, amount=Units(Decimal(15), "credits"))
    send.turns(acme, MAY, 10)
    send.fold(JUNE)
    invoice = invoiced(period, JUNE + GRACE)
    assert (invoice.total, str(ledger.remaining(grant=grant))) == (Decimal("0.50"), "0 credits")
    assert CreditDrawdown.objects.get().amount == 15


def test_cards_of_a_category_are_taxed_at_its_rate(acme):
    period = start(acme, fee("30.00"), fee("20.00", key="books", name="Books", tax_category="reduced"))
    tax(acme)
    tax(acme, "7", "reduced")
    assert lines(invoiced(period, JUNE + GRACE))[2:] == [("tax", "VAT 19 %", "5.7"), ("tax", "VAT 7 %", "1.4")]


@pytest.mark.parametrize("exempt", ["exempt", "reverse"])
def test_who_pays_no_tax_reads_why_on_the_invoice(db, exempt):
    customer = factories.customer(tax_exempt=exempt, tax_id="FR40303265045")
    tax(customer)
    invoice = invoiced(start(customer, fee("30.00")), JUNE + GRACE)
    kind, note, amount = lines(invoice)[1]
    assert (kind, amount, str(invoice.due)) == ("tax", "0", "30.00")
    assert note.endswith("; tax id of the recipient FR40303265045.")


def test_a_fixed_coupon_is_shared_by_the_two_invoices_of_a_period(acme):
    period = start(acme, fee("30.00", billed="advance"), fee("30.00", key="late", name="Late"))
    coupon(acme, percent=None, amount=40, currency="EUR", duration="once")
    opening = closing.open_in_advance(period_id=period.pk, now=MAY)
    assert opening is not None
    assert opening.moment == Moment.OPENING
    assert not opening.total
    invoice = invoiced(period, JUNE + GRACE)
    assert sum(line.amount for line in invoice.lines.filter(kind="discount")) == -10
    assert RedemptionUse.objects.count() == 1
    again = closing.rate(period=BillingPeriod.objects.get(pk=period.pk), as_of=invoice.fold)
    assert again.total.amount == invoice.total


@pytest.mark.usefixtures("committed")
def test_two_closes_at_once_share_one_grant_of_their_customer(acme, monkeypatch):
    """Both are over the same instant: a subscription that ended, and the one after it."""
    first = start(acme, fee("30.00", prorated=False), key="one")
    end = MAY + timedelta(days=10)
    changes.cancel(subscription=first.subscription, at=end, act=Act(actor="test", now=MAY))
    second = start(acme, fee("30.00", prorated=False), at=end, key="two")
    give(acme, "40.00")
    usage.catch_up(now=JULY)
    barrier = threading.Barrier(2, timeout=20)

    def close(period):
        try:
            barrier.wait()
            return closing.close(period_id=period.pk, now=JULY)
        finally:
            connection.close()

    with ThreadPoolExecutor(2) as pool:
        results = [future.result(timeout=60) for future in [pool.submit(close, period) for period in (first, second)]]
    assert sorted(invoice.total for invoice in results) == [0, 20]
    assert sum(CreditDrawdown.objects.values_list("amount", flat=True)) == 40
    assert not ledger.balance(account=Account.CREDITS, currency="EUR")


def test_a_close_that_fails_draws_nothing(acme, monkeypatch):
    period = start(acme, fee("30.00"))
    grant, paid = give(acme, "5.00"), prepay(acme, "5.00")
    coupon(acme, percent=10)
    booked = LedgerTransaction.objects.count()

    def fail(**_):
        raise RuntimeError("the disk is full")

    monkeypatch.setattr(outbox, "enqueue_invoice", fail)
    closed = closing.close_due(now=JUNE + GRACE)
    assert [parked.reason for parked in closed.parked] == ["RuntimeError: the disk is full"]
    assert (Invoice.objects.count(), RedemptionUse.objects.count()) == (0, 0)
    assert LedgerTransaction.objects.count() == booked
    assert {str(ledger.remaining(grant=one)) for one in (grant, paid)} == {"5.00 EUR"}
    monkeypatch.undo()
    parking.retry(period_id=period.pk)
    closing.close_due(now=JUNE + GRACE)
    assert Invoice.objects.get().due == 17


def test_carried_credit_is_prepaid_and_pays_later(acme):
    """A fee paid in advance, then cancelled: what is unused comes back as credit."""
    period = start(acme, fee("31.00", billed="advance"))
    closing.open_in_advance(period_id=period.pk, now=MAY)
    changes.cancel(subscription=period.subscription, at=MAY + timedelta(days=10), act=Act(actor="test", now=MAY))
    closing.close_due(now=JUNE)
    assert str(credits.available(customer=acme, currency="EUR", at=JUNE)) == "21.00 EUR"
    assert acme.credit_grants.get().funding == Funding.RECEIVABLE
    assert balances(Account.DEFERRED, Account.CREDITS, Account.RECEIVABLE) == ["-10.00", "-21.00", "31.00"]
    recognition.recognise(now=JUNE)
    assert balances(Account.REVENUE, Account.DEFERRED) == ["-10.00", "0.00"]
