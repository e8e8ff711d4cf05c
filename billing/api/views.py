"""Invoices and plans over HTTP; the key of a request decides whose invoices it sees."""

import re

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound, ParseError
from rest_framework.pagination import CursorPagination
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from typing_extensions import override

from agents.auth import Caller
from agents.models.keys import Scope
from billing.api import representations
from billing.api.documents import HtmlPaper, PdfPaper, answer, find_invoice
from billing.models import Invoice, PlanVersion
from billing.models.catalog import VersionStatus
from billing.models.invoices import InvoiceStatus
from billing.papers import content


class NewestFirst(CursorPagination):
    """Pages by a cursor, so that an invoice issued meanwhile neither repeats nor hides another."""

    ordering = "-id"
    page_size = 50
    page_size_query_param = "limit"
    max_page_size = 100

    @override
    def get_page_size(self, request: Request) -> int:
        """Return how many are asked for. Raises ParseError for what is no number from 1 to 100."""
        text = request.query_params.get(self.page_size_query_param, str(self.page_size))
        if not re.fullmatch("[0-9]{1,3}", text) or not 1 <= int(text) <= self.max_page_size:
            raise ParseError(f"limit: It is a number from 1 to {self.max_page_size}.")
        return int(text)


class InvoiceList(APIView):
    """GET /v1/invoices: the caller's issued invoices."""

    def get(self, request: Request) -> Response:
        """Answer a page of invoices, newest first. Raises MissingScopeError."""
        pages = NewestFirst()
        page = pages.paginate_queryset(_issued_to(request), request, view=self) or []
        return pages.get_paginated_response([representations.summary_of(invoice) for invoice in page])


class InvoiceDetail(APIView):
    """GET /v1/invoices/{number}: one invoice with its lines and formulas."""

    renderer_classes = (JSONRenderer, HtmlPaper, PdfPaper)

    def get(self, request: Request, number: str) -> Response:
        """Answer an invoice of the caller, as the Accept header asks. Raises MissingScopeError, NotFound."""
        form = request.accepted_renderer.format
        if form in {HtmlPaper.format, PdfPaper.format}:
            return answer(paper=content.of_invoice(invoice=find_invoice(request, number)), form=form)
        invoice = _issued_to(request).filter(number=number).first()
        if invoice is None:
            raise NotFound(f"There is no invoice {number}.")
        return Response(representations.invoice_of(invoice))


class PlanList(APIView):
    """GET /v1/plans: what can be subscribed to."""

    def get(self, request: Request) -> Response:
        """Answer every published plan version, by plan and number."""
        del request  # any key may see the prices
        versions = PlanVersion.objects.filter(status=VersionStatus.PUBLISHED).select_related("plan")
        ordered = versions.prefetch_related("rate_cards").order_by("plan__key", "number")
        return Response({"results": [representations.plan_of(version) for version in ordered]})


def _issued_to(request: Request) -> QuerySet[Invoice]:
    caller = request.auth
    assert isinstance(caller, Caller)  # noqa: S101 - the only authentication class that is configured
    caller.require_scope(Scope.INVOICES_READ)
    issued = Invoice.objects.filter(customer_id=caller.customer_id).exclude(status=InvoiceStatus.DRAFT)
    return issued.select_related("period", "version__plan")
