"""`POST /v1/events`: CloudEvents from agents and devices, a verdict for each, 200 only after the commit."""

from datetime import UTC, datetime

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from agents import auth, cloudevents, intake
from agents.api.bodies import read_body
from agents.api.methods import allow
from agents.devices import Signature
from agents.errors import ConflictingEventError, MalformedRequestError, RejectedEventError
from agents.intake import Received
from agents.models.keys import Scope
from metering.event import EventVerdict, Verdict
from runtime.wire import BATCH_HEADER, SIGNATURE_HEADER, format_time


@csrf_exempt
@allow("POST")
def receive_events(request: HttpRequest) -> HttpResponse:
    """Take in one event (structured or binary) or a batch. The answer's order is the request's order."""
    now = datetime.now(UTC)
    caller = auth.caller(request, now=now)
    caller.require_scope(Scope.EVENTS_WRITE)
    content_type = request.headers.get("Content-Type", "")
    received = intake.receive(
        caller=caller,
        body=read_body(request),
        content_type=content_type,
        attributes=cloudevents.attributes_of(request.headers),
        signature=_signature(request),
        received_at=now,
    )
    single = not cloudevents.is_batch(content_type)
    if single:
        _refuse_single(received.recorded.verdicts[0])
    return JsonResponse(_answer(received, now, single=single))


def _signature(request: HttpRequest) -> Signature | None:
    header, signature = request.headers.get(BATCH_HEADER), request.headers.get(SIGNATURE_HEADER)
    if header is None and signature is None:
        return None
    if header is None or signature is None:
        raise MalformedRequestError(f"{BATCH_HEADER} and {SIGNATURE_HEADER} belong together.")
    return Signature(header=header, signature=signature)


def _refuse_single(verdict: EventVerdict) -> None:
    errors = [{"pointer": problem.pointer, "detail": problem.detail} for problem in verdict.errors]
    if verdict.verdict is Verdict.REJECTED:
        raise RejectedEventError(errors)
    if verdict.verdict is Verdict.CONFLICT:
        raise ConflictingEventError(errors)


def _answer(received: Received, now: datetime, *, single: bool) -> dict[str, object]:
    recorded = received.recorded
    answer: dict[str, object] = {"batch": recorded.batch_id, "received_at": format_time(now)}
    answer |= recorded.counts
    answer["verdicts"] = [
        _line(verdict, prefix="" if single else f"/{index}") for index, verdict in enumerate(recorded.verdicts)
    ]
    if received.device is not None:
        answer["device"] = dict(received.device)
    return answer


def _line(verdict: EventVerdict, *, prefix: str) -> dict[str, object]:
    line: dict[str, object] = {"id": verdict.id, "source": verdict.source, "verdict": str(verdict.verdict)}
    if verdict.errors:
        line["errors"] = [{"pointer": prefix + each.pointer, "detail": each.detail} for each in verdict.errors]
    return line
