"""Speaks as OpenMeter's API does: events in, the events that came.

Where that API acknowledges what it has only queued, an answer here means committed; where it lets an event with a bad
value through to be ignored later, here it is refused by name.
"""

import re
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any, Final

import msgspec
from django.http import HttpResponse, JsonResponse, QueryDict
from msgspec.structs import replace

from agents import cloudevents, intake
from agents.auth import Caller
from agents.cloudevents import strict
from agents.compat.errors import ContradictedEventsError, RefusedEventsError
from agents.compat.parameters import read_limit, read_text, read_time
from agents.errors import RequestTooLargeError, UnsupportedContentTypeError
from metering import records
from metering.event import EventVerdict, Malformed, UsageEvent, Verdict
from metering.records import RecordedEvent
from runtime.wire import format_time

PLAIN: Final = "application/json"
SUBJECT_FIELDS: Final = ("subject", "agent")  # meters are split by fields of the data: these two hold the subject
_NEWEST: Final = timedelta(hours=72)


def ingest(*, caller: Caller, body: bytes, content_type: str, now: datetime) -> HttpResponse:
    """Take in one event or many, structured, as a batch, or as plain JSON of either; 204 once they are committed.

    Raises RefusedEventsError or ContradictedEventsError where not all of them are stored, and RequestError.
    """
    documents = _decode(body, content_type)
    submissions = [_parse(document, index, caller, now) for index, document in enumerate(documents)]
    recorded = intake.record(caller=caller, submissions=submissions, body=body, received_at=now)
    is_alone = not _is_many(content_type, body)
    for verdict, error in (
        (Verdict.REJECTED, RefusedEventsError),
        (Verdict.CONFLICT, ContradictedEventsError),
    ):
        if named := list(_errors(recorded.verdicts, verdict, is_alone=is_alone)):
            raise error(named, accepted=recorded.counts["accepted"] + recorded.counts["duplicate"])
    return HttpResponse(status=204)


def list_events(*, caller: Caller, parameters: QueryDict, now: datetime) -> HttpResponse:
    """Answer the newest events, of the last 72 hours unless `from` says otherwise. Raises InvalidQueryError."""
    found = records.newest(
        customer_id=caller.customer_id,
        starts_at=read_time(parameters.get("from"), "from") or now - _NEWEST,
        ends_at=read_time(parameters.get("to"), "to"),
        received_from=read_time(parameters.get("ingestedAtFrom"), "ingestedAtFrom"),
        received_to=read_time(parameters.get("ingestedAtTo"), "ingestedAtTo"),
        id_part=read_text(parameters.get("id"), "id"),
        subject_part=read_text(parameters.get("subject"), "subject"),
        limit=read_limit(parameters.get("limit"), most=100),
    )
    return JsonResponse([_listed(one) for one in found], safe=False)


def _decode(body: bytes, content_type: str) -> list[Any]:
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type in {cloudevents.SINGLE, cloudevents.BATCH}:
        return cloudevents.decode(body=body, content_type=content_type)
    if media_type != PLAIN:
        raise UnsupportedContentTypeError(
            f"Send {PLAIN}, {cloudevents.SINGLE} or {cloudevents.BATCH}, not {media_type[:80] or 'nothing'}."
        )
    document = strict.read(body)
    documents = document if isinstance(document, list) else [document]
    if len(documents) > cloudevents.MAX_EVENTS:
        raise RequestTooLargeError(f"A request holds at most {cloudevents.MAX_EVENTS} events.")
    return documents


def _is_many(content_type: str, body: bytes) -> bool:
    return cloudevents.is_batch(content_type) or bool(re.match(rb"\s*\[", body))


def _parse(document: Any, index: int, caller: Caller, now: datetime) -> UsageEvent | Malformed:  # noqa: ANN401 whatever JSON holds
    if type(document) is dict and document.get("specversion") is None:
        document = document | {"specversion": "1.0"}  # their SDK leaves it out unless the caller gives it
    event = cloudevents.parse(document=document, index=index, environment=caller.environment, received_at=now)
    return with_subject(event)


def with_subject(event: UsageEvent | Malformed) -> UsageEvent | Malformed:
    """Return the event with its subject among its data, where meters can be split by it; its content stays as sent."""
    if isinstance(event, Malformed) or not event.subject:
        return event
    return replace(event, data=dict.fromkeys(SUBJECT_FIELDS, event.subject) | dict(event.data))


def _errors(verdicts: Sequence[EventVerdict], kind: Verdict, *, is_alone: bool) -> Iterable[dict[str, str]]:
    for index, verdict in enumerate(verdicts):
        if verdict.verdict is kind:
            prefix = "" if is_alone else f"/{index}"
            yield from ({"pointer": prefix + each.pointer, "detail": each.detail} for each in verdict.errors)


def _listed(one: RecordedEvent) -> dict[str, object]:
    data = {name: value for name, value in one.data.items() if not (name in SUBJECT_FIELDS and value == one.subject)}
    received = format_time(one.received_at)
    event = {
        "specversion": "1.0",
        "id": one.id,
        "source": one.source,
        "type": one.type,
        "subject": one.subject,
        "time": format_time(one.time),
        "datacontenttype": PLAIN,
        "data": data,
    }
    return {"event": event, "ingestedAt": received, "storedAt": received}


ENCODER: Final = msgspec.json.Encoder(decimal_format="number")  # a quantity is a JSON number there, with every digit
