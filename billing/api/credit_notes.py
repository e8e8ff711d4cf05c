"""Credit notes over HTTP; the key of a request decides whose they are."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.auth import Caller
from agents.models.keys import Scope
from billing.api.views import NewestFirst
from billing.models import CreditNote
from billing.money import Money


class CreditNoteList(APIView):
    """GET /v1/credit-notes: the caller's issued credit notes; with `invoice`, those on one invoice."""

    def get(self, request: Request) -> Response:
        """Answer a page of credit notes, newest first. Raises MissingScopeError."""
        notes = _issued_to(request)
        if number := request.query_params.get("invoice"):
            notes = notes.filter(invoice__number=number)
        pages = NewestFirst()
        page = pages.paginate_queryset(notes, request, view=self) or []
        return pages.get_paginated_response([summary_of(note) for note in page])


class CreditNoteDetail(APIView):
    """GET /v1/credit-notes/{number}: one credit note with the lines it lowers."""

    def get(self, request: Request, number: str) -> Response:
        """Answer a credit note of the caller. Raises MissingScopeError, NotFound."""
        note = _issued_to(request).filter(number=number).first()
        if note is None:
            raise NotFound(f"There is no credit note {number}.")
        return Response(note_of(note))


def summary_of(note: CreditNote) -> dict[str, Any]:
    """Return an issued credit note without its lines: what it comes to, and where that went."""
    amounts = ("subtotal", "tax", "total", "applied", "refund", "credit", "outside")
    return {
        "number": note.number,
        "invoice": note.invoice.number,
        "status": note.status,
        "reason": note.reason,
        "explanation": note.explanation,
        "currency": note.currency,
        **{name: _amount(getattr(note, name), note.currency) for name in amounts},
        "issued_at": _instant(note.issued_at),
        "voided_at": _instant(note.voided_at),
    }


def note_of(note: CreditNote) -> dict[str, Any]:
    """Return an issued credit note with its parties, lines, refunds and digest."""
    lines = note.lines.select_related("line").order_by("position")
    refunds = note.refunds.order_by("pk")
    return summary_of(note) | {
        "seller": note.seller,
        "buyer": note.buyer,
        "digest": note.digest,
        "lines": [
            {
                "position": row.position,
                "invoice_position": row.line.position,
                "description": row.description,
                "amount": _amount(row.amount, note.currency),
            }
            for row in lines
        ],
        "refunds": [
            {
                "reference": row.reference,
                "amount": _amount(row.amount, row.currency),
                "status": row.status,
                "refunded_at": _instant(row.refunded_at),
            }
            for row in refunds
        ],
    }


def _issued_to(request: Request) -> QuerySet[CreditNote]:
    caller = request.auth
    assert isinstance(caller, Caller)  # noqa: S101 - the only authentication class that is configured
    caller.require_scope(Scope.INVOICES_READ)
    issued = CreditNote.objects.filter(customer_id=caller.customer_id, number__isnull=False)
    return issued.select_related("invoice")


def _amount(amount: Decimal, currency: str) -> str:
    return f"{Money(amount, currency).amount:f}"


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()
