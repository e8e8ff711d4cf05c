"""Speaks as Lago's API does: events in, one event out, refusals in its words.

A transaction id is unique to its subscription, as there; a repetition with the same content is a success here, because
a retry after a lost answer is not an error.
"""

import json
import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, JsonResponse

from agents import cloudevents, intake
from agents.auth import Caller
from agents.cloudevents import strict
from agents.cloudevents.strict import Number
from agents.compat.errors import EventNotFoundError, InvalidEventsError
from agents.compat.openmeter import SUBJECT_FIELDS, with_subject
from agents.models import Agent
from metering import records
from metering.event import EventVerdict, Malformed, UsageEvent, Verdict
from metering.records import RecordedEvent

SOURCE: Final = "urn:agentmeter:lago:"
AMOUNT: Final = "precise_total_amount_cents"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST: Final = Decimal(253_370_764_800)  # the year 9999, in seconds
_IDS: Final = uuid.UUID("0b7e5a52-6c1c-5f43-9a53-2f0c2f6f1a90")
_FIELDS: Final = {
    "id": "transaction_id",
    "source": "external_subscription_id",
    "subject": "external_subscription_id",
    "type": "code",
    "time": "timestamp",
    "data": "properties",
}
_Event = UsageEvent | Malformed


def speak(request: HttpRequest) -> None:
    """Let whatever this request is refused for be told in Lago's words."""
    request.word_problem = _word_problem  # type: ignore[attr-defined] # read by config.errors


def is_spoken(request: HttpRequest) -> bool:
    """Say whether the request is answered in Lago's words."""
    return hasattr(request, "word_problem")


def create(*, caller: Caller, body: bytes, now: datetime) -> HttpResponse:
    """Take in one event and answer it as stored. Raises InvalidEventsError."""
    document = strict.read(body)
    events, verdicts = _take_in(caller, [document["event"]], body, now)
    if details := _details(verdicts[0]):
        raise InvalidEventsError("validation_errors", details)
    return JsonResponse({"event": _sent(events[0], caller, now)})


def create_batch(*, caller: Caller, body: bytes, now: datetime) -> HttpResponse:
    """Take in a batch of events. Raises InvalidEventsError, by place in the batch; what is not named is stored."""
    document = strict.read(body)
    sent = document.get("events") if isinstance(document, dict) else None
    if not isinstance(sent, list) or not sent:
        raise InvalidEventsError("no_events")
    if len(sent) > cloudevents.MAX_EVENTS:
        raise InvalidEventsError("too_many_events")
    events, verdicts = _take_in(caller, sent, body, now)
    details = {str(place): found for place, one in enumerate(verdicts) if (found := _details(one))}
    if details:
        raise InvalidEventsError("validation_errors", details)
    return JsonResponse({"events": [_sent(event, caller, now) for event in events]})


def find(*, caller: Caller, transaction_id: str) -> HttpResponse:
    """Answer the event with this transaction id. Raises EventNotFoundError."""
    subscriptions = Agent.objects.filter(customer_id=caller.customer_id).values_list("key", flat=True)
    identities = [(_source(subscription), transaction_id) for subscription in subscriptions]
    found = records.find(customer_id=caller.customer_id, identities=identities)
    if found is None:
        raise EventNotFoundError(f"There is no event {transaction_id[:80]}.")
    return JsonResponse({"event": _stored(found, caller)})


def _take_in(
    caller: Caller, sent: Sequence[Any], body: bytes, now: datetime
) -> tuple[list[_Event], Sequence[EventVerdict]]:
    events = [
        with_subject(
            cloudevents.parse(document=_document(one), index=index, environment=caller.environment, received_at=now)
        )
        for index, one in enumerate(sent)
    ]
    return events, intake.record(caller=caller, submissions=events, body=body, received_at=now).verdicts


def _document(sent: Any) -> Any:  # noqa: ANN401 whatever JSON holds
    """Return the CloudEvent that says what a Lago event says; what is wrong with it is left to the parser."""
    if type(sent) is not dict:
        return sent
    subscription = sent.get("external_subscription_id")
    data = sent.get("properties")
    if sent.get(AMOUNT) is not None:
        data = {AMOUNT: sent[AMOUNT], **data} if type(data) is dict else data or {AMOUNT: sent[AMOUNT]}
    return {
        "specversion": "1.0",
        "id": sent.get("transaction_id"),
        "source": _source(subscription) if isinstance(subscription, str) and subscription else None,
        "subject": subscription,
        "type": sent.get("code"),
        "time": _time(sent.get("timestamp")),
        "data": data,
    }


def _source(subscription: str) -> str:
    return SOURCE + quote(subscription.encode("utf-8", "replace"), safe="")


def _time(timestamp: object) -> object:
    """Return Unix seconds, as a number or as text, in RFC 3339; what is neither stays as it is."""
    if isinstance(timestamp, bool) or not isinstance(timestamp, int | str | Number):
        return timestamp
    try:
        seconds = Decimal(str(timestamp))
    except InvalidOperation:
        return timestamp
    if not 0 <= seconds < _LATEST:
        return str(timestamp)
    return _format(_EPOCH + timedelta(microseconds=int(seconds * 1_000_000)), places="microseconds")


def _details(verdict: EventVerdict) -> dict[str, list[str]]:
    """Return Lago's code of each fault, and our sentence, by the name that the field has there."""
    if verdict.verdict is Verdict.CONFLICT:
        return {"transaction_id": ["value_already_exist", *(each.detail for each in verdict.errors)]}
    details: dict[str, list[str]] = {}
    for each in verdict.errors:
        field = _FIELDS.get(each.pointer.split("/")[1] if each.pointer else "", "event")
        code = "value_is_mandatory" if each.detail == "Required." else "value_is_invalid"
        details.setdefault(field, [code, each.detail])
    return details


def _sent(event: _Event, caller: Caller, now: datetime) -> dict[str, object]:
    assert isinstance(event, UsageEvent)  # noqa: S101 - what could not be read was refused
    stored = RecordedEvent(
        id=event.id,
        source=event.source,
        type=event.type,
        subject=event.subject,
        time=event.time,
        data=event.data,
        received_at=now,
    )
    return _stored(stored, caller)


def _stored(event: RecordedEvent, caller: Caller) -> dict[str, object]:
    hidden = {AMOUNT, *(name for name in SUBJECT_FIELDS if event.data.get(name) == event.subject)}
    return {
        "lago_id": str(uuid.uuid5(_IDS, f"{caller.customer_id} {event.source} {event.id}")),
        "transaction_id": event.id,
        "lago_customer_id": None,
        "code": event.type,
        "timestamp": _format(event.time),
        AMOUNT: event.data.get(AMOUNT),
        "properties": {name: value for name, value in event.data.items() if name not in hidden},
        "lago_subscription_id": None,
        "external_subscription_id": event.subject,
        "created_at": _format(event.received_at),
    }


def _format(moment: datetime, *, places: str = "milliseconds") -> str:
    return moment.astimezone(UTC).isoformat(timespec=places).replace("+00:00", "Z")


def _word_problem(request: HttpRequest, answer: HttpResponse) -> HttpResponse:
    """Return an error in the shape of Lago's; `answer` is the problem document, whose status and headers are kept."""
    del request
    said = json.loads(answer.content)
    told: dict[str, Any] = {"status": answer.status_code, "error": HTTPStatus(answer.status_code).phrase}
    told |= {name: said[name] for name in ("code", "error_details") if name in said}
    if "code" not in told:
        told["detail"] = said["detail"]
    answer.content = json.dumps(told).encode()
    answer.headers["Content-Type"] = "application/json"
    return answer
