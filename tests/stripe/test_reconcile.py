"""Reconciliation: what differs between our books and Stripe's is listed, with the amount in question."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from billing.models import Invoice
from billing.models.findings import FindingKind as Kind
from billing.stripe import delivery, installation, outbox, reconcile
from tests.stripe import rows


def findings(clock, since=None):
    found = reconcile.compare(now=clock.now, since=since).findings
    return [(finding.kind, finding.subject.split()[0], str(finding.at_risk)) for finding in found if told(finding)]


def details(clock):
    return [finding.detail for finding in reconcile.compare(now=clock.now).findings if told(finding)]


def told(finding):
    """What is about the messages and payments behind a difference has tests of its own."""
    return finding.kind not in {Kind.STUCK, Kind.PAYMENTS, Kind.CUSTOMER_GONE}


def test_books_that_agree_have_no_findings(stripe, collected, clock):
    result = reconcile.compare(now=clock.turn(days=1))
    assert (result.ours, result.theirs, list(result.findings)) == (1, 1, [])


def test_an_invoice_on_its_way_is_no_finding_yet(stripe, enqueued, clock):
    assert findings(clock) == []
    delivery.deliver(now=clock.now, limit=2)
    assert findings(clock) == []


def test_an_invoice_that_never_got_there_is_one_after_an_hour(stripe, enqueued, clock):
    clock.turn(hours=1)
    assert findings(clock) == [(Kind.MISSING_THERE, "AM-000001", "41.34 EUR")]
    assert f"cus:{enqueued.customer_id}:g1 is pending" in details(clock)[0]


def test_an_invoice_that_nobody_enqueued_is_found(stripe, invoice, clock):
    clock.turn(hours=1)
    assert details(clock) == ["nothing in the outbox waits"]


def test_a_failed_message_is_told_at_once_with_its_reason(stripe, enqueued, clock):
    other = stripe.api.customers.create({"email": "x@example.com"})
    stripe.api.invoices.create({"customer": other.id, "number": "AM-000001"})
    delivery.deliver(now=clock.now)
    assert findings(clock) == [(Kind.MISSING_THERE, "AM-000001", "41.34 EUR")]
    assert "already in use" in details(clock)[0]


def test_an_invoice_that_only_stripe_knows_is_found(stripe, collected, clock):
    lines = [{"amount": 500, "description": "?"}]
    names = {"agentmeter_installation": installation.token(), "agentmeter_invoice": "AM-000777"}
    twin = stripe.api.invoices.create({"customer": stripe.customers()[0].id, "metadata": names, "currency": "eur"})
    stripe.api.invoices.add_lines(twin.id, {"lines": lines})
    assert findings(clock) == [(Kind.MISSING_HERE, twin.id, "5.00 EUR")]
    assert "AM-000777" in details(clock)[0]


def test_an_invoice_that_names_none_of_ours_is_not_ours_to_judge(stripe, collected, clock):
    stripe.api.invoices.create({"customer": stripe.customers()[0].id})
    assert findings(clock) == []


def test_two_at_stripe_for_one_of_ours_are_found(stripe, collected, clock):
    found = stripe.only_invoice()
    twin = {"customer": found.customer, "metadata": found.metadata.to_dict(), "currency": "eur"}
    stripe.api.invoices.create(twin)
    assert (Kind.DUPLICATE, "AM-000001", "41.34 EUR") in findings(clock)


def test_a_changed_total_is_found_once_delivery_has_stopped_or_somebody_finalized_it(stripe, enqueued, clock):
    delivery.deliver(now=clock.now, limit=3)
    found = stripe.only_invoice().id
    stripe.api.invoices.add_lines(found, {"lines": [{"amount": 66, "description": "Slipped in"}]})
    assert findings(clock) == [], "it may still be on its way"
    delivery.deliver(now=clock.now)
    assert [kind for kind, _, _ in findings(clock)] == [Kind.OLD_DRAFT, Kind.CONTENT]
    stripe.api.invoices.finalize_invoice(found)
    assert details(clock) == ["total is '42.00 EUR' there, '41.34 EUR' here"]


@pytest.mark.parametrize("fate", ["pay", "void_invoice", "mark_uncollectible"])
def test_a_state_that_differs_is_found(stripe, collected, clock, fate):
    found = stripe.only_invoice().id
    if fate == "pay":
        stripe.pay(found)
    else:
        getattr(stripe.api.invoices, fate)(found)
    assert findings(clock) == [(Kind.STATUS, "AM-000001", "41.34 EUR")]
    assert details(clock) == [f"{stripe.only_invoice().status} there, open here"]


def test_paid_here_and_open_there_is_found(stripe, collected, clock):
    Invoice.objects.update(status="paid", paid_at=clock.now)
    assert details(clock) == ["open there, paid here"]


def test_a_draft_that_stays_one_is_found_with_what_stopped_it(stripe, enqueued, clock):
    delivery.deliver(now=clock.now, limit=3)
    stripe.api.invoices.update(stripe.only_invoice().id, {"metadata": {"agentmeter_digest": "changed"}})
    delivery.deliver(now=clock.now)
    assert [kind for kind, _, _ in findings(clock)] == [Kind.OLD_DRAFT, Kind.CONTENT]
    assert "finalize_invoice:g1 is failed" in details(clock)[0]


def test_only_invoices_from_a_day_on_are_compared_and_older_ones_are_still_known(stripe, acme, collected, clock):
    clock.turn(days=30)
    later = rows.issued_invoice(acme, "AM-000002", issued_at=clock.now)
    outbox.enqueue_invoice(invoice=later, now=clock.now)
    delivery.deliver(now=clock.now)
    result = reconcile.compare(now=clock.now, since=rows.ISSUED + timedelta(days=1))
    assert (result.ours, result.theirs, list(result.findings)) == (1, 1, [])


class TestTheCommand:
    def run(self, *arguments):
        out = StringIO()
        call_command("reconcile", *arguments, stdout=out)
        return out.getvalue()

    def test_it_says_what_it_compared(self, stripe, collected):
        assert self.run() == "1 issued invoices compared with 1 at Stripe.\n"
        assert self.run("--since", "2026-11-01").startswith("1 issued")

    def test_it_lists_findings_and_fails(self, stripe, collected):
        stripe.pay(stripe.only_invoice().id)
        out = StringIO()
        with pytest.raises(CommandError, match="2 findings"):
            call_command("reconcile", stdout=out)
        assert "medium status_mismatch: AM-000001 in_" in out.getvalue()
        assert "high payments_mismatch: AM-000001 in_" in out.getvalue()
        assert "paid there, open here" in out.getvalue()

    def test_it_explains_a_wrong_date_and_a_stripe_that_refuses(self, stripe, settings):
        with pytest.raises(CommandError, match="write YYYY-MM-DD"):
            self.run("--since", "yesterday")
        settings.STRIPE_API_KEY = "sk_test_of_somebody_else"
        with pytest.raises(CommandError, match="401"):
            self.run()
