"""`GET /v1/reviews` and `GET /v1/reconciliation`: what waits for a person, and the two feeds side by side."""

from typing import Final

from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from agents import reconciliation, reviews
from agents.api.reading import reader, refuse_unknown
from metering.api import queries
from metering.errors import InvalidQueryError
from runtime.wire import format_time

_PAGE: Final = 500


class ReviewListView(APIView):
    """What waits for a person at the caller's customer."""

    def get(self, request: Request) -> Response:
        """List the oldest; `more` says whether there are others."""
        customer_id = reader(request).customer_id
        refuse_unknown(request, set())
        waiting = reviews.waiting(customer_id=customer_id)
        rows = [
            {"kind": one.kind, "what": one.what, "since": format_time(one.since), "detail": one.detail}
            for one in waiting[:_PAGE]
        ]
        return Response({"reviews": rows, "more": len(waiting) > _PAGE})


class ReconciliationView(APIView):
    """The usage of one meter as each feed tells it, by agent."""

    def get(self, request: Request) -> Response:
        """Compare the feeds in the period from `from` to `to`; quantities are text, so that no reader rounds them."""
        customer_id = reader(request).customer_id
        refuse_unknown(request, {"meter", "from", "to"})
        meter = request.query_params.get("meter")
        if not meter:
            raise InvalidQueryError("meter", "It is required: the key of a meter.")
        period = request.query_params.copy()
        period.pop("meter")
        query = queries.parse(parameters=period)
        found = reconciliation.compare(
            customer_id=customer_id, meter=meter, starts_at=query.starts_at, ends_at=query.ends_at
        )
        rows = [
            {
                "agent": one.agent,
                "events": f"{one.events:f}",
                "otlp": f"{one.otlp:f}",
                "difference": f"{one.difference:f}",
                "bills": one.bills,
            }
            for one in found
        ]
        return Response(
            {"meter": meter, "from": query.starts_at.isoformat(), "to": query.ends_at.isoformat(), "rows": rows}
        )
