"""Closing: a period that is over becomes one invoice, with its bookings, its collection and the next period."""

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing import changes, closing, invoicing, ledger, parking, subscriptions, tasks
from billing.changes import Act
from billing.errors import NegativeQuantityError, PeriodError, PeriodNotDueError, UsageNotFoldedError
from billing.models import (
    BillingPeriod,
    Invoice,
    InvoiceSequence,
    LedgerTransaction,
    OutboxMessage,
    PlanVersion,
    RateCard,
    Subscription,
    SubscriptionChange,
)
from billing.models.invoices import InvoiceStatus
from billing.models.ledger import Account
from billing.models.subscriptions import PeriodStatus
from billing.money import Money
from billing.timeline import Stretch
from metering import usage
from tests.billing.conftest import JUNE, MAY
from tests.billing.usage import invoiced

DUE = JUNE + timedelta(hours=2)
MID_MAY = datetime(2026, 5, 16, 12, tzinfo=UTC)


def euro(text: str) -> Money:
    return Money(Decimal(text), "EUR")


@pytest.fixture
def period(acme, subscribe, send):
    """A month of acme's with ten turns, all folded."""
    subscription = subscribe(acme)
    send.turns(acme, MID_MAY, 10)
    send.fold(JUNE)
    return subscription.periods.get()


def break_price(subscription: Subscription) -> None:
    """Leave a subscription with a rate card that cannot be read, as a faulty release might."""
    version = PlanVersion.objects.create(plan=subscription.version.plan, number=9, currencies=["EUR"], created_at=MAY)
    faulty = {"EUR": {"kind": "unit"}}
    RateCard.objects.create(version=version, position=1, key="bad", name="Bad", unit="unit", prices=faulty)
    put_on(subscription, version)


def put_on(subscription: Subscription, version: PlanVersion) -> None:
    change = SubscriptionChange(kind="change", at=MAY, actor="test", recorded_at=MAY)
    agreed = (Stretch(version.pk, subscription.starts_at),)
    subscriptions.record(subscription=subscription, change=change, agreed=agreed)


def test_a_period_becomes_an_open_invoice_that_is_booked_and_to_be_collected(period, acme):
    invoice = invoiced(period, now=DUE)
    assert (invoice.number, invoice.status, Money(invoice.total, "EUR")) == ("AM-000001", "open", euro("0.20"))
    assert (invoice.issued_at, invoice.due_at) == (DUE, DUE + timedelta(days=14))
    assert [(line.position, line.quantity, line.amount) for line in invoice.lines.order_by("position")] == [
        (1, Decimal(10), Decimal("0.20")),
        (2, Decimal(0), Decimal(0)),
        (3, Decimal(0), Decimal(0)),
    ]
    assert ledger.balance(account=Account.RECEIVABLE, currency="EUR", customer=acme) == euro("0.20")
    assert OutboxMessage.objects.filter(invoice=invoice).exists()


def test_the_parties_are_copied_in(period, acme, settings):
    invoice = invoiced(period, now=DUE)
    acme.name = "Another Name"
    acme.save()
    invoice.refresh_from_db()
    assert invoice.buyer.splitlines()[0] == "Acme"
    assert invoice.seller.splitlines()[0] == settings.SELLER_NAME


def test_closing_opens_the_next_period(period):
    closing.close(period_id=period.pk, now=DUE)
    following = BillingPeriod.objects.get(status=PeriodStatus.OPEN)
    assert (following.starts_at, following.ends_at) == (JUNE, datetime(2026, 7, 1, tzinfo=UTC))
    period.refresh_from_db()
    assert (period.status, period.closed_at) == (PeriodStatus.CLOSED, DUE)


def test_closing_again_changes_nothing(period):
    closing.close(period_id=period.pk, now=DUE)
    assert closing.close(period_id=period.pk, now=DUE + timedelta(days=1)) is None
    assert (Invoice.objects.count(), LedgerTransaction.objects.count(), BillingPeriod.objects.count()) == (1, 1, 2)


@pytest.mark.parametrize("early", [MID_MAY, JUNE, DUE - timedelta(microseconds=1)])
def test_a_period_is_not_closed_before_its_end_and_grace(period, early):
    with pytest.raises(PeriodNotDueError):
        closing.close(period_id=period.pk, now=early)
    assert not Invoice.objects.exists()


