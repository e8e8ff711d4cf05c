"""What was agreed, issued or booked cannot change: the database itself refuses."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, InternalError, ProgrammingError, transaction

from billing.models import (
    BillingPeriod,
    Invoice,
    InvoiceLine,
    LedgerEntry,
    LedgerTransaction,
    PlanVersion,
    RateCard,
)
from tests.billing.conftest import JUNE, MAY
from tests.billing.usage import invoiced

DUE = JUNE + timedelta(hours=2)
REFUSED = (IntegrityError, InternalError, ProgrammingError)


@pytest.fixture
def invoice(acme, subscribe, send) -> Invoice:
    period = subscribe(acme).periods.get()
    send.turns(acme, MAY, 10)
    send.fold(JUNE)
    return invoiced(period, now=DUE)


def refuses(action):
    with pytest.raises(REFUSED), transaction.atomic():
        action()
    return True


@pytest.mark.parametrize(
    "change",
    [{"total": 1}, {"number": "AM-000009"}, {"buyer": "someone"}, {"fold": 7}, {"digest": "0"}, {"status": "draft"}],
)
def test_an_issued_invoice(invoice, change):
    assert refuses(lambda: Invoice.objects.filter(pk=invoice.pk).update(**change))


def test_an_issued_invoice_is_never_deleted(invoice):
    assert refuses(lambda: Invoice.objects.filter(pk=invoice.pk)._raw_delete("default"))


def test_a_paid_invoice_does_not_go_back(invoice):
    Invoice.objects.update(status="paid", paid_at=DUE)
    assert refuses(lambda: Invoice.objects.update(status="open"))


def test_the_lines_of_an_issued_invoice(invoice, subscribe, make_customer):
    line = invoice.lines.order_by("position")[0]
    assert refuses(lambda: InvoiceLine.objects.filter(pk=line.pk).update(amount=9))
    assert refuses(lambda: InvoiceLine.objects.filter(pk=line.pk).delete())
    line.pk, line.position = None, 99
    assert refuses(line.save)


def test_no_line_is_moved_off_an_issued_invoice(invoice):
    following = BillingPeriod.objects.get(status="open")
    draft = Invoice.objects.create(
        customer=invoice.customer,
        period=following,
        version=invoice.version,
        change=invoice.change,
        currency="EUR",
        subtotal=0,
        total=0,
        fold=1,
        created_at=DUE,
    )
    assert refuses(lambda: InvoiceLine.objects.filter(invoice=invoice).update(invoice=draft))


def test_a_published_version_and_its_cards(publish):
    version = publish("activity")
    card = version.rate_cards.order_by("position")[0]
    draft = PlanVersion.objects.create(plan=version.plan, number=version.number + 1, currencies=["EUR"], created_at=MAY)
    assert refuses(lambda: PlanVersion.objects.filter(pk=version.pk).update(currencies=["USD"]))
    assert refuses(lambda: PlanVersion.objects.filter(pk=version.pk).update(status="draft"))
    assert refuses(lambda: RateCard.objects.filter(pk=card.pk).update(prices={"EUR": {"kind": "flat", "amount": "0"}}))
    assert refuses(lambda: RateCard.objects.filter(pk=card.pk).update(version=draft))
    assert refuses(lambda: RateCard.objects.filter(pk=card.pk).delete())
    card.pk, card.position, card.key = None, 99, "another"
    assert refuses(card.save)


def test_a_published_version_may_be_archived(publish):
    PlanVersion.objects.filter(pk=publish("activity").pk).update(status="archived")
    assert PlanVersion.objects.get().status == "archived"


def test_the_ledger(invoice):
    assert refuses(lambda: LedgerTransaction.objects.update(description="something else"))
    assert refuses(lambda: LedgerEntry.objects.update(account="cash"))
    assert refuses(lambda: LedgerEntry.objects.all()._raw_delete("default"))
    LedgerTransaction.objects.create(key="empty", description="", booked_at=DUE)
    assert refuses(lambda: LedgerTransaction.objects.filter(key="empty")._raw_delete("default"))


def test_periods_of_a_subscription_never_overlap(acme, subscribe):
    period = subscribe(acme).periods.get()
    period.pk, period.starts_at = None, MAY + timedelta(days=3)
    assert refuses(period.save)


def test_a_period_has_one_invoice(invoice):
    invoice.pk, invoice.number = None, None
    invoice.status, invoice.issued_at = "draft", None
    assert refuses(invoice.save)
