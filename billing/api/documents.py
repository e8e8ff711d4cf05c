"""Invoices and credit notes as files: by suffix, or by the Accept header of the invoice's own address."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from rest_framework.exceptions import NotFound
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from typing_extensions import override

from agents.auth import Caller
from agents.models.keys import Scope
from billing.models import CreditNote, Invoice
from billing.models.invoices import InvoiceStatus
from billing.papers import content, sheets
from billing.papers.content import Paper

# The page loads nothing and runs nothing; its only style is its own.
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"


class _Ready(BaseRenderer):
    """Passes on what is written already."""

    @override
    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> Any:
        """Return the file as it is."""
        return data


class HtmlPaper(_Ready):
    """A page."""

    media_type, format, charset = "text/html", "html", "utf-8"


class PdfPaper(_Ready):
    """A PDF."""

    media_type, format, charset = "application/pdf", "pdf", None


class InvoiceHtml(APIView):
    """GET /v1/invoices/{number}.html."""

    renderer_classes = (HtmlPaper,)

    def get(self, request: Request, number: str) -> Response:
        """Answer an invoice as a page that loads nothing."""
        return _page(content.of_invoice(invoice=find_invoice(request, number)))


class InvoicePdf(APIView):
    """GET /v1/invoices/{number}.pdf."""

    renderer_classes = (PdfPaper,)

    def get(self, request: Request, number: str) -> Response:
        """Answer an invoice as a PDF: the same bytes each time."""
        return _file(content.of_invoice(invoice=find_invoice(request, number)))


class CreditNoteHtml(APIView):
    """GET /v1/credit-notes/{number}.html."""

    renderer_classes = (HtmlPaper,)

    def get(self, request: Request, number: str) -> Response:
        """Answer a credit note as a page that loads nothing."""
        return _page(content.of_note(note=_find_note(request, number)))


class CreditNotePdf(APIView):
    """GET /v1/credit-notes/{number}.pdf."""

    renderer_classes = (PdfPaper,)

    def get(self, request: Request, number: str) -> Response:
        """Answer a credit note as a PDF: the same bytes each time."""
        return _file(content.of_note(note=_find_note(request, number)))


def answer(*, paper: Paper, form: str) -> Response:
    """Return a paper in the form that was negotiated, html or pdf. Raises PdfUnavailableError."""
    make: Callable[[Paper], Response] = _file if form == PdfPaper.format else _page
    return make(paper)


def find_invoice(request: Request, number: str) -> Invoice:
    """Return an issued invoice of the caller. Raises MissingScopeError, NotFound."""
    issued = Invoice.objects.filter(customer_id=_caller(request).customer_id, number=number)
    found = issued.exclude(status=InvoiceStatus.DRAFT).select_related("period__subscription", "version__plan").first()
    if found is None:
        raise NotFound(f"There is no invoice {number}.")
    return found


def _find_note(request: Request, number: str) -> CreditNote:
    notes = CreditNote.objects.filter(customer_id=_caller(request).customer_id, number=number)
    found = notes.select_related("invoice__period__subscription").first()
    if found is None:
        raise NotFound(f"There is no credit note {number}.")
    return found


def _caller(request: Request) -> Caller:
    caller = request.auth
    assert isinstance(caller, Caller)  # noqa: S101 - the only authentication class that is configured
    caller.require_scope(Scope.INVOICES_READ)
    return caller


def _page(paper: Paper) -> Response:
    return Response(sheets.html(paper=paper), headers={"Content-Security-Policy": POLICY})


def _file(paper: Paper) -> Response:
    name = f'inline; filename="{paper.number}.pdf"'
    return Response(sheets.pdf(paper=paper), headers={"Content-Disposition": name})
