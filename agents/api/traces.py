"""`POST /v1/traces`: OTLP over HTTP, from any OpenTelemetry exporter; 200 only after the commit."""

from datetime import UTC, datetime
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from agents import auth
from agents.api.bodies import read_body
from agents.api.methods import allow
from agents.errors import RequestTooLargeError
from agents.models.keys import Scope
from agents.otlp import arrivals, spans, wire

_MOST_FAULTS: Final = 5


@csrf_exempt
@allow("POST")
def receive_traces(request: HttpRequest) -> HttpResponse:
    """Take in the spans of one export; what cannot be taken is told as a partial success, and need not be sent again.

    An error is told as google.rpc.Status (config.errors), and one of ours as 503: exporters drop data on a 500.
    """
    now = datetime.now(UTC)
    caller = auth.caller(request, now=now)
    caller.require_scope(Scope.EVENTS_WRITE)
    form = wire.form_of(request.headers.get("Content-Type", ""))
    export = spans.read(request=wire.decode(body=read_body(request, limit=wire.MAX_BYTES), form=form))
    if len(export.spans) > wire.MAX_SPANS:
        raise RequestTooLargeError(f"An export holds at most {wire.MAX_SPANS} spans.")
    stored = arrivals.store(caller=caller, spans=export.spans, now=now)
    faults = [*export.faults, *stored.faults]
    reason = " ".join(dict.fromkeys(faults[:_MOST_FAULTS]))
    return HttpResponse(wire.answer(rejected=len(faults), reason=reason, form=form), content_type=form.value)
