"""`/api/v1/meters`: what OpenMeter's SDK asks of meters, answered from ours."""

import csv
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from agents import auth
from agents.api.bodies import read_body
from agents.api.methods import allow
from agents.auth import Caller
from agents.cloudevents import strict
from agents.compat import parameters
from agents.compat.openmeter import ENCODER, SUBJECT_FIELDS
from agents.models import Customer
from agents.models.keys import Scope
from metering import usage
from metering.errors import InvalidQueryError, UnknownMeterError
from metering.usage import MeterInfo, UsageRow
from runtime.wire import format_time

_KINDS: Final = {
    "count": "COUNT",
    "sum": "SUM",
    "min": "MIN",
    "max": "MAX",
    "unique": "UNIQUE_COUNT",
    "latest": "LATEST",
}  # what we have beyond these (level, peak) has no name there: it is not listed, but can be queried
_WINDOWS: Final = ("MINUTE", "HOUR", "DAY", "MONTH")
_BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CUSTOMER: Final = "customer_id"
_KNOWN: Final = frozenset(
    {
        "clientId",
        "from",
        "to",
        "windowSize",
        "windowTimeZone",
        "subject",
        "filterCustomerId",
        "groupBy",
        "filterGroupBy",
        "advancedMeterGroupByFilters",
    }
)


@dataclass(frozen=True, slots=True)
class MeterQuery:
    """A question as OpenMeter's SDK puts it."""

    starts_at: datetime | None = None
    ends_at: datetime | None = None
    window: str | None = None
    zone: str = "UTC"
    subjects: list[str] = field(default_factory=list)
    customers: list[str] = field(default_factory=list)
    group_by: list[str] = field(default_factory=list)
    filters: dict[str, list[str]] = field(default_factory=dict)


@allow("GET")
def meters(request: HttpRequest) -> HttpResponse:
    """List the meters that OpenMeter has a name for."""
    _reader(request)
    return JsonResponse([_meter(one) for one in _meters()], safe=False)


@allow("GET")
def meter(request: HttpRequest, slug: str) -> HttpResponse:
    """Answer one meter. Raises UnknownMeterError."""
    _reader(request)
    found = next((one for one in _meters() if one.key == slug), None)
    if found is None:
        raise UnknownMeterError(slug)
    return JsonResponse(_meter(found))


@csrf_exempt
@allow("GET", "POST")
def query(request: HttpRequest, slug: str) -> HttpResponse:
    """Answer the usage of a meter, as JSON or CSV by the Accept header. Raises MeteringError."""
    now = datetime.now(UTC)
    caller = _reader(request)
    asked = _from_body(read_body(request)) if request.method == "POST" else _from_address(request)
    rows = _read(caller, slug, asked, now)
    if "text/csv" in request.headers.get("Accept", ""):
        return HttpResponse(_csv(asked, rows), content_type="text/csv; charset=utf-8")
    answer: dict[str, Any] = {"data": rows}
    if asked.starts_at:
        answer["from"] = format_time(asked.starts_at)
    if asked.ends_at:
        answer["to"] = format_time(asked.ends_at)
    if asked.window:
        answer["windowSize"] = asked.window
    return HttpResponse(ENCODER.encode(answer), content_type="application/json")


def _reader(request: HttpRequest) -> Caller:
    caller = auth.caller(request, now=datetime.now(UTC))
    caller.require_scope(Scope.USAGE_READ)
    return caller


def _meters() -> list[MeterInfo]:
    return [one for one in usage.meters() if one.aggregation in _KINDS]


def _meter(one: MeterInfo) -> dict[str, object]:
    created = format_time(one.created_at or _BEGINNING)
    answer: dict[str, object] = {
        "id": one.key,
        "slug": one.key,
        "name": one.name,
        "eventType": one.event_type,
        "aggregation": _KINDS[one.aggregation],
        "groupBy": {name: f"$.{name}" for name in one.dimensions},
        "createdAt": created,
        "updatedAt": created,
    }
    return answer | ({"valueProperty": f"$.{one.value_field}"} if one.value_field else {})


def _from_address(request: HttpRequest) -> MeterQuery:
    given: dict[str, list[str]] = {name: request.GET.getlist(name) for name in request.GET}
    for name in given:
        if name not in _KNOWN and not name.startswith("filterGroupBy["):
            raise InvalidQueryError(name[:80], "There is no such parameter.")
    single = {name: values[-1] for name, values in given.items()}
    lists = {name: given.get(name, []) for name in ("subject", "filterCustomerId", "groupBy")}
    return _query(single | lists, parameters.read_filters(given))


