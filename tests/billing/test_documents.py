"""Papers: an invoice as a page and as a PDF, the same bytes whenever it is asked for."""

import hashlib
import re
import subprocess
import sys
import zlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.urls import reverse

from agents.models import Agent
from billing import closing, credit_notes, invoicing, pay_links
from billing.mirroring import Mirrored
from billing.models import BillingProfile, Invoice, StripeInvoice
from billing.models.credit_notes import Reason
from billing.money import Money
from billing.papers import content, sheets
from billing.papers.errors import PdfUnavailableError
from tests.factories import api_key

MID_MAY = datetime(2026, 5, 15, tzinfo=UTC)
DUE = datetime(2026, 6, 1, 2, tzinfo=UTC)


SETUP = (
    "import hashlib, os, pathlib, sys\n"
    "os.environ['DJANGO_SETTINGS_MODULE'] = 'config.settings'\n"
    "import django; django.setup()\n"
)


def has_pango():
    try:
        sheets._load()
    except PdfUnavailableError:
        return False
    return True


needs_pango = pytest.mark.skipif(not has_pango(), reason=sheets.NEEDED)


@pytest.fixture
def invoice(acme, subscribe, send):
    BillingProfile.objects.create(customer=acme, payment_days=30, purchase_order="PO <4711>")
    period = subscribe(acme).periods.get()
    send.turns(acme, MID_MAY, 10)
    send.fold(DUE)
    made = closing.close(period_id=period.pk, now=DUE)
    assert made is not None
    return Invoice.objects.get(pk=made.pk)


def paper(invoice):
    return content.of_invoice(invoice=Invoice.objects.get(pk=invoice.pk))


def bearer(customer, **headers):
    return {"Authorization": f"Bearer {api_key(customer)}", **headers}


def test_a_paper_has_the_parties_the_dates_the_lines_and_their_formulas(invoice, acme, settings):
    made = paper(invoice)
    assert (made.kind, made.number) == ("Invoice", "AM-000001")
    assert made.seller.startswith(settings.SELLER_NAME)
    assert made.buyer.startswith("Acme")
    assert dict(made.facts) == {
        "Issued": "1 Jun 2026",
        "Due": "1 Jul 2026",
        "Purchase order": "PO <4711>",
        "Plan": "Agent activity, version 2",
        "Period": "1 May 2026 to 31 May 2026",
    }
    (section,) = made.sections
    assert [row.description for row in section.rows] == list(
        invoice.lines.order_by("position").values_list("description", flat=True)
    )
    assert any(step.unit_price for row in section.rows for step in row.steps)
    assert dict(made.sums)["Total"] == f"€{invoice.total:.2f}"
    assert made.digest == invoice.digest


def test_what_a_customer_wrote_is_text_on_the_page(invoice):
    page = sheets.html(paper=paper(invoice))
    assert "PO &lt;4711&gt;" in page
    assert "PO <4711>" not in page


def test_the_page_loads_nothing(invoice):
    page = sheets.html(paper=paper(invoice))
    assert "<script" not in page
    assert "url(" not in page
    assert " src=" not in page
    assert "<link" not in page


@needs_pango
def test_a_pdf_is_the_same_to_the_byte_at_any_time_and_whatever_changes_around_it(invoice, acme):
    with time_machine.travel(DUE, tick=False):
        first = sheets.pdf(paper=paper(invoice))
    acme.name, acme.address = "Another Name", "Elsewhere"
    acme.save()
    BillingProfile.objects.update(purchase_order="another", payment_days=1)
    invoicing.mark_paid(
        invoice_id=invoice.pk, payment_id="pi_1", amount=Money(invoice.due, "EUR"), paid_at=DUE, now=DUE
    )
    with time_machine.travel(DUE + timedelta(days=4000), tick=False):
        second = sheets.pdf(paper=paper(invoice))
    assert first.startswith(b"%PDF")
    assert first == second
    streams = re.findall(rb"stream\n(.*?)\nendstream", first, re.DOTALL)
    inside = b"".join(zlib.decompress(stream) for stream in streams if stream[:1] == b"\x78")
    assert b"/CreationDate (D:20260601020000Z)" in inside