def test_usage_that_is_not_folded_keeps_the_period_open(period, acme, send):
    send.turns(acme, MID_MAY, 5)
    with pytest.raises(UsageNotFoldedError):
        closing.close(period_id=period.pk, now=DUE)
    period.refresh_from_db()
    assert period.status == PeriodStatus.OPEN
    send.fold(DUE)
    invoice = invoiced(period, now=DUE)
    assert Money(invoice.total, "EUR") == euro("0.30")


def test_only_the_customers_own_usage_is_waited_for(period, make_customer, send):
    send.turns(make_customer("rival"), MID_MAY, 5)
    assert closing.close(period_id=period.pk, now=DUE) is not None


def test_a_failure_in_the_middle_leaves_nothing(period, monkeypatch):
    def fail(**_):
        raise RuntimeError("the power is gone")

    monkeypatch.setattr("billing.subscriptions.open_next_period", fail)
    with pytest.raises(RuntimeError):
        closing.close(period_id=period.pk, now=DUE)
    tables = (Invoice, InvoiceSequence, LedgerTransaction, OutboxMessage)
    assert [table.objects.count() for table in tables] == [0, 0, 0, 0]
    assert BillingPeriod.objects.get().status == PeriodStatus.OPEN
    monkeypatch.undo()
    assert invoiced(period, now=DUE).number == "AM-000001"


def test_the_preview_at_the_end_is_the_invoice(period):
    rated = closing.preview(period=period, now=DUE)
    invoice = invoiced(period, now=DUE)
    lines = invoice.lines.order_by("position")
    assert [(one.description, one.quantity, one.amount.amount, one.detail()) for one in rated.lines] == [
        (line.description, line.quantity, line.amount, line.detail) for line in lines
    ]
    assert (rated.total.amount, rated.fold) == (invoice.total, invoice.fold)


def test_a_preview_counts_seats_and_fees_for_the_time_elapsed(make_customer, subscribe, send):
    acme, hybrid = make_customer("acme"), make_customer("hybrid", "USD")
    seats, base = subscribe(acme, "seats"), subscribe(hybrid, "hybrid")
    send.seat(acme, MAY)
    send.fold(MID_MAY)
    half = [closing.preview(period=one.periods.get(), now=MID_MAY).lines[0] for one in (seats, base)]
    assert [str(line.amount) for line in half] == ["14.50 EUR", "24.50 USD"]
    assert half[0].quantity == Decimal("0.5")


def test_a_preview_writes_nothing(period):
    closing.preview(period=period, now=DUE)
    assert (Invoice.objects.count(), BillingPeriod.objects.get().status) == (0, PeriodStatus.OPEN)


def test_before_a_period_begins_there_is_nothing_to_preview(period):
    rated = closing.preview(period=period, now=MAY)
    assert (rated.period, rated.lines, rated.total) == (None, (), euro("0"))


def test_an_invoice_over_nothing_is_paid_at_once_and_never_sent(acme, subscribe):
    invoice = invoiced(subscribe(acme).periods.get(), now=DUE)
    assert (invoice.status, invoice.paid_at, invoice.total) == ("paid", DUE, Decimal(0))
    assert invoice.lines.count() == 3
    assert not OutboxMessage.objects.exists()
    assert not LedgerTransaction.objects.exists()


def test_the_digest_is_over_what_never_changes(period):
    invoice = invoiced(period, now=DUE)
    amount = Money(invoice.total, "EUR")
    invoicing.mark_paid(invoice_id=invoice.pk, payment_id="pi_1", amount=amount, paid_at=DUE, now=DUE)
    stored = Invoice.objects.get()
    assert stored.status == InvoiceStatus.PAID
    assert hashlib.sha256(invoicing.canonical(stored)).hexdigest() == stored.digest


def test_usage_that_comes_after_the_close_does_not_change_what_was_invoiced(period, acme, send):
    invoice = invoiced(period, now=DUE)
    send.turns(acme, MID_MAY, 50)
    send.fold(DUE)
    assert closing.rate(period=period, as_of=invoice.fold).total.amount == invoice.total
    assert closing.rate(period=period, as_of=usage.latest_fold()).total == euro("1.20")


