"""`POST /v1/events`: CloudEvents from agents and devices, a verdict for each, 200 only after the commit.

A request comes as an `Arrival`, from Django's view or from a server that hands over many at once; what becomes of it is
an answer, or an exception that `config.errors` has a problem for.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from msgspec import Struct

from agents import auth, cloudevents, intake
from agents.api.bodies import read_body, unpacked
from agents.api.methods import allow
from agents.auth import Caller
from agents.devices import Signature
from agents.errors import (
    AgentsError,
    ConflictingEventError,
    InvalidKeyError,
    MalformedRequestError,
    RejectedEventError,
)
from agents.intake import Delivery, Received
from agents.models.keys import Scope
from metering.event import EventVerdict, Verdict
from runtime.wire import BATCH_HEADER, SIGNATURE_HEADER, format_time

JSON: Final = "application/json"
_ENCODER: Final = msgspec.json.Encoder()
_SIGNED: Final = frozenset({BATCH_HEADER.lower(), SIGNATURE_HEADER.lower()})


class Arrival(Struct, frozen=True):
    """A request as it came: headers by lower-case name, the body still packed, and when."""

    headers: Mapping[str, str]
    body: bytes
    at: datetime

    @property
    def is_signed(self) -> bool:
        """Whether it claims to be a device's batch, which must go through alone: the device's row is locked for it."""
        return not _SIGNED.isdisjoint(self.headers)


@csrf_exempt
@allow("POST")
def receive_events(request: HttpRequest) -> HttpResponse:
    """Take in one event (structured or binary) or a batch. The answer's order is the request's order."""
    headers = {name.lower(): value for name, value in request.headers.items()}
    body = read_body(request)
    arrival = Arrival({**headers, "content-encoding": ""}, body, datetime.now(UTC))
    return HttpResponse(receive(arrival), content_type=JSON)


def receive(arrival: Arrival) -> bytes:
    """Take in one request and return the answer. Raises AgentsError or WireError where it is refused as a whole."""
    caller = _allowed(auth.caller_of(arrival.headers.get("authorization", ""), now=arrival.at))
    content_type = arrival.headers.get("content-type", "")
    received = intake.receive(
        caller=caller,
        body=unpacked(arrival.body, encoding=arrival.headers.get("content-encoding", "")),
        content_type=content_type,
        attributes=cloudevents.attributes_of(arrival.headers),
        signature=_signature(arrival.headers),
        received_at=arrival.at,
    )
    return _answer(received, single=not cloudevents.is_batch(content_type))


def receive_together(arrivals: Sequence[Arrival]) -> list[bytes | AgentsError]:
    """Take in several unsigned requests in one transaction; returns the answer to each, or why it was refused.

    On a database error none of them is recorded, and all may be tried again.
    """
    callers = auth.callers_of([one.headers.get("authorization", "") for one in arrivals], now=arrivals[-1].at)
    prepared = [_prepare(one, callers[one.headers.get("authorization", "")]) for one in arrivals]
    recorded = iter(intake.record_all([one for one in prepared if isinstance(one, Delivery)]))
    return [
        _told(Received(next(recorded), device=None), arrival) if isinstance(one, Delivery) else one
        for arrival, one in zip(arrivals, prepared, strict=True)
    ]


def _prepare(arrival: Arrival, caller: Caller | InvalidKeyError) -> Delivery | AgentsError:
    try:
        return intake.prepare(
            caller=_allowed(caller),
            body=unpacked(arrival.body, encoding=arrival.headers.get("content-encoding", "")),
            content_type=arrival.headers.get("content-type", ""),
            attributes=cloudevents.attributes_of(arrival.headers),
            received_at=arrival.at,
        )
    except AgentsError as error:
        return error


def _allowed(caller: Caller | InvalidKeyError) -> Caller:
    if isinstance(caller, InvalidKeyError):
        raise caller
    caller.require_scope(Scope.EVENTS_WRITE)
    return caller


def _signature(headers: Mapping[str, str]) -> Signature | None:
    header, signature = headers.get(BATCH_HEADER.lower()), headers.get(SIGNATURE_HEADER.lower())
    if header is None and signature is None:
        return None
    if header is None or signature is None:
        raise MalformedRequestError(f"{BATCH_HEADER} and {SIGNATURE_HEADER} belong together.")
    return Signature(header=header, signature=signature)


def _told(received: Received, arrival: Arrival) -> bytes | AgentsError:
    try:
        return _answer(received, single=not cloudevents.is_batch(arrival.headers.get("content-type", "")))
    except AgentsError as error:
        return error


def _answer(received: Received, *, single: bool) -> bytes:
    recorded = received.recorded
    if single:
        _refuse_single(recorded.verdicts[0])
    answer: dict[str, object] = {"batch": recorded.batch_id, "received_at": format_time(recorded.received_at)}
    answer |= recorded.counts
    answer["verdicts"] = [
        _line(verdict, f"/{index}") if verdict.errors and not single else verdict
        for index, verdict in enumerate(recorded.verdicts)
    ]
    if received.device is not None:
        answer["device"] = dict(received.device)
    try:
        return _ENCODER.encode(answer)
    except UnicodeEncodeError:  # a lone surrogate in the id of an event that was rejected for it
        return json.dumps(msgspec.to_builtins(answer)).encode()


def _refuse_single(verdict: EventVerdict) -> None:
    errors = [{"pointer": problem.pointer, "detail": problem.detail} for problem in verdict.errors]
    if verdict.verdict is Verdict.REJECTED:
        raise RejectedEventError(errors)
    if verdict.verdict is Verdict.CONFLICT:
        raise ConflictingEventError(errors)


def _line(verdict: EventVerdict, prefix: str) -> dict[str, object]:
    """Return a verdict whose pointers begin at the request, not at the event."""
    errors = [{"pointer": prefix + each.pointer, "detail": each.detail} for each in verdict.errors]
    return {"id": verdict.id, "source": verdict.source, "verdict": verdict.verdict, "errors": errors}
