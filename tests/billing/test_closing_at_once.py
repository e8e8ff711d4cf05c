"""Many workers at once: one invoice a period, and numbers without a gap."""

import time
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import connection

from billing import changes, closing, invoicing, ledger, parking
from billing.errors import ChangeRefusedError
from billing.models import BillingPeriod, Invoice, InvoiceSequence, LedgerTransaction, Payment, Subscription
from billing.models.invoices import InvoiceStatus
from billing.models.ledger import Account
from billing.money import Money
from tests.billing.agreement import ANNA, fee, plan, start
from tests.billing.conftest import JUNE, MAY
from tests.billing.usage import invoiced
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("committed")

DUE = JUNE + timedelta(hours=2)


def test_a_period_closed_by_many_workers_has_one_invoice(acme, subscribe, send):
    period = subscribe(acme).periods.get()
    send.turns(acme, MAY, 10)
    send.fold(JUNE)
    results = at_once(*[lambda: closing.close(period_id=period.pk, now=DUE)] * 4)
    assert [result.number for result in results if result is not None] == ["AM-000001"]
    assert (Invoice.objects.count(), LedgerTransaction.objects.count(), BillingPeriod.objects.count()) == (1, 1, 2)


def test_numbers_have_no_gap_though_workers_race_and_one_fails(make_customer, subscribe, send, monkeypatch):
    customers = [make_customer(f"customer-{number}") for number in range(6)]
    periods = [subscribe(customer).periods.get() for customer in customers]
    for customer in customers:
        send.turns(customer, MAY)
    send.fold(JUNE)
    book = invoicing._book_claim

    def fail_for_one(invoice, now):
        if invoice.customer_id == customers[2].pk:
            raise RuntimeError("the disk is full")
        book(invoice, now)

    monkeypatch.setattr(invoicing, "_book_claim", fail_for_one)
    at_once(*[lambda: closing.close_due(now=DUE)] * 3)
    assert Invoice.objects.count() == 5
    monkeypatch.undo()
    parking.retry(period_id=periods[2].pk)
    closing.close_due(now=DUE)
    numbers = Invoice.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == [f"AM-00000{n}" for n in range(1, 7)]
    assert {str(row.amount) for row in ledger.trial_balance()} == {"0.12 EUR", "-0.12 EUR"}


def someone_waits_for_a_lock():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return cursor.fetchone()[0] > 0


def test_a_number_is_taken_by_one_worker_at_a_time(make_customer, subscribe, send, monkeypatch):
    """The first to take a number goes on only when the other has come to a halt behind it."""
    InvoiceSequence.objects.create(prefix="AM")
    periods = [subscribe(make_customer(key)).periods.get() for key in ("acme", "rival")]
    seller, deadline = invoicing._seller, time.monotonic() + 10

    def linger():
        is_first = not Invoice.objects.filter(number__isnull=False).exists()
        while is_first and not someone_waits_for_a_lock() and time.monotonic() < deadline:
            pass
        return seller()

    monkeypatch.setattr(invoicing, "_seller", linger)
    results = at_once(*[lambda period=period: invoiced(period, now=DUE) for period in periods])
    assert sorted(str(invoice.number) for invoice in results) == ["AM-000001", "AM-000002"]


def test_two_halves_of_a_payment_at_once_pay_the_invoice(acme, subscribe, send):
    period = subscribe(acme).periods.get()
    send.turns(acme, MAY, 10)
    send.fold(JUNE)
    invoice = invoiced(period, now=DUE)
    half = Money(Decimal("0.10"), "EUR")

    def pay(payment_id):
        invoicing.mark_paid(invoice_id=invoice.pk, payment_id=payment_id, amount=half, paid_at=DUE, now=DUE)

    at_once(*[lambda name=name: pay(name) for name in ("pi_1", "pi_2", "pi_1", "pi_2")])
    assert Invoice.objects.get().status == InvoiceStatus.PAID
    assert Payment.objects.count() == 2
    assert not ledger.balance(account=Account.RECEIVABLE, currency="EUR")


def test_what_is_due_in_advance_is_invoiced_once_by_many_workers(acme):
    subscription = start(acme, plan(fee("31.00", billed="advance")))
    period = subscription.periods.get()
    results = at_once(*[lambda: closing.open_in_advance(period_id=period.pk, now=DUE)] * 4)
    assert [result.number for result in results if result is not None] == ["AM-000001"]


def test_a_close_and_changes_at_once_come_one_after_the_other(acme, send):
    """Whoever is first: what is agreed is on the invoice, or it was too late and refused; nobody waits in a circle."""
    versions = [plan(fee(f"{number}.00"), name=f"plan-{number}") for number in (31, 62, 93)]
    subscription = start(acme, versions[0])
    send.fold(JUNE)
    period, half = subscription.periods.get(), MAY + timedelta(days=15, hours=12)

    def change(version):
        one = Subscription.objects.get()
        try:
            return changes.change_plan(subscription=one, version=version, at=half, act=ANNA).number
        except ChangeRefusedError:
            return None

    close = [lambda: closing.close(period_id=period.pk, now=DUE)]
    _, *numbers = at_once(*close, *[lambda version=version: change(version) for version in versions[1:]])
    agreed = [number for number in numbers if number is not None]
    assert sorted(agreed) == list(range(2, 2 + len(agreed)))
    invoice = Invoice.objects.get()
    assert invoice.change == subscription.changes.order_by("-number")[0]
    assert invoice.lines.count() == (2 if agreed else 1)
