"""The sandbox's own endpoints under /_sandbox/: its health, and faults on command. No part of Stripe."""

import json

from billing.stripe.sandbox import faults, routes
from billing.stripe.sandbox.api import Answer, Request
from billing.stripe.sandbox.errors import ApiError, InvalidParameterError, UnrecognizedUrlError
from billing.stripe.sandbox.objects import API_VERSION, Body
from billing.stripe.sandbox.store import Store


def answer(*, request: Request, store: Store, planned: faults.Faults) -> Answer:
    """The answer, in JSON."""
    try:
        return _json(200, _respond(request, store, planned))
    except ApiError as error:
        return _json(error.status, error.envelope())


def _respond(request: Request, store: Store, planned: faults.Faults) -> Body:
    match request.method, request.path:
        case "GET", "/_sandbox/health":
            return _health(store)
        case "GET", "/_sandbox/faults":
            return {"faults": planned.planned()}
        case "POST", "/_sandbox/faults":
            return _plan(request, planned)
        case "DELETE", "/_sandbox/faults":
            planned.clear()
            return {"faults": []}
        case _:
            raise UnrecognizedUrlError(f"Unrecognized request URL ({request.method}: {request.path}).")


def _health(store: Store) -> Body:
    with store.transaction():
        owed = len(store.owed_deliveries())
    return {"status": "ok", "api_version": API_VERSION, "undelivered_events": owed}


def _plan(request: Request, planned: faults.Faults) -> Body:
    # A page in a browser cannot send this type to another origin unasked.
    if request.headers.get("content-type", "").partition(";")[0] != "application/json":
        raise InvalidParameterError("Send the fault as application/json.", param="Content-Type")
    planned.plan(fault=faults.read(body=request.body, operations=routes.OPERATIONS))
    return {"faults": planned.planned()}


def _json(status: int, body: Body) -> Answer:
    return Answer(status=status, body=json.dumps(body).encode())
