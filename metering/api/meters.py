"""/v1/meters: what is counted, by definitions that never change."""

from datetime import UTC, datetime
from typing import Any

from rest_framework.exceptions import ParseError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from metering import backfill, definitions, meters
from metering.api.callers import DEFINE, READ, caller_of
from metering.rules import Rule


class MeterListView(APIView):
    """The meters that count, and the way to add one."""

    def get(self, request: Request) -> Response:
        """List every meter that is not archived."""
        caller_of(request, scope=READ)
        return Response({"meters": [_body(rule) for rule in meters.active_rules()]})

    def post(self, request: Request) -> Response:
        """Define a meter. It counts stored events, too, at once; a back-fill makes reading them fast."""
        caller_of(request, scope=DEFINE)
        if not isinstance(request.data, dict):
            raise ParseError("A meter is a JSON object.")
        rule = meters.define(rule=definitions.rule_of(definition=request.data))
        return Response(_body(rule), status=201, headers={"Location": f"{request.path.rstrip('/')}/{rule.key}"})


class MeterView(APIView):
    """One meter."""

    def get(self, request: Request, key: str) -> Response:
        """Return its definition, and how much of what it counts is in its windows."""
        caller_of(request, scope=READ)
        found = backfill.progress(meter=key)
        filled = {"done": found.done, "events": found.events, "is_complete": found.is_complete}
        return Response(_body(meters.find(key=key)) | {"backfill": filled})


class MeterArchiveView(APIView):
    """The end of a meter."""

    def post(self, request: Request, key: str) -> Response:
        """Let it count nothing new; what it counted stays, and can be asked for ever."""
        caller_of(request, scope=DEFINE)
        return Response(_body(meters.archive(key=key, now=datetime.now(UTC))))


def _body(rule: Rule) -> dict[str, Any]:
    made = rule.created_at.astimezone(UTC).isoformat() if rule.created_at else None
    return definitions.definition_of(rule=rule) | {
        "is_summable": rule.aggregation.is_summable,
        "is_archived": rule.is_archived,
        "last_fold": rule.last_fold,
        "created_at": made,
    }
