"""Papers and dunning in the portal: PDF, pay links, and what is said to who has not paid."""

import pytest

from billing import invoicing, pay_links
from billing.dunning import reminders
from billing.money import Money
from billing.papers import content, sheets
from billing.papers.errors import PdfUnavailableError
from tests.portal import stage
from tests.portal.conftest import NOVEMBER
from tests.portal.stage import utc


@pytest.fixture
def bill(acme):
    october = utc(2026, 9, 30, 22)
    stage.subscribe(acme, starts_at=october)
    stage.Work(acme).turns(utc(2026, 10, 5))
    stage.count(NOVEMBER)
    return stage.invoice(acme, now=utc(2026, 11, 1, 2))


def test_an_invoice_is_there_as_page_and_as_pdf(portal, bill):
    assert f"Invoice {bill.number}" in portal.text("invoice-html", bill.number)
    try:
        expected = sheets.pdf(paper=content.of_invoice(invoice=bill))
    except PdfUnavailableError:
        assert sheets.NEEDED in portal.text("invoice-pdf", bill.number, status=501)
    else:
        assert portal.get("invoice-pdf", bill.number).content == expected
    portal.get("invoice-pdf", "AM-999999", status=404)


def test_another_customers_papers_are_not_there(client, bill, rival):
    client.force_login(stage.person("rita", rival))
    for suffix in ("html", "pdf"):
        assert client.get(f"/portal/invoices/{bill.number}.{suffix}").status_code == 404


def test_nothing_is_said_to_who_has_paid(portal, bill):
    paid_at, money = bill.issued_at, Money(bill.due, bill.currency)
    invoicing.mark_paid(invoice_id=bill.pk, payment_id="pi_1", amount=money, paid_at=paid_at, now=paid_at)
    assert "is not paid" not in portal.text("overview")


def test_who_has_not_paid_sees_until_when_and_how_to_pay(portal, bill):
    reminders.dun(now=utc(2026, 11, 16, 10, 59))
    page = portal.text("overview")
    assert f"{bill.number}</a> is not paid." in page
    assert "your agents are suspended from 6 December 2026" in page
    assert pay_links.url_of(invoice=bill) in page
    assert f"{bill.number}</a> is not paid." in portal.text("invoices")


def test_who_is_suspended_is_told_why(portal, bill, acme):
    for day in (15, 29):
        reminders.dun(now=utc(2026, 11, day, 12))
    reminders.dun(now=utc(2026, 12, 6, 13))
    said = f"Your agents are suspended since 6 December 2026: Invoice {bill.number} is not paid."
    assert said in portal.text("overview")
