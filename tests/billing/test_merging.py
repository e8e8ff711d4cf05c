"""Merging: several drafts of one customer and day become one invoice, and each part can still be proved alone."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import DatabaseError, transaction

from agents.models import Agent
from billing import assessment, changes, closing, contracts, invoicing, merging
from billing.assessment import Question
from billing.changes import Act
from billing.errors import InvoiceStateError
from billing.models import BillingProfile, Invoice, InvoiceLine, LedgerTransaction, OutboxMessage
from billing.papers import content, sheets
from metering import usage
from tests.portal import stage

MAY = datetime(2026, 5, 1, tzinfo=UTC)
MID_MAY = datetime(2026, 5, 16, tzinfo=UTC)
JUNE = datetime(2026, 6, 1, tzinfo=UTC)
DUE = JUNE + timedelta(hours=2)


@pytest.fixture
def drafts(acme):
    """Two drafts of acme from one day: of a subscription that ended in the middle of May, and of the one after it."""
    BillingProfile.objects.create(customer=acme, merges=True, grouping="agent")
    Agent.objects.create(customer=acme, key="crane", name="Crane", first_seen_at=MAY)
    first = stage.subscribe(acme, starts_at=MAY)
    changes.cancel(subscription=first, at=MID_MAY, act=Act("test", now=MAY))
    second = stage.subscribe(acme, starts_at=MID_MAY, plan=stage.PLAN | {"plan": "second", "name": "Second"})
    work = stage.Work(acme)
    work.turns(MAY + timedelta(days=1), MAY + timedelta(days=20), MAY + timedelta(days=21))
    stage.count(DUE)
    return [draft(first, DUE), draft(second, DUE)]


def draft(subscription, now):
    """Draft the first period of a subscription, as a close does, and leave it so."""
    period = subscription.periods.order_by("pk")[0]
    question = Question(period, contracts.load(subscription=subscription), as_of=usage.latest_fold())
    return invoicing.draft(question=question, assessed=assessment.assess(question), now=now)


def issue(drafts):
    return [invoicing.finalize(invoice=one, now=DUE) for one in merging.merge(drafts=drafts, now=DUE)]


def test_they_become_one_invoice_with_one_number_one_booking_and_one_collection(drafts, acme):
    (merged,) = issue(drafts)
    assert (merged.number, merged.moment, merged.status) == ("AM-000001", "merged", "open")
    assert merged.total == sum(one.total for one in drafts)
    assert merged.subtotal == sum(one.subtotal for one in drafts)
    assert LedgerTransaction.objects.filter(key__startswith="invoice:").count() == 1
    assert OutboxMessage.objects.filter(invoice__isnull=False).values("invoice").distinct().count() == 1
    assert Invoice.objects.exclude(status="draft").count() == 1


def test_each_part_keeps_its_period_its_version_its_fold_and_its_lines(drafts):
    (merged,) = issue(drafts)
    parts = merging.parts_of(invoice=merged)
    assert [part.pk for part in parts] == [one.pk for one in drafts]
    assert [part.period_id for part in parts] == [one.period_id for one in drafts]
    for part in parts:
        rated = closing.rate(period=part.period, as_of=part.fold)
        own = InvoiceLine.objects.filter(invoice=merged, part=part).order_by("position")
        assert [(line.description, line.quantity, line.amount, line.detail) for line in own] == [
            (line.description, line.quantity, line.amount.amount, line.detail()) for line in rated.lines
        ]
    assert b'"parts"' in invoicing.canonical(merged)


def test_the_paper_has_a_section_for_each_part_and_sub_totals_over_all(drafts):
    (merged,) = issue(drafts)
    made = content.of_invoice(invoice=Invoice.objects.get(pk=merged.pk))
    assert [section.title for section in made.sections] == [
        "Yard, version 1, 1 May 2026 to 15 May 2026",
        "Second, version 1, 16 May 2026 to 15 Jun 2026",
    ]
    assert "Crane" in [group.label for group in made.groups]
    assert "Second, version 1" in sheets.html(paper=made)


def test_who_does_not_want_it_gets_one_invoice_each(drafts):
    BillingProfile.objects.update(merges=False)
    fresh = list(Invoice.objects.order_by("pk"))
    assert [one.number for one in issue(fresh)] == ["AM-000001", "AM-000002"]
    assert not Invoice.objects.filter(moment="merged").exists()


def test_drafts_of_another_day_stay_apart(drafts):
    Invoice.objects.filter(pk=drafts[0].pk).update(created_at=DUE - timedelta(days=1))
    assert len(issue(list(Invoice.objects.order_by("pk")))) == 2


def test_one_alone_is_issued_as_it_is(drafts):
    (only,) = issue(drafts[:1])
    assert (only.pk, only.moment) == (drafts[0].pk, "closing")
    assert merging.parts_of(invoice=only) == [only]


def test_a_draft_is_merged_once_and_never_issued_beside(drafts):
    issue(drafts)
    with pytest.raises(DatabaseError), transaction.atomic():
        merging.merge(drafts=drafts, now=DUE)
    with pytest.raises(InvoiceStateError), transaction.atomic():
        invoicing.finalize(invoice=drafts[0], now=DUE)
    assert merging.parts_of(invoice=Invoice.objects.get(moment="merged")) == drafts


def test_the_parts_are_frozen_as_the_invoice_is(drafts):
    issue(drafts)
    part = Invoice.objects.filter(pk=drafts[0].pk)
    for change in (
        lambda: part.update(total=1, subtotal=1),
        lambda: part.update(merged_into=None),
        part.delete,
        lambda: InvoiceLine.objects.filter(invoice=drafts[0]).update(amount=0),
        lambda: InvoiceLine.objects.filter(invoice=drafts[0]).delete(),
    ):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


def test_what_was_charged_in_advance_is_found_at_the_part_that_charged_it(drafts):
    (merged,) = issue(drafts)
    for draft in drafts:
        own = InvoiceLine.objects.filter(merging.rated_as(period=draft.period), invoice__number__isnull=False)
        assert {line.part_id for line in own} == {draft.pk}
        assert {line.invoice_id for line in own} == {merged.pk}


def test_the_close_leaves_the_drafts_of_who_merges_and_issues_them_together(acme):
    BillingProfile.objects.create(customer=acme, merges=True)
    first = stage.subscribe(acme, starts_at=MAY)
    changes.cancel(subscription=first, at=MID_MAY, act=Act("test", now=MAY))
    second = stage.subscribe(acme, starts_at=MID_MAY, plan=stage.PLAN | {"plan": "second", "name": "Second"})
    changes.cancel(subscription=second, at=JUNE, act=Act("test", now=MID_MAY))
    stage.count(DUE)
    issued = [one for _ in range(2) for one in closing.close_due(now=DUE).invoices if one.status != "draft"]
    (merged,) = Invoice.objects.exclude(status="draft")
    assert issued == [merged]
    assert len(merging.parts_of(invoice=merged)) == 2
    assert not Invoice.objects.filter(status="draft", merged_into=None).exists()
