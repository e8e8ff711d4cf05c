"""Verification: every invoice comes out of raw events the same to the byte; what differs is named."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing import changes, verification
from billing.errors import InvoiceStateError
from billing.models import InvoiceLine
from metering import archive, partitions
from metering.models import StoredEvent, Window
from metering.partitions import Month
from tests.billing import agreement
from tests.billing.conftest import JUNE, MAY
from tests.examples import stage
from tests.examples.documents import PATHS, read

JULY = datetime(2026, 7, 1, tzinfo=UTC)


def untouched(table):
    """Let a test do what triggers refuse."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"ALTER TABLE {table} DISABLE TRIGGER USER")


def verified(invoice, tmp_path):
    return verification.verify(invoice=verification.find(number=invoice.number), archives=tmp_path)


@pytest.fixture
def invoice(acme, send):
    plan = agreement.plan(agreement.fee("49"), agreement.metered("0.10"))
    subscription = agreement.start(acme, plan)
    send.turns(acme, MAY + timedelta(days=3), 20)
    send.turns(acme, MAY + timedelta(days=9, minutes=7), 15)
    (made,) = agreement.close(subscription, JUNE)
    return made


@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_every_example_is_equal_to_the_byte(path, make_customer, send, tmp_path):
    example = read(path)
    invoice = stage.play(example, customer=make_customer(**example["customer"]), send=send, now=MAY)
    found = verified(invoice, tmp_path)
    assert (found.differences, found.worked_out) == ((), invoice.digest)
    assert found.is_equal


def test_no_window_is_believed(invoice, tmp_path):
    Window.objects.update(count=1_000)
    assert verified(invoice, tmp_path).is_equal


def test_usage_that_came_later_changes_nothing(invoice, acme, send, tmp_path):
    send.turns(acme, MAY + timedelta(days=4), 5)
    send.fold(JULY)
    assert verified(invoice, tmp_path).is_equal


def test_what_was_agreed_later_changes_nothing(invoice, acme, tmp_path):
    dear = agreement.plan(agreement.metered("9"), name="dear")
    subscription = acme.subscriptions.get()
    changes.change_plan(subscription=subscription, version=dear, at=JUNE + timedelta(days=2), act=agreement.ANNA)
    assert verified(invoice, tmp_path).is_equal


def test_archived_months_are_read_too(invoice, tmp_path):
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
    for month in partitions.months():
        if month.starts_at <= MAY:
            archive.archive(month=month, folder=tmp_path, now=JULY)
    assert not StoredEvent.objects.filter(received_at__lt=JUNE).exists()
    assert Month.of(MAY) not in partitions.months()
    assert verified(invoice, tmp_path).is_equal


def test_an_event_that_is_gone_is_found_on_its_line(invoice, tmp_path):
    untouched("metering_storedevent")
    StoredEvent.objects.filter(place=3).delete()
    found = verified(invoice, tmp_path)
    assert not found.is_equal
    assert {(one.position, one.name) for one in found.differences} >= {(0, "total"), (2, "quantity"), (2, "amount")}
    assert str(next(one for one in found.differences if one.name == "quantity")) == (
        "line 2, quantity: '35' is stored, '33' was worked out"
    )


def test_a_line_that_was_changed_is_found(invoice, tmp_path):
    untouched("billing_invoiceline")
    InvoiceLine.objects.filter(invoice=invoice, position=2).update(amount=Decimal("3.51"))
    found = verified(invoice, tmp_path)
    assert tuple(one.name for one in found.differences) == ("digest", "amount")
    assert found.worked_out == found.digest, "what was worked out is what was issued"
    assert not found.is_equal


def test_a_draft_has_nothing_to_verify(db):
    with pytest.raises(InvoiceStateError, match="No issued invoice has the number INV-7"):
        verification.find(number="INV-7")


def test_the_command_verifies_all_and_names_what_is_not_proved(invoice, tmp_path):
    out = StringIO()
    call_command("verify", "--all", archives=tmp_path, stdout=out)
    assert f"{invoice.number}: equal" in out.getvalue()
    untouched("billing_invoiceline")
    InvoiceLine.objects.filter(invoice=invoice, position=1).update(description="Other")
    with pytest.raises(CommandError, match=f"Not proved: {invoice.number}"):
        call_command("verify", invoice.number, archives=tmp_path, stdout=out)
    assert "line 1, description: 'Other' is stored, 'Base' was worked out" in out.getvalue()


@pytest.mark.parametrize("arguments", [[], ["--all", "INV-1"], ["INV-404"]])
def test_the_command_says_what_it_cannot_do(db, arguments):
    with pytest.raises(CommandError):
        call_command("verify", *arguments)
