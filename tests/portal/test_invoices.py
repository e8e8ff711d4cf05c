"""Invoices as the customer sees them."""

import csv
import io

import pytest

from billing import invoicing
from billing.models import Invoice
from billing.models.invoices import InvoiceStatus
from billing.money import Money
from tests.portal import stage
from tests.portal.conftest import NOW
from tests.portal.stage import utc


@pytest.fixture
def october(acme):
    """Acme's invoice for October: 30.00 for the month, 5 turns at 2 x 0.50 + 3 x 0.125 = 1.375, no seats."""
    stage.subscribe(acme, starts_at=utc(2026, 9, 30, 22))
    stage.Work(acme).turns(*(utc(2026, 10, day) for day in range(2, 7)))
    stage.count(utc(2026, 10, 31))
    return stage.invoice(acme, now=utc(2026, 11, 4, 3))


def test_the_list_shows_number_period_issue_state_and_total(portal, october):
    text = portal.text("invoices")
    assert october.number in text
    assert "1 Oct 2026 to 31 Oct 2026" in text
    assert "4 Nov 2026" in text
    assert '<span class="state open">Open</span>' in text
    assert ">€31.38<" in text


def test_an_empty_list_says_when_the_first_comes(portal):
    assert "No invoice yet" in portal.text("invoices")


def test_the_list_comes_in_pages(portal, acme):
    stage.subscribe(acme, starts_at=utc(2024, 9, 30, 22))
    stage.invoice(acme, now=NOW)
    assert "25 issued, newest first" in portal.text("invoices")
    assert portal.text("invoices").count('<th scope="row">') == 24
    older = portal.text("invoices", query="?page=2")
    assert older.count('<th scope="row">') == 1
    assert "Page 2 of 2" in older


def test_a_draft_is_not_shown(portal, october):
    period = october.customer.subscriptions.get().periods.get(status="open")
    draft = Invoice.objects.create(
        customer=october.customer,
        period=period,
        version=october.version,
        currency="EUR",
        total=0,
        fold=0,
        created_at=NOW,
    )
    assert draft.status == InvoiceStatus.DRAFT
    assert portal.text("invoices").count('<th scope="row">') == 1


def test_an_invoice_shows_parties_dates_and_total(portal, october):
    text = portal.text("invoice", october.number)
    assert "Acme Harbour\n1 Main Street\nDE\nbilling@acme.example" in text
    assert "1 Meter Street" in text
    assert "<dt>Issued</dt><dd>4 November 2026</dd>" in text
    assert "<dt>Due</dt><dd>18 November 2026</dd>" in text
    assert "Yard plan, version 1" in text
    assert ">€31.38<" in text
    assert october.digest in text


def test_each_line_shows_the_rows_of_its_formula(portal, october):
    text = " ".join(portal.text("invoice", october.number).split())
    assert '<th scope="row">Turns</th> <td class="number">5<span' in text
    row = (
        '<th scope="row">{0}<span class="narrow">at {2}</span></th> <td class="number">{1}</td> <td class="wide"></td>'
        ' <td class="wide number">{2}</td> <td class="number">{3}</td>'
    )
    assert row.format("up to 2", "2", "€0.50", "€1.00") in text
    assert row.format("above 2", "3", "€0.125", "€0.375") in text
    assert '<td class="number">€1.38</td>' in text


def test_an_open_invoice_leads_to_stripes_page(portal, october):
    assert "https://invoice.stripe.example" not in portal.text("invoice", october.number)
    stage.offer_payment(october)
    text = portal.text("invoice", october.number)
    assert '<a class="button primary" href="https://invoice.stripe.example/i/1" rel="noreferrer">Pay €31.38</a>' in text


def test_a_page_that_is_no_web_page_is_never_linked(portal, october):
    stage.offer_payment(october, url="javascript:alert(1)")
    assert "javascript:" not in portal.text("invoice", october.number)


def test_a_paid_invoice_says_when_and_offers_no_payment(portal, october):
    stage.offer_payment(october)
    invoicing.mark_paid(
        invoice_id=october.pk,
        payment_id="pi_1",
        amount=Money(october.total, "EUR"),
        paid_at=utc(2026, 11, 5),
        now=NOW,
    )
    text = portal.text("invoice", october.number)
    assert '<span class="state paid">Paid</span>' in text
    assert "<dt>Paid</dt><dd>5 November 2026</dd>" in text
    assert "https://invoice.stripe.example" not in text
    assert "No invoice is open" in portal.text("overview")


def test_the_file_has_every_line_with_exact_numbers(portal, october):
    response = portal.get("invoice-csv", october.number)
    assert response["Content-Type"] == "text/csv; charset=utf-8"
    assert response["Content-Disposition"] == f'attachment; filename="{october.number}.csv"'
    head, base, turns, seats = csv.reader(io.StringIO(response.content.decode()))
    assert head == [
        *("invoice", "position", "description", "meter", "starts_at", "ends_at"),
        *("quantity", "unit", "amount", "currency"),
    ]
    bounds = ["2026-09-30T22:00:00+00:00", "2026-10-31T23:00:00+00:00"]
    assert base == [october.number, "1", "Base fee", "", *bounds, "1", "month", "30.00", "EUR"]
    assert turns == [october.number, "2", "Turns", "turns", *bounds, "5", "turn", "1.38", "EUR"]
    assert seats == [october.number, "3", "Seats", "seats", *bounds, "0", "seat", "0.00", "EUR"]


def test_an_invoice_that_does_not_exist_is_not_found(portal):
    assert "not found" in portal.text("invoice", "AM-999999", status=404).lower()
