"""Invoices and credit notes as files, and the way from a pay link to the page that takes the money."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from billing import pay_links
from billing.models import CreditNote
from billing.papers import content, sheets
from billing.papers.content import Paper
from billing.papers.errors import PdfUnavailableError
from billing.portal import statements
from billing.portal.access import Access, for_members

# The page loads nothing and runs nothing; its only style is its own.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


@require_safe
def pay(request: HttpRequest, token: str) -> HttpResponse:
    """Lead whoever holds a pay link to the page where Stripe takes the money, or say why there is none."""
    invoice = pay_links.find(token=token)
    if invoice is None:
        raise Http404("This is no pay link.")
    if url := pay_links.hosted_page(invoice=invoice):
        return redirect(url)
    return render(request, "portal/pay.html", {"number": invoice.number, "status": invoice.status})


@require_safe
@for_members
def invoice_html(request: HttpRequest, access: Access, number: str) -> HttpResponse:  # noqa: ARG001 - every view has it
    """Show an invoice as the page that its PDF is made of."""
    page = sheets.html(paper=_invoice(access, number))
    return HttpResponse(page, headers={"Content-Security-Policy": POLICY, "Cache-Control": "private, no-store"})


@require_safe
@for_members
def invoice_pdf(request: HttpRequest, access: Access, number: str) -> HttpResponse:  # noqa: ARG001 - every view has it
    """Download an invoice as a PDF."""
    return _pdf(_invoice(access, number))


@require_safe
@for_members
def credit_note_pdf(request: HttpRequest, access: Access, number: str) -> HttpResponse:  # noqa: ARG001 - as above
    """Download a credit note as a PDF."""
    notes = CreditNote.objects.filter(customer=access.customer, number=number)
    note = notes.select_related("invoice__period__subscription").first()
    if note is None:
        raise Http404("The customer has no such credit note.")
    return _pdf(content.of_note(note=note))


def _invoice(access: Access, number: str) -> Paper:
    found = statements.find_invoice(customer=access.customer, number=number)
    if found is None:
        raise Http404("The customer has no such invoice.")
    return content.of_invoice(invoice=found)


def _pdf(paper: Paper) -> HttpResponse:
    """Return a PDF as a file, or say what this machine lacks to make one."""
    try:
        written = sheets.pdf(paper=paper)
    except PdfUnavailableError as error:
        return HttpResponse(f"{error}\n", status=501, content_type="text/plain; charset=utf-8")
    name = f'attachment; filename="{paper.number}.pdf"'
    return HttpResponse(written, content_type="application/pdf", headers={"Content-Disposition": name})
