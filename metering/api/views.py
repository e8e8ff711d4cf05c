"""GET /v1/meters/{key}/query and GET /v1/usage/account: what a customer used, and what became of its events."""

from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering import usage
from metering.api import queries
from metering.api.callers import READ, caller_of
from metering.api.csv import UsageCsvRenderer
from metering.api.queries import UsageQuery
from metering.usage import Usage


class MeterQueryView(APIView):
    """The usage of the caller's customer, as JSON or CSV by the Accept header."""

    renderer_classes = (JSONRenderer, UsageCsvRenderer)

    def get(self, request: Request, key: str) -> Response:
        """Answer a question about one meter; quantities are text, so that no reader rounds them."""
        customer_id = caller_of(request, scope=READ).customer_id
        query = queries.parse(parameters=request.query_params)
        found = usage.read(customer_id=customer_id, meter=key, **_arguments(query))
        return Response(_body(found, query))


class AccountView(APIView):
    """What became of the events of the caller's customer: every accepted one is in exactly one state."""

    def get(self, request: Request) -> Response:
        """Count the events used in a period by their state."""
        customer_id = caller_of(request, scope=READ).customer_id
        starts_at, ends_at = queries.parse_period(parameters=request.query_params)
        found = usage.account(customer_id=customer_id, starts_at=starts_at, ends_at=ends_at)
        period = {"from": starts_at.isoformat(), "to": ends_at.isoformat()}
        return Response(period | {"accepted": found.accepted} | asdict(found))


def _arguments(query: UsageQuery) -> dict[str, Any]:
    return {name: getattr(query, name) for name in UsageQuery.__slots__}


def _body(found: Usage, query: UsageQuery) -> dict[str, Any]:
    rows = [
        {
            "from": _text_of(row.starts_at),
            "to": _text_of(row.ends_at),
            "group": dict(row.group),
            "quantity": f"{row.quantity:f}",
        }
        for row in found.rows
    ]
    return {
        "meter": found.meter,
        "unit": found.unit,
        "from": query.starts_at.isoformat(),
        "to": query.ends_at.isoformat(),
        "group_by": list(query.group_by),
        "fold": found.fold,
        "rows": rows,
    }


def _text_of(at: datetime) -> str:
    """Return an instant in its zone; in UTC where the zone was off by seconds then, which RFC 3339 cannot write."""
    offset = at.utcoffset() or timedelta(0)
    return (at.astimezone(UTC) if offset % timedelta(minutes=1) else at).isoformat()