def test_a_customer_months_behind_gets_an_invoice_for_each_month(acme, subscribe):
    subscribe(acme, starts_at=datetime(2026, 1, 31, tzinfo=UTC))
    closed = closing.close_due(now=DUE)
    assert [invoice.number for invoice in closed.invoices] == [f"AM-00000{number}" for number in (1, 2, 3, 4)]
    starts = BillingPeriod.objects.order_by("starts_at").values_list("starts_at", flat=True)
    assert [at.strftime("%m-%d") for at in starts] == ["01-31", "02-28", "03-31", "04-30", "05-31"]


def test_a_subscription_that_ended_is_invoiced_for_its_part_and_no_more(make_customer, subscribe):
    subscription = subscribe(make_customer(currency="USD"), "hybrid")
    changes.cancel(subscription=subscription, at=MID_MAY, act=Act("test", now=MAY))
    (invoice,) = closing.close_due(now=DUE).invoices
    assert Money(invoice.total, "USD") == Money(Decimal("24.50"), "USD")
    assert BillingPeriod.objects.count() == 1


def test_a_period_that_fails_is_parked_with_its_reason_and_the_others_go_on(period, make_customer, subscribe):
    bad = subscribe(make_customer("rival"))
    break_price(bad)
    closed = closing.close_due(now=DUE)
    assert [invoice.period_id for invoice in closed.invoices] == [period.pk]
    (parked,) = closed.parked
    assert (parked.period_id, parked.reason) == (bad.periods.get().pk, "PriceError: amount: is missing")
    assert bad.periods.get().parked_reason == parked.reason


def test_a_parked_period_is_left_alone_until_it_is_tried_again(make_customer, subscribe):
    bad = subscribe(make_customer("rival"))
    good = bad.version
    break_price(bad)
    closing.close_due(now=DUE)
    assert closing.close_due(now=DUE) == closing.Closed((), (), ())
    put_on(bad, good)
    assert parking.retry(period_id=bad.periods.get().pk)
    assert len(closing.close_due(now=DUE).invoices) == 1
    assert not parking.retry(period_id=BillingPeriod.objects.order_by("pk")[0].pk)


def test_a_meter_below_nothing_is_parked_for_a_person(acme, subscribe, send):
    period = subscribe(acme, "seats").periods.get()
    seat = send.seat(acme, MAY - timedelta(days=1))
    send.release(seat, MAY - timedelta(hours=1))
    send.seat_events(acme, MAY, delta=-1)
    send.fold(DUE)
    with pytest.raises(NegativeQuantityError, match="seats"):
        closing.close(period_id=period.pk, now=DUE)
    assert closing.close_due(now=DUE).parked[0].reason.startswith("NegativeQuantityError: seats")


def test_what_is_waiting_is_folded_first_and_then_invoiced(period, acme, send):
    send.turns(acme, MID_MAY, 5)
    (invoice,) = closing.close_due(now=DUE).invoices
    assert Money(invoice.total, "EUR") == euro("0.30")


def test_usage_that_arrives_between_fold_and_close_leaves_the_period_waiting(period, acme, send, monkeypatch):
    def nothing_yet(**_):
        send.turns(acme, MID_MAY, 5)
        return usage.latest_fold()

    monkeypatch.setattr("metering.usage.catch_up", nothing_yet)
    assert closing.close_due(now=DUE) == closing.Closed((), (), (period.pk,))
    monkeypatch.undo()
    assert len(closing.close_due(now=DUE).invoices) == 1


@pytest.fixture
def at_once(monkeypatch):
    """Do what a task asks another worker to do, then and there."""
    monkeypatch.setattr(tasks.close_chunk, "delay", tasks.close_chunk)
    monkeypatch.setattr(tasks.close_periods, "delay", tasks.close_periods)


@pytest.mark.usefixtures("at_once")
def test_the_task_closes_as_of_the_time_it_is_given(period):
    tasks.close_periods(now="2026-06-01T04:00:00+02:00")
    assert Invoice.objects.get().issued_at == DUE


@pytest.mark.parametrize("now", ["soon", "2026-06-01T02:00:00"])
def test_the_task_refuses_what_is_no_instant(db, now):
    with pytest.raises(PeriodError):
        tasks.close_periods(now=now)


@pytest.mark.usefixtures("at_once")
def test_without_a_time_the_task_reads_the_clock(period):
    tasks.close_periods()
    assert Invoice.objects.count() >= 1
