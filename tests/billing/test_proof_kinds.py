"""Every kind of invoice is verified and proved: late usage, merged drafts, prepaid time, free time; and at size."""

import resource
import subprocess
import sys
from datetime import timedelta
from decimal import Decimal

import pytest

from agents.models import Agent
from billing import changes, invoicing, verification
from billing.models import BillingProfile, Invoice, InvoiceLine, TaxAssignment, TaxRate
from billing.proof import layout
from metering import corrections
from metering.models import Event
from tests.billing import agreement
from tests.billing.bundles import edited, forged, found, opened, pack, proved
from tests.billing.conftest import JUNE, MAY
from tests.billing.test_merging import draft, issue
from tests.portal import stage

DAY = timedelta(days=1)
JULY = JUNE + timedelta(days=30)


def assert_proved(invoice, tmp_path):
    """From raw events, and from the bundle alone; returns the bundle's report."""
    found = verification.verify(invoice=verification.find(number=invoice.number), archives=tmp_path)
    assert (found.differences, found.worked_out) == ((), invoice.digest)
    report = proved(pack(invoice, tmp_path))
    assert report.findings == []
    return report


def test_an_invoice_with_late_usage(acme, send, tmp_path):
    subscription = agreement.start(acme, agreement.plan(agreement.fee("49"), agreement.metered("0.10")))
    send.turns(acme, MAY + DAY, 10)
    agreement.close(subscription, JUNE)
    send.turns(acme, MAY + 2 * DAY, 5)
    first, second = agreement.close(subscription, JULY)
    assert [line.kind for line in second.lines.order_by("position")] == ["charge", "charge", "late"]
    assert_proved(first, tmp_path)
    report = assert_proved(second, tmp_path)
    assert report.remarks == ["taken as stated, because no event decides them: 1 lines for late usage"]


def test_an_invoice_with_usage_that_was_taken_back_later(acme, send, tmp_path):
    subscription = agreement.start(acme, agreement.plan(agreement.metered("0.10")))
    send.turns(acme, MAY + DAY, 10)
    agreement.close(subscription, JUNE)
    event = Event.objects.filter(customer_id=acme.pk)[0]
    corrections.void(
        customer_id=acme.pk, source=event.source, event_id=event.event_id, actor="user:ada", reason="no", now=JUNE
    )
    send.turns(acme, JUNE + DAY, 3)
    first, second = agreement.close(subscription, JULY)
    assert second.total == Decimal("0.20")
    assert_proved(first, tmp_path)
    assert_proved(second, tmp_path)


def test_a_merged_invoice_and_each_of_its_parts(acme, tmp_path):
    BillingProfile.objects.create(customer=acme, merges=True)
    Agent.objects.create(customer=acme, key="crane", name="Crane", first_seen_at=MAY)
    first = stage.subscribe(acme, starts_at=MAY)
    middle = MAY + 15 * DAY
    changes.cancel(subscription=first, at=middle, act=changes.Act("test", now=MAY))
    second = stage.subscribe(acme, starts_at=middle, plan=stage.PLAN | {"plan": "second", "name": "Second"})
    work = stage.Work(acme)
    work.turns(MAY + DAY, MAY + 20 * DAY, MAY + 21 * DAY)
    now = JUNE + timedelta(hours=2)
    stage.count(now)
    (merged,) = issue([draft(first, now), draft(second, now)])
    assert_proved(merged, tmp_path)
    files = opened(pack(merged, tmp_path))
    cheated = edited(files, layout.INVOICE, lambda one: one["parts"][0].__setitem__("lines", []))
    assert ("invoice", "parts") in found(forged(cheated))
    without = edited(files, layout.TERMS, lambda terms: terms["parts"].pop())
    assert {kind for kind, _ in found(forged(without))} == {"line", "bundle"}


def test_time_that_was_paid_in_advance_and_given_back(acme, tmp_path):
    plan = agreement.plan(agreement.fee("31", billed="advance"))
    subscription = agreement.start(acme, plan)
    agreement.close(subscription, MAY)
    other = agreement.plan(agreement.fee("62", billed="advance"), name="big")
    changes.change_plan(subscription=subscription, version=other, at=MAY + 10 * DAY, act=agreement.ANNA)
    opening, closing = agreement.close(subscription, JUNE)
    assert_proved(opening, tmp_path)
    report = assert_proved(closing, tmp_path)
    assert "1 lines for time that was paid in advance" in report.remarks[0]