def _from_body(body: bytes) -> MeterQuery:
    document = strict.read(body)
    if not isinstance(document, dict):
        raise InvalidQueryError("body", "It is an object.")
    for name in document:
        if name not in _KNOWN:
            raise InvalidQueryError(name[:80], "There is no such member.")
    filters = document.get("filterGroupBy") or {}
    if not isinstance(filters, dict):
        raise InvalidQueryError("filterGroupBy", "It is an object.")
    named = {name: [one] if isinstance(one, str) else one for name, one in filters.items()}
    return _query(document, {name: parameters.read_texts(one, "filterGroupBy") for name, one in named.items()})


def _query(given: Mapping[str, Any], filters: dict[str, list[str]]) -> MeterQuery:
    window, zone = given.get("windowSize"), given.get("windowTimeZone") or "UTC"
    if window is not None and window not in _WINDOWS:
        raise InvalidQueryError("windowSize", f"It is one of {', '.join(_WINDOWS)}.")
    if not isinstance(zone, str):
        raise InvalidQueryError("windowTimeZone", "It is the name of a time zone.")
    for name, values in parameters.read_advanced(given.get("advancedMeterGroupByFilters")).items():
        if name in filters:
            raise InvalidQueryError("advancedMeterGroupByFilters", f"{name[:80]} is filtered twice.")
        filters[name] = values
    return MeterQuery(
        starts_at=parameters.read_time(given.get("from"), "from"),
        ends_at=parameters.read_time(given.get("to"), "to"),
        window=window,
        zone=zone,
        subjects=parameters.read_texts(given.get("subject") or [], "subject"),
        customers=parameters.read_texts(given.get("filterCustomerId") or [], "filterCustomerId"),
        group_by=parameters.read_texts(given.get("groupBy") or [], "groupBy"),
        filters=filters,
    )


def _read(caller: Caller, slug: str, asked: MeterQuery, now: datetime) -> list[dict[str, object]]:
    if asked.window and asked.starts_at is None:
        raise InvalidQueryError("from", "It is needed with a windowSize.")
    subject = _subject_field(slug)
    customer = _customer_key(caller) if asked.customers or _CUSTOMER in asked.group_by else ""
    if asked.customers and not {customer, str(caller.customer_id)} & set(asked.customers):
        return []
    names = {"subject": subject, **{name: name for name in asked.group_by if name not in ("subject", _CUSTOMER)}}
    wanted = [names[name] for name in asked.group_by if name != _CUSTOMER]
    found = usage.read(
        customer_id=caller.customer_id,
        meter=slug,
        starts_at=asked.starts_at or _BEGINNING,
        ends_at=asked.ends_at or now,
        group_by=wanted,
        filters=asked.filters | ({subject: asked.subjects} if asked.subjects else {}),
        window=asked.window.lower() if asked.window else None,
        zone=asked.zone,
        environment="test" if caller.environment == "test" else "production",
    )
    is_whole = not wanted and not asked.window
    return [_row(one, asked, subject, customer) for one in found.rows if one.quantity or not is_whole]


def _row(one: UsageRow, asked: MeterQuery, subject: str, customer: str) -> dict[str, object]:
    named = [name for name in asked.group_by if name not in ("subject", _CUSTOMER)]
    row: dict[str, object] = {
        "value": one.quantity,
        "windowStart": format_time(one.starts_at),
        "windowEnd": format_time(one.ends_at),
        "subject": one.group[subject] if "subject" in asked.group_by else None,
        "groupBy": {name: one.group[name] for name in named},
    }
    return row | ({"customerId": customer} if _CUSTOMER in asked.group_by else {})


def _subject_field(slug: str) -> str:
    """Return the dimension of the meter that holds the subject; where none does, asking for it is refused by name."""
    found = next((one for one in usage.meters() if one.key == slug), None)
    if found is None:
        raise UnknownMeterError(slug)
    return next((name for name in SUBJECT_FIELDS if name in found.dimensions), SUBJECT_FIELDS[0])


def _customer_key(caller: Caller) -> str:
    return Customer.objects.values_list("key", flat=True).get(pk=caller.customer_id)


def _csv(asked: MeterQuery, rows: list[dict[str, Any]]) -> str:
    named = [name for name in asked.group_by if name not in ("subject", _CUSTOMER)]
    has_subject, has_customer = "subject" in asked.group_by, _CUSTOMER in asked.group_by
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    extra = ["subject"] * has_subject + [_CUSTOMER] * has_customer
    writer.writerow(["window_start", "window_end", *extra, *named, "value"])
    for row in rows:
        groups = [row["subject"]] * has_subject + [row.get("customerId")] * has_customer
        groups += [row["groupBy"][name] for name in named]
        cells = [_cell(one) for one in groups]
        writer.writerow([row["windowStart"], row["windowEnd"], *cells, f"{row['value']:f}"])
    return text.getvalue()


def _cell(value: str | None) -> str:
    """Return a group's text so that no spreadsheet takes it for a formula (OWASP, CSV injection)."""
    text = value or ""
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r")) else text
