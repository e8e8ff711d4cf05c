"""The invariants of usage and of closing, by their numbers in the list that the design is held to.

2 to 13, 18, 21 and 36 are in `test_invariants_of_money`, 17 and 20 stand with voids and the ledger's state machine.
"""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction

from billing import closing, conservation, invoicing, parking, runs
from billing.models import BillingPeriod, CloseChunk, Invoice
from billing.models.invoices import LineKind, Moment
from billing.models.subscriptions import PeriodStatus
from metering import usage
from tests.billing.agreement import metered, plan, start
from tests.billing.conftest import JUNE, MAY
from tests.billing.usage import invoiced
from tests.threads import at_once

GRACE = timedelta(hours=2)
DUE, JULY = JUNE + GRACE, datetime(2026, 7, 1, tzinfo=UTC)
MID_MAY = datetime(2026, 5, 16, 12, tzinfo=UTC)


@pytest.fixture
def subscription(acme, send):
    subscription = start(acme, plan(metered("1.00")))
    send.turns(acme, MID_MAY, 10)
    send.fold(JUNE)
    return subscription


def test_invariant_9_every_accepted_event_is_in_exactly_one_state(subscription, acme, send):
    invoiced(subscription.periods.get(), now=DUE)
    send.turns(acme, MID_MAY, 3)  # late
    send.turns(acme, JUNE + timedelta(days=1), 4)  # of the open period
    (turns,) = conservation.check(customers=[acme], starts_at=MAY, ends_at=JULY)
    assert turns.accepted == 17
    assert turns.states == {("billed", ""): 10, ("pending", ""): 7}


def test_invariant_12_late_and_out_of_order_usage_is_billed_by_name_and_nothing_is_dropped(subscription, acme, send):
    invoiced(subscription.periods.get(), now=DUE)
    for day in (20, 3, 11):
        send.turns(acme, datetime(2026, 5, day, tzinfo=UTC), 2)
    (june,) = closing.close_due(now=JULY + GRACE).invoices
    (line,) = june.lines.filter(kind=LineKind.LATE)
    assert (line.description, line.quantity, line.amount) == (
        "Late usage, 1-31 May 2026: Turns",
        Decimal(6),
        Decimal("6.00"),
    )


def test_invariant_14_an_issued_invoice_is_rated_again_to_the_same_bytes(subscription, acme, send):
    invoice = invoiced(subscription.periods.get(), now=DUE)
    before = invoicing.canonical(invoice)
    send.turns(acme, MID_MAY, 90)
    usage.catch_up(now=DUE)
    again = closing.rate(period=BillingPeriod.objects.get(pk=invoice.period_id), as_of=invoice.fold)
    assert [line.detail() for line in again.lines] == [line.detail for line in invoice.lines.order_by("position")]
    call_command("verify", invoice.number)
    assert invoicing.canonical(Invoice.objects.get(pk=invoice.pk)) == before


def test_invariant_15_a_new_version_changes_no_past_and_no_open_period(subscription, acme, send):
    plan(metered("9.00"), version=2)
    assert invoiced(subscription.periods.get(), now=DUE).total == Decimal("10.00")
    send.turns(acme, MID_MAY, 1)
    (june,) = closing.close_due(now=JULY + GRACE).invoices
    assert june.total == Decimal("1.00")


@pytest.mark.usefixtures("committed")
def test_invariant_16_closing_twice_at_once_or_after_a_crash_yields_one_invoice(subscription, monkeypatch):
    (period,) = subscription.periods.all()
    book = invoicing._book_claim
    monkeypatch.setattr(invoicing, "_book_claim", lambda *_: (_ for _ in ()).throw(RuntimeError("power cut")))
    with pytest.raises(RuntimeError):
        closing.close(period_id=period.pk, now=DUE)
    monkeypatch.setattr(invoicing, "_book_claim", book)
    assert runs.start(as_of=DUE, now=DUE) is not None
    chunk = CloseChunk.objects.get()
    at_once(*[lambda: runs.work(chunk_id=chunk.pk, now=DUE)] * 2, *[lambda: closing.close_due(now=DUE)] * 2)
    invoice = Invoice.objects.get()
    assert invoice.number == "AM-000001"
    invoice.pk, invoice.number = None, "AM-000002"
    with pytest.raises(IntegrityError, match="invoice_once_a_moment"), transaction.atomic():
        invoice.save(force_insert=True)


def test_invariant_19_what_is_beyond_the_bounds_is_parked_and_the_others_go_on(
    subscription, make_customer, send, settings
):
    rival = start(make_customer("rival"), subscription.version)
    settings.CLOSE_MOST_TIMES = 2
    for number in range(3):  # a history of 1.00 a month
        Invoice.objects.create(
            customer=subscription.customer,
            period=BillingPeriod.objects.create(
                subscription=subscription,
                starts_at=MAY - timedelta(days=30 * (number + 1)),
                ends_at=MAY - timedelta(days=30 * number),
                full_starts_at=MAY - timedelta(days=30 * (number + 1)),
                full_ends_at=MAY - timedelta(days=30 * number),
                status=PeriodStatus.CLOSED,
            ),
            moment=Moment.CLOSING,
            version=subscription.version,
            change=subscription.changes.get(),
            status="open",
            number=f"OLD-{number}",
            currency="EUR",
            subtotal=Decimal("1.00"),
            total=Decimal("1.00"),
            fold=0,
            created_at=MAY,
            issued_at=MAY,
        )
    closed = closing.close_due(now=DUE)
    assert [one.period_id for one in closed.invoices] == [rival.periods.get(ends_at=JUNE).pk]
    (parked,) = closed.parked
    assert "more than 2 times 1.0000" in parked.reason
    parking.release(period_id=parked.period_id, by="ada", reason="a big month", now=DUE)
    (invoice,) = closing.close_due(now=DUE).invoices
    assert invoice.total == Decimal("10.00")