def test_usage_in_a_trial_and_in_a_pause(acme, send, tmp_path):
    phases = [{"name": "trial", "days": 5, "free": True}]
    subscription = agreement.start(acme, agreement.plan(agreement.metered("0.10"), phases=phases))
    for day in (1, 7, 12):
        send.turns(acme, MAY + day * DAY, 3)
    changes.pause(subscription=subscription, at=MAY + 11 * DAY, act=agreement.ANNA)
    for invoice in agreement.close(subscription, JUNE):
        assert_proved(invoice, tmp_path)
    assert Invoice.objects.filter(lines__kind="zero_rated").exists()


def test_a_bundle_of_many_events_is_made_and_proved_in_little_memory(acme, send, tmp_path):
    subscription = agreement.start(acme, agreement.plan(agreement.metered("0.001")))
    for number in range(20):
        send.turns(acme, MAY + timedelta(hours=number), 1_000)
    (invoice,) = agreement.close(subscription, JUNE)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    path = tmp_path / "bundle.zip"
    path.write_bytes(pack(invoice, tmp_path))
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 * 1024, "in KiB"
    # Not getrusage: the child's peak there begins with its parent's.
    peak = "next(line.split()[1] for line in open('/proc/self/status') if line.startswith('VmHWM'))"
    code = "import sys; from billing.proof.__main__ import main; code = main(sys.argv[1:]);"
    code += f"print('KiB', {peak}); sys.exit(code)"
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("PROVED")
    assert int(done.stdout.rpartition(" ")[2]) < 256 * 1024
    assert verification.verify(invoice=verification.find(number=str(invoice.number)), archives=tmp_path).is_equal


@pytest.mark.parametrize("part", ["now", "billed"])
def test_a_late_line_that_was_changed_in_the_terms_is_not_that_of_the_invoice(acme, send, tmp_path, part):
    subscription = agreement.start(acme, agreement.plan(agreement.metered("0.10")))
    send.turns(acme, MAY + DAY, 10)
    agreement.close(subscription, JUNE)
    send.turns(acme, MAY + 2 * DAY, 5)
    invoice = agreement.close(subscription, JULY)[-1]
    files = opened(pack(invoice, tmp_path))
    cheated = edited(files, layout.TERMS, lambda one: one["parts"][0]["late"][0][part].__setitem__(0, "7"))
    assert [kind for kind, _ in found(forged(cheated))] == ["line"]


def taxed(customer):
    TaxRate.objects.create(
        jurisdiction="de", name="VAT", percent=Decimal(19), starts_at=MAY - 30 * DAY, created_at=MAY - 30 * DAY
    )
    TaxAssignment.objects.create(
        customer=customer, jurisdiction="de", starts_at=MAY - 30 * DAY, created_at=MAY - 30 * DAY
    )


@pytest.mark.parametrize("later", [{"tax_exempt": "reverse", "tax_id": "DE1"}, {"tax_exempt": "exempt"}])
def test_a_customer_who_is_taxed_otherwise_since(acme, tmp_path, later):
    taxed(acme)
    subscription = agreement.start(acme, agreement.plan(agreement.fee("100")))
    (invoice,) = agreement.close(subscription, JUNE)
    assert invoice.total == 119
    type(acme).objects.filter(pk=acme.pk).update(**later)
    assert_proved(invoice, tmp_path)


def test_tax_that_was_asked_for_elsewhere(acme, tmp_path):
    BillingProfile.objects.create(customer=acme, tax_source="stripe")
    subscription = agreement.start(acme, agreement.plan(agreement.fee("100")))
    asked = draft(subscription, JUNE + DAY)
    line = InvoiceLine(
        invoice=asked, position=2, kind="tax", source="stripe:txcalc_1:de:vat:19", description="VAT 19 %"
    )
    line.quantity, line.amount, line.detail = Decimal(0), Decimal(19), []
    line.starts_at, line.ends_at = MAY, JUNE
    line.save()
    asked.tax, asked.total = Decimal(19), Decimal(119)
    asked.save()
    invoice = invoicing.finalize(invoice=asked, now=JUNE + DAY)
    report = assert_proved(invoice, tmp_path)
    assert report.remarks == ["taken as stated, because no event decides them: 1 lines of tax from elsewhere"]
    changed = edited(opened(pack(invoice, tmp_path)), layout.TERMS, lambda one: one["parts"][0]["given"].clear())
    assert ("line", "2") in found(forged(changed))
