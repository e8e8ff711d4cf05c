"""`/api/v1/events`, an address that OpenMeter's and Lago's senders share; content type and shape tell them apart."""

import re
from datetime import UTC, datetime
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt

from agents import auth
from agents.api.bodies import read_body
from agents.api.methods import allow
from agents.compat import lago, openmeter
from agents.models.keys import Scope

# An attribute of a CloudEvent is never an object, so no CloudEvent begins like this.
_LAGO: Final = re.compile(rb'\s*\{\s*"event"\s*:\s*\{')


@csrf_exempt
@allow("GET", "POST")
def events(request: HttpRequest) -> HttpResponse:
    """Take in events of either service (POST), or list events as OpenMeter does (GET)."""
    now = datetime.now(UTC)
    if request.method == "GET":
        caller = auth.caller(request, now=now)
        caller.require_scope(Scope.USAGE_READ)
        return openmeter.list_events(caller=caller, parameters=request.GET, now=now)
    body = read_body(request)
    if _LAGO.match(body):
        lago.speak(request)
    caller = auth.caller(request, now=now)
    caller.require_scope(Scope.EVENTS_WRITE)
    if lago.is_spoken(request):
        return lago.create(caller=caller, body=body, now=now)
    return openmeter.ingest(caller=caller, body=body, content_type=request.headers.get("Content-Type", ""), now=now)


@csrf_exempt
@allow("POST")
def batch(request: HttpRequest) -> HttpResponse:
    """Take in a batch of events as Lago does."""
    lago.speak(request)
    now = datetime.now(UTC)
    caller = auth.caller(request, now=now)
    caller.require_scope(Scope.EVENTS_WRITE)
    return lago.create_batch(caller=caller, body=read_body(request), now=now)


@allow("GET")
def event(request: HttpRequest, transaction_id: str) -> HttpResponse:
    """Return one event as Lago does."""
    lago.speak(request)
    caller = auth.caller(request, now=datetime.now(UTC))
    caller.require_scope(Scope.USAGE_READ)
    return lago.find(caller=caller, transaction_id=transaction_id)
