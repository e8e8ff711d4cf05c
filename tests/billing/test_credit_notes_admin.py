"""Credit notes in the admin: written with a reason, and seen before they are issued; voids and write-offs likewise."""

import re
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from billing.models import BillingPeriod, CreditNote, Invoice, LedgerTransaction, Refund
from tests.billing.agreement import close, fee, plan, start
from tests.billing.conftest import JUNE
from tests.billing.crediting import books, pay

SAID = {"reason": "product_unsatisfactory", "explanation": "It was down."}


def address(name, *args):
    return reverse(f"admin:billing_{name}", args=args)


@pytest.fixture
def anna(client, db):
    client.force_login(get_user_model().objects.create_superuser("anna"))
    return client


@pytest.fixture
def invoice(acme) -> Invoice:
    return close(start(acme, plan(fee("900.00"), fee("100.00", "desk"))), JUNE)[0]


def lower(client, invoice, **fields):
    page = client.get(address("creditnote_lower", invoice.pk)).content.decode()
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key is not None
    return client.post(address("creditnote_lower", invoice.pk), {"key": key[1], **SAID, **fields}, follow=True)


def test_a_note_is_written_seen_and_issued(anna, invoice):
    page = lower(anna, invoice, total="250.00").content.decode()
    assert "Owed now 1000.00 EUR, then 750.00 EUR; the invoice will be open." in page
    assert LedgerTransaction.objects.filter(key__startswith="credit-note:").count() == 0
    note = CreditNote.objects.get()
    anna.post(address("creditnote_issue", note.pk), {"action": "preview"})
    assert CreditNote.objects.get().status == "draft"
    anna.post(address("creditnote_issue", note.pk), {"action": "issue"})
    note.refresh_from_db()
    assert (note.number, note.issued_by, note.total) == ("CN-000001", "anna", Decimal(250))


def test_amounts_on_lines(anna, invoice):
    line = invoice.lines.get(description="Desk")
    lower(anna, invoice, **{f"line-{line.pk}": "40.00"})
    assert [(one.description, one.amount) for one in CreditNote.objects.get().lines.all()] == [("Desk", Decimal(40))]


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"total": "1000.01"}, "1000.00 EUR is left"),
        ({"total": "1.001"}, "no multiple of 0.01"),
        ({"explanation": ""}, "This field is required"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field(anna, invoice, fields, told):
    assert told in lower(anna, invoice, **fields).content.decode()
    assert not CreditNote.objects.exists()


def test_one_amount_or_amounts_on_lines(anna, invoice):
    line = invoice.lines.get(description="Desk")
    page = lower(anna, invoice, total="1.00", **{f"line-{line.pk}": "1.00"}).content.decode()
    assert "not both" in page


def test_above_the_limit_a_second_person_issues(anna, invoice, client):
    page = lower(anna, invoice).content.decode()
    assert "second person" in page
    assert "It cannot be issued so." in page
    note = CreditNote.objects.get()
    anna.post(address("creditnote_issue", note.pk), {"action": "issue"})
    note.refresh_from_db()
    assert note.status == "draft"
    client.force_login(get_user_model().objects.create_superuser("ben"))
    client.post(address("creditnote_issue", note.pk), {"action": "issue"})
    note.refresh_from_db()
    assert (note.status, note.issued_by) == ("issued", "ben")


def test_what_was_paid_is_refunded_in_part(anna, invoice):
    pay(invoice, "1000.00")
    page = lower(anna, invoice, total="100.00").content.decode()
    assert "100 becomes the customer" in page
    note = CreditNote.objects.get()
    told = {"refund": "60.00", "outside": "10.00"}
    page = anna.post(address("creditnote_issue", note.pk), {"action": "preview", **told}).content.decode()
    assert "60 is refunded." in page
    assert books()["cash"] == "1000.00"
    anna.post(address("creditnote_issue", note.pk), {"action": "issue", **told})
    assert (books()["refunds"], books()["credits"], books()["outside"]) == ("-60.00", "-30.00", "-10.00")
    assert Refund.objects.get().amount == 60


def test_a_draft_is_dropped_with_a_reason(anna, invoice):
    lower(anna, invoice, total="1.00")
    note = CreditNote.objects.get()
    anna.post(address("creditnote_void", note.pk), {"reason": ""})
    note.refresh_from_db()
    assert note.status == "draft"
    anna.post(address("creditnote_void", note.pk), {"reason": "not agreed"})
    note.refresh_from_db()
    assert (note.status, note.void_reason, note.voided_by) == ("void", "not agreed", "anna")


def test_an_invoice_is_voided_with_a_reason_and_its_period_waits(anna, invoice):
    assert "its usage is billed anew" in anna.get(address("creditnote_void_invoice", invoice.pk)).content.decode()
    anna.post(address("creditnote_void_invoice", invoice.pk), {"reason": "wrong price", "is_held": "on"})
    invoice.refresh_from_db()
    assert (invoice.status, BillingPeriod.objects.get(pk=invoice.period_id).status) == ("void", "parked")


def test_an_invoice_is_written_off(anna, invoice):
    anna.post(address("creditnote_write_off", invoice.pk), {"reason": "insolvent"})
    invoice.refresh_from_db()
    assert invoice.status == "uncollectible"
    page = anna.post(address("creditnote_void_invoice", invoice.pk), {"reason": "x"}, follow=True).content.decode()
    assert "is void" in page


def test_a_refusal_is_told(anna, invoice):
    pay(invoice, "1000.00")
    page = anna.post(address("creditnote_void_invoice", invoice.pk), {"reason": "x"}).content.decode()
    assert "write a credit note instead" in page


def test_who_may_not_is_refused(client, invoice):
    staff = get_user_model().objects.create_user("carl", is_staff=True)
    client.force_login(staff)
    for name in ("creditnote_lower", "creditnote_void_invoice", "creditnote_write_off"):
        assert client.get(address(name, invoice.pk)).status_code == 403


@pytest.mark.parametrize("name", ["creditnote", "refund", "deferral"])
def test_every_list_is_shown(anna, invoice, name):
    lower(anna, invoice, total="1.00")
    assert anna.get(address(f"{name}_changelist")).status_code == 200


def test_a_note_and_its_invoice_lead_to_what_can_be_done(anna, invoice):
    lower(anna, invoice, total="1.00")
    assert anna.get(address("creditnote_change", CreditNote.objects.get().pk)).status_code == 200
    assert "Write off" in anna.get(address("invoice_change", invoice.pk)).content.decode()