@needs_pango
def test_another_process_makes_the_same_bytes(invoice, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(sheets.html(paper=paper(invoice)))
    program = (
        f"{SETUP}from billing.papers import sheets\n"
        "class Written(str): digest = sys.argv[2]\n"
        "sheets.html = lambda paper: str(paper)\n"
        "written = Written(pathlib.Path(sys.argv[1]).read_text())\n"
        "print(hashlib.sha256(sheets.pdf(paper=written)).hexdigest())\n"
    )
    command = [sys.executable, "-c", program, str(page), invoice.digest]
    digests = {subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() for _ in range(2)}
    assert digests == {hashlib.sha256(sheets.pdf(paper=paper(invoice))).hexdigest()}


@needs_pango
def test_other_invoices_are_other_bytes(invoice, acme, send):
    period = acme.subscriptions.get().periods.latest("pk")
    july = datetime(2026, 7, 1, 2, tzinfo=UTC)
    send.turns(acme, datetime(2026, 6, 15, tzinfo=UTC), 10)
    send.fold(july)
    other = closing.close(period_id=period.pk, now=july)
    assert other is not None
    assert sheets.pdf(paper=paper(invoice)) != sheets.pdf(paper=paper(other))


@needs_pango
def test_the_api_answers_by_suffix_and_by_accept(client, invoice, acme):
    base = f"/v1/invoices/{invoice.number}"
    pdf = client.get(f"{base}.pdf", headers=bearer(acme))
    assert (pdf.status_code, pdf["Content-Type"]) == (200, "application/pdf")
    assert client.get(base, headers=bearer(acme, Accept="application/pdf")).content == pdf.content
    page = client.get(f"{base}.html", headers=bearer(acme))
    assert page["Content-Type"] == "text/html; charset=utf-8"
    assert "default-src 'none'" in page["Content-Security-Policy"]
    assert client.get(base, headers=bearer(acme, Accept="text/html")).content == page.content
    for accept in ("application/json", "*/*"):
        assert client.get(base, headers=bearer(acme, Accept=accept)).json()["number"] == invoice.number
    assert client.get(base, headers=bearer(acme, Accept="image/png")).status_code == 406


@pytest.mark.parametrize("suffix", [".pdf", ".html"])
def test_nobody_else_has_a_customers_papers(client, invoice, make_customer, suffix):
    address = f"/v1/invoices/{invoice.number}{suffix}"
    assert client.get(address, headers=bearer(make_customer("rival"))).status_code == 404
    assert client.get(address).status_code == 401


def test_without_pango_it_is_said_what_to_install_and_the_page_is_there_all_the_same(
    client, invoice, acme, monkeypatch
):
    def absent():
        raise PdfUnavailableError(sheets.NEEDED)

    monkeypatch.setattr(sheets, "_load", absent)
    answer = client.get(f"/v1/invoices/{invoice.number}.pdf", headers=bearer(acme))
    assert (answer.status_code, answer["Content-Type"]) == (501, "application/problem+json")
    assert "apt-get install libpango-1.0-0" in answer.json()["detail"]
    assert client.get(f"/v1/invoices/{invoice.number}.html", headers=bearer(acme)).status_code == 200


def test_a_library_that_is_missing_is_told_apart_from_a_fault(monkeypatch):
    monkeypatch.setitem(sys.modules, "weasyprint", None)  # an import of it fails
    with pytest.raises(ImportError):
        sheets._load()
    program = (
        f"{SETUP}import cffi\n"
        "def refuse(*_, **__): raise OSError('cannot load library')\n"
        "cffi.FFI.dlopen = refuse\n"
        "from billing.papers import sheets, errors\n"
        "try: sheets._load()\n"
        "except errors.PdfUnavailableError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith(sheets.NEEDED)


def test_a_credit_note_has_a_paper_too(client, invoice, acme):
    lines = credit_note_lines(invoice)
    cause = credit_notes.Cause(
        key="note:1", reason=Reason.ORDER_CHANGE, explanation="Agreed by telephone.", actor="fin"
    )
    note = credit_notes.draft(invoice=invoice, lines=lines, cause=cause, now=DUE)
    note = credit_notes.issue(note=note, actor="fin2", now=DUE)
    made = content.of_note(note=note)
    assert (made.kind, dict(made.facts)["On invoice"], dict(made.facts)["Why"]) == (
        *("Credit note", invoice.number, "Agreed by telephone."),
    )
    assert dict(made.sums)["Total"] == "\u2212€0.01"
    answer = client.get(f"/v1/credit-notes/{note.number}.html", headers=bearer(acme))
    assert note.number in answer.content.decode()


def credit_note_lines(invoice):
    line = invoice.lines.filter(amount__gt=0).order_by("position")[0]
    return [Mirrored(line=line, amount=Money(Decimal("0.01"), "EUR"))]


def test_a_pay_link_leads_to_stripes_page_while_there_is_something_to_pay(client, invoice):
    link = pay_links.url_of(invoice=invoice)
    assert link == pay_links.url_of(invoice=Invoice.objects.get())
    path = link.partition("//")[2].partition("/")[2]
    waiting = client.get(f"/{path}")
    assert (waiting.status_code, "being made" in waiting.content.decode()) == (200, True)
    StripeInvoice.objects.create(
        invoice=invoice,
        stripe_id="in_1",
        livemode=False,
        status="open",
        hosted_url="https://pay.example/1",
        read_at=DUE,
    )
    led = client.get(f"/{path}")
    assert (led.status_code, led["Location"]) == (302, "https://pay.example/1")
    invoicing.mark_paid(
        invoice_id=invoice.pk, payment_id="pi_1", amount=Money(invoice.due, "EUR"), paid_at=DUE, now=DUE
    )
    assert "is paid" in client.get(f"/{path}").content.decode()


@pytest.mark.parametrize("token", ["AM-000001", "AM-000001:forged", ":", "AM-000002:x"])
def test_a_pay_link_cannot_be_guessed(client, invoice, token):
    assert client.get(reverse("portal:pay", args=[token])).status_code == 404


def test_agents_are_known_by_name(acme):
    Agent.objects.create(customer=acme, key="crane", name="Crane", project="harbour", first_seen_at=DUE)
    assert Agent.objects.get().project == "harbour"
