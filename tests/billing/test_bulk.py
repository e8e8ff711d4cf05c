"""Drafts in bulk: row for row what one draft after the other would be; a period is claimed once; all or nothing."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import IntegrityError, OperationalError, connection, transaction

from billing import assessment, bulk, catalog, contracts, invoicing, subscriptions
from billing.assessment import Question
from billing.bulk import Bill
from billing.models import BillingPeriod, Invoice, InvoiceLine
from metering import usage
from tests.billing.conftest import JUNE, MAY

DUE = JUNE + timedelta(hours=2)
ODD = 'Turns \\ "quoted"\tand\nlines, for 1 % of é'


@pytest.fixture
def bills(make_customer, send):
    """Two customers, one with a name that a careless COPY would break, with usage, an allowance and a discount."""
    document = dict(catalog.read(path=catalog.PLANS / "hybrid.toml")) | {
        "discounts": [{"key": "partner", "name": ODD[:60], "percent": "10"}]
    }
    version = catalog.publish(version=catalog.import_plan(document=document, now=MAY), now=MAY)
    for key in ("acme", "rival"):
        customer = make_customer(key, currency=version.currencies[0])
        subscriptions.start(customer=customer, version=version, starts_at=MAY, now=MAY)
        send.decisions(customer, MAY + timedelta(days=3), 130)
        send.compute(customer, MAY + timedelta(days=3), 2250)
    send.fold(JUNE)
    return [bill_of(period) for period in BillingPeriod.objects.order_by("pk")]


def bill_of(period):
    question = Question(period, contracts.load(subscription=period.subscription), as_of=usage.latest_fold())
    return Bill(question, assessment.assess(question))


def facts(invoice):
    aside = {"id", "invoice_id", "period_id", "customer_id", "change_id"}
    lines = invoice.lines.order_by("position").values()
    return [
        {name: value for name, value in row.items() if name not in aside}
        for row in (Invoice.objects.filter(pk=invoice.pk).values()[0], *lines)
    ]


def test_a_draft_in_bulk_is_what_a_draft_alone_is(bills):
    alone = invoicing.draft(question=bills[0].question, assessed=bills[0].assessed, now=DUE)
    assert bulk.draft(bills=bills[1:], now=DUE) == 1
    together = Invoice.objects.exclude(pk=alone.pk).get()
    assert facts(together) == facts(alone)
    assert InvoiceLine.objects.filter(kind="discount").exists()
    period = BillingPeriod.objects.get(pk=bills[1].question.period.pk)
    assert (period.status, period.closed_at) == ("closed", DUE)


def test_a_draft_made_in_bulk_is_issued_like_any_other(bills):
    bulk.draft(bills=bills, now=DUE)
    for draft in Invoice.objects.order_by("pk"):
        assert invoicing.finalize(invoice=draft, now=DUE).number
    assert Invoice.objects.filter(status="open").count() == 2


def test_a_period_that_another_close_has_claimed_is_left_out(bills):
    BillingPeriod.objects.filter(pk=bills[0].question.period.pk).update(status="closed", closed_at=JUNE)
    assert bulk.draft(bills=bills, now=DUE) == 1
    assert Invoice.objects.get().period == bills[1].question.period
    assert bulk.draft(bills=bills, now=DUE) == 0
    assert Invoice.objects.count() == 1


def test_nothing_of_a_chunk_is_kept_where_one_period_has_an_invoice(bills):
    invoicing.draft(question=bills[1].question, assessed=bills[1].assessed, now=DUE)
    with pytest.raises(IntegrityError, match="invoice_once_a_moment"):
        bulk.draft(bills=bills, now=DUE)
    assert Invoice.objects.count() == 1
    assert set(BillingPeriod.objects.values_list("status", flat=True)) == {"open"}


def test_more_than_a_chunk_is_written_chunk_by_chunk_while_the_next_is_rated(committed, bills, monkeypatch):
    monkeypatch.setattr(bulk, "CHUNK", 1)
    assert bulk.draft_all(bills=iter(bills), now=DUE) == 2
    assert Invoice.objects.count() == 2
    assert bulk.draft_all(bills=iter(bills), now=DUE) == 0


def test_a_chunk_that_fails_leaves_those_before_it(committed, bills, monkeypatch):
    monkeypatch.setattr(bulk, "CHUNK", 1)
    invoicing.draft(question=bills[1].question, assessed=bills[1].assessed, now=DUE)
    with pytest.raises(IntegrityError, match="invoice_once_a_moment"):
        bulk.draft_all(bills=iter(bills), now=DUE)
    assert list(BillingPeriod.objects.order_by("pk").values_list("status", flat=True)) == ["closed", "open"]


def test_several_chunks_are_under_way_at_once_and_all_are_counted(committed, bills, make_customer, send, monkeypatch):
    version = bills[0].question.contract.version_at(MAY)
    for key in ("third", "fourth", "fifth"):
        subscriptions.start(
            customer=make_customer(key, currency=version.currencies[0]), version=version, starts_at=MAY, now=MAY
        )
    monkeypatch.setattr(bulk, "CHUNK", 1)
    every = [bill_of(period) for period in BillingPeriod.objects.order_by("pk")]
    assert bulk.draft_all(bills=iter(every), now=DUE) == len(every) == 5
    assert Invoice.objects.count() == 5


def test_a_line_waits_for_whoever_is_issuing_its_draft(committed, bills):
    bulk.draft(bills=bills[:1], now=DUE)
    draft = Invoice.objects.get()
    line = draft.lines.order_by("position")[0]
    line.pk, line.position = None, 99
    with ThreadPoolExecutor(max_workers=1) as other:
        with transaction.atomic():
            invoicing.finalize(invoice=draft, now=DUE)
            with pytest.raises(OperationalError, match="lock timeout"):
                other.submit(save_soon, line).result()
        with pytest.raises(IntegrityError, match="its lines cannot change"):
            other.submit(save_soon, line).result()
        other.submit(leave).result()


def save_soon(line):
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET LOCAL lock_timeout = '300ms'")
        line.save()


def leave():
    connection.close()  # of the thread that it is called in


def test_nothing_is_a_chunk_too(db):
    assert bulk.draft(bills=[], now=DUE) == 0
