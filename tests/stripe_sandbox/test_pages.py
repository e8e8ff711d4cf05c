"""The hosted pages: an invoice can be read, paid and kept by anybody who has its link, and by nobody else."""

import re

import pytest
import requests

from tests.stripe_sandbox.scene import add_customer, add_draft, add_open, event_types


def open_page(url):
    return requests.get(url, timeout=10)


def pay(url, card="pm_card_visa"):
    return requests.post(url, data={"card": card}, timeout=10)


@pytest.fixture
def invoice(client):
    return add_open(client, add_customer(client), 150000, 2550, collection_method="send_invoice", days_until_due=14)


def test_the_page_shows_number_lines_total_and_the_form(invoice):
    page = open_page(invoice.hosted_invoice_url)
    assert page.status_code == 200
    for text in (invoice.number, "Line 1", "$1,500.00", "Line 2", "$25.50", "$1,525.50", "Pay $1,525.50", "Acme"):
        assert text in page.text


def test_paying_on_the_page_pays_the_invoice(client, invoice):
    page = pay(invoice.hosted_invoice_url)
    assert (page.history[0].status_code, page.status_code) == (303, 200)
    assert "Paid" in page.text
    assert "<form" not in page.text
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"
    told = event_types(client)
    assert {"payment_intent.succeeded", "invoice.paid", "invoice.payment_succeeded"} <= set(told)


def test_a_second_click_pays_nothing_more(client, invoice):
    pay(invoice.hosted_invoice_url)
    before = event_types(client)
    assert "Paid" in pay(invoice.hosted_invoice_url).text
    assert event_types(client) == before


def test_a_declined_card_is_told_and_may_be_followed_by_a_good_one(client, invoice):
    page = pay(invoice.hosted_invoice_url, "pm_card_chargeCustomerFail")
    assert page.status_code == 402
    assert 'role="alert">Your card was declined.' in page.text
    assert client.v1.invoices.retrieve(invoice.id).attempt_count == 1
    assert "Paid" in pay(invoice.hosted_invoice_url).text


@pytest.mark.parametrize("card", ["", "pm_card_unheard_of"])
def test_a_card_must_be_chosen(client, invoice, card):
    assert pay(invoice.hosted_invoice_url, card).status_code == 400
    assert client.v1.invoices.retrieve(invoice.id).attempt_count == 0


def test_a_void_invoice_cannot_be_paid(client, invoice):
    client.v1.invoices.void_invoice(invoice.id)
    page = open_page(invoice.hosted_invoice_url).text
    assert "nothing is owed" in page
    assert "<form" not in page
    assert pay(invoice.hosted_invoice_url).status_code == 400


def test_what_a_customer_wrote_is_text_not_markup(client):
    customer = add_customer(client, name="<script>alert(1)</script>$number")
    invoice = add_open(client, customer, 100, description="<img src=x>")
    for url in (invoice.hosted_invoice_url, invoice.hosted_invoice_url.split("/pay")[0] + "/"):
        page = open_page(url)
        assert "<script" not in page.text
        assert "<img" not in page.text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;$number" in page.text


def test_a_page_loads_nothing_from_elsewhere(invoice):
    page = open_page(invoice.hosted_invoice_url)
    assert page.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert re.findall(r'(?:src|href)="(?!/)', page.text) == []
    style = open_page(invoice.hosted_invoice_url.split("/pay")[0] + "/sandbox.css")
    assert "prefers-color-scheme: dark" in style.text
    assert "url(" not in style.text


def test_a_page_can_be_read_by_all(invoice):
    page = open_page(invoice.hosted_invoice_url).text
    assert '<html lang="en">' in page
    assert page.count("<h1>") == 1
    assert "<legend>" in page
    assert page.count("<label>") == page.count('type="radio"') == 3
    assert 'scope="col"' in page


def test_an_unknown_link_and_a_draft_show_nothing(client, sandbox):
    add_draft(client, add_customer(client), 100)
    assert open_page(f"{sandbox.base_url}/pay/guess").status_code == 404
    assert open_page(f"{sandbox.base_url}/elsewhere").status_code == 404


def test_the_front_page_lists_the_invoices(client, sandbox, invoice):
    draft = add_draft(client, add_customer(client), 100)
    page = open_page(f"{sandbox.base_url}/")
    assert invoice.number in page.text
    assert invoice.hosted_invoice_url in page.text
    assert draft.id in page.text
    assert "2 in all" in page.text


