"""GET /v1/meters and GET /v1/meters/{key}/query."""

from dataclasses import asdict
from typing import Any, Protocol, cast

from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering import usage
from metering.api import queries
from metering.api.csv import UsageCsvRenderer
from metering.api.queries import UsageQuery
from metering.usage import Usage

SCOPE = "usage:read"


class Caller(Protocol):
    """What the authentication says of who asks."""

    customer_id: int

    def require_scope(self, scope: str) -> None:
        """Raise unless the caller's key carries the scope."""


def _caller(request: Request) -> Caller:
    """Return who asks, once it is sure that they may read usage."""
    caller = cast("Caller", request.auth)
    caller.require_scope(SCOPE)
    return caller


class MeterListView(APIView):
    """The meters there are."""

    def get(self, request: Request) -> Response:
        """List every meter with its unit, aggregation and dimensions."""
        _caller(request)
        return Response({"meters": [asdict(one) for one in usage.meters()]})


class MeterQueryView(APIView):
    """The usage of the caller's customer, as JSON or CSV by the Accept header."""

    renderer_classes = (JSONRenderer, UsageCsvRenderer)

    def get(self, request: Request, key: str) -> Response:
        """Answer a question about one meter; quantities are text, so that no reader rounds them."""
        customer_id = _caller(request).customer_id
        query = queries.parse(parameters=request.query_params)
        found = usage.read(customer_id=customer_id, meter=key, **_arguments(query))
        return Response(_body(found, query))


def _arguments(query: UsageQuery) -> dict[str, Any]:
    return {name: getattr(query, name) for name in UsageQuery.__slots__}


def _body(found: Usage, query: UsageQuery) -> dict[str, Any]:
    rows = [
        {
            "from": row.starts_at.isoformat(),
            "to": row.ends_at.isoformat(),
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
