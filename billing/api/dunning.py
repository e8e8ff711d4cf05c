"""GET /v1/dunning: what a customer has not paid in time, and what follows from it."""

from datetime import UTC, datetime
from typing import Any

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents.auth import Caller
from agents.models import Customer
from agents.models.keys import Scope
from billing import dunning
from billing.dunning import Arrear


class DunningDetail(APIView):
    """Where the caller's customer stands with what it owes."""

    def get(self, request: Request) -> Response:
        """Show whether the customer is suspended, and its overdue invoices with their pay links."""
        caller = request.auth
        assert isinstance(caller, Caller)  # noqa: S101 - the only authentication class that is configured
        caller.require_scope(Scope.INVOICES_READ)
        customer = Customer.objects.get(pk=caller.customer_id)
        standing = dunning.standing_of(customer=customer, now=datetime.now(UTC))
        return Response(
            {
                "is_suspended": standing.suspension is not None,
                "suspended_since": _instant(standing.suspension.since) if standing.suspension else None,
                "suspended_reason": standing.suspension.reason if standing.suspension else "",
                "invoices": [_arrear(one) for one in standing.arrears],
            }
        )


def _arrear(one: Arrear) -> dict[str, Any]:
    invoice = one.invoice
    return {
        "number": invoice.number,
        "currency": invoice.currency,
        "due": f"{one.owed.amount:f}",
        "due_at": _instant(invoice.due_at),
        "reminders": one.reminders,
        "next_at": _instant(one.next_at),
        "suspends_at": _instant(one.suspends_at),
        "pay_url": one.pay_url,
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()