def test_the_pdf_is_one_and_has_every_line(client):
    invoice = add_open(client, add_customer(client, name="Acme (Leeds) €"), *range(100, 200))
    answer = open_page(invoice.invoice_pdf)
    assert answer.headers["Content-Type"] == "application/pdf"
    pdf = answer.content
    assert pdf.startswith(b"%PDF-1.4")
    assert pdf.endswith(b"%%EOF\n")
    assert b"Acme \\(Leeds\\) \x80" in pdf
    assert all(f"Line {index})".encode() in pdf for index in range(1, 101))
    start = int(re.findall(rb"startxref\n(\d+)", pdf)[0])
    assert pdf[start : start + 4] == b"xref"
    offsets = [int(offset) for offset in re.findall(rb"(\d{10}) 00000 n", pdf)]
    assert all(pdf[offset:].startswith(f"{number} 0 obj".encode()) for number, offset in enumerate(offsets, start=1))


class TestTheFrontPage:
    """Invoices are watched there, and paid, declined and disputed by a click, without a script."""

    def rows(self, sandbox, query=""):
        page = open_page(f"{sandbox.base_url}/{query}").text
        assert "<script" not in page
        return re.findall(r"<tr><td>.*?</tr>", page)

    def acts(self, sandbox):
        (row,) = self.rows(sandbox)
        return re.findall(r'name="act" value="(\w+)"', row)

    def click(self, sandbox, act, **fields):
        (row,) = self.rows(sandbox)
        (action,) = re.findall(r'action="([^"]+)"', row)
        url = f"{sandbox.base_url}{action}"
        return requests.post(url, data={"act": act, **fields}, timeout=10, allow_redirects=False)

    def test_a_click_pays(self, client, sandbox, invoice):
        assert self.acts(sandbox) == ["pay", "decline"]
        answer = self.click(sandbox, "pay")
        assert (answer.status_code, answer.headers["Location"]) == (303, "/")
        assert client.v1.invoices.retrieve(invoice.id).status == "paid"

    def test_a_click_declines_and_the_page_says_so(self, client, sandbox, invoice):
        self.click(sandbox, "decline")
        self.click(sandbox, "decline")
        assert client.v1.invoices.retrieve(invoice.id).attempt_count == 2
        assert "declined 2 times" in self.rows(sandbox)[0]
        assert event_types(client)[-1] == "invoice.payment_failed"

    @pytest.mark.parametrize(("act", "outcome"), [("win", "won"), ("lose", "lost")])
    def test_a_click_disputes_and_another_decides(self, client, sandbox, invoice, act, outcome):
        self.click(sandbox, "pay")
        assert self.acts(sandbox) == ["dispute"]
        self.click(sandbox, "dispute")
        assert "dispute: needs response" in self.rows(sandbox)[0]
        self.click(sandbox, act)
        assert [one.status for one in client.v1.disputes.list().data] == [outcome]
        assert self.acts(sandbox) == []

    def test_a_click_transfers_where_the_invoice_takes_transfers(self, client, sandbox):
        settings = {"payment_method_types": ["customer_balance"]}
        invoice = add_open(client, add_customer(client), 4200, payment_settings=settings)
        assert self.acts(sandbox) == ["pay"]
        self.click(sandbox, "pay")
        assert client.v1.invoices.retrieve(invoice.id).status == "paid"

    def test_a_click_that_comes_too_late_changes_nothing(self, client, sandbox, invoice):
        self.click(sandbox, "decline")
        client.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_visa"})
        assert self.click(sandbox, "decline").status_code == 409

    def test_it_can_be_watched_without_a_script(self, sandbox, invoice):
        assert 'http-equiv="refresh"' not in open_page(f"{sandbox.base_url}/").text
        watched = open_page(f"{sandbox.base_url}/?watch").text
        assert '<meta http-equiv="refresh" content="5">' in watched
        assert "Stop watching" in watched
        assert self.click(sandbox, "pay", watch="1").headers["Location"] == "/?watch"

    def test_every_button_names_its_invoice_to_those_who_do_not_see(self, sandbox, invoice):
        (row,) = self.rows(sandbox)
        assert row.count("<button") == row.count(f'<span class="unseen"> {invoice.number}</span>') == 2


def test_the_portal_keeps_another_card_as_the_default(client, sandbox):
    customer = add_customer(client)
    session = client.v1.billing_portal.sessions.create(
        {"customer": customer.id, "flow_data": {"type": "payment_method_update"}}
    )
    assert session.flow.type == "payment_method_update"
    assert "Keep this card" in open_page(session.url).text
    assert "is kept" not in pay(session.url, "pm_card_unheard_of").text
    assert "is kept" in pay(session.url).text
    found = client.v1.customers.retrieve(customer.id, {"expand": ["invoice_settings.default_payment_method"]})
    assert found.invoice_settings.default_payment_method.card.last4 == "4242"
    assert client.v1.invoices.pay(add_open(client, customer, 100).id).status == "paid"
