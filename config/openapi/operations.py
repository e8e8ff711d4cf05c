"""What each REST view takes and answers, by the view's place; its docstrings say what for."""

from dataclasses import dataclass, field
from typing import Any, Final

from config.openapi.credit_notes import CREDIT_NOTE, CREDIT_NOTES
from config.openapi.endpoints import (
    DELIVERIES,
    DELIVERY,
    DUNNING,
    ENDPOINT,
    ENDPOINT_CHANGES,
    ENDPOINT_WITH_SECRET,
    ENDPOINTS,
    NEW_ENDPOINT,
)
from config.openapi.invoices import INVOICE, INVOICES, PLANS
from config.openapi.proofs import EXPLANATION
from config.openapi.shapes import (
    COUNT,
    DECIMAL,
    DIGEST,
    FLAG,
    INSTANT,
    TEXT,
    Shape,
    choice,
    items,
    nullable,
    record,
    ref,
)
from config.openapi.subscriptions import ALTERNATIVES, ASKED, CHANGE, FORETOLD, PREVIEW, SUBSCRIPTION, SUBSCRIPTIONS

CSV: Final = "text/csv"
JSON: Final = "application/json"


@dataclass(frozen=True, slots=True)
class Operation:
    """What passes in one operation: query parameters, the body, the answer, and how it may be refused.

    `repeated` is the status of an answer to what was done before. By Accept there may be CSV, too, or papers: a page
    and a PDF.
    """

    answer: Shape
    status: int = 200
    parameters: tuple[Shape, ...] = ()
    body: Shape | None = None
    refusals: tuple[int, ...] = ()
    csv: bool = False
    papers: bool = False
    media: str = JSON
    repeated: int | None = None
    headers: Shape = field(default_factory=dict)


def query(name: str, schema: Shape, *, required: bool = False, **more: Any) -> Shape:  # noqa: ANN401 members of OpenAPI
    """Return a parameter of the address."""
    return {"name": name, "in": "query", "required": required, "schema": schema} | more


_INSTANT_PARAMETER: Final = INSTANT | {"examples": ["2026-11-01T00:00:00Z"]}
_PERIOD: Final = (
    query("from", _INSTANT_PARAMETER, required=True, description="Inclusive; an offset is required."),
    query("to", _INSTANT_PARAMETER, required=True, description="Exclusive."),
)
_QUESTION: Final = (
    *_PERIOD,
    query("window", choice("minute", "hour", "day", "month"), description="Cuts the period on the calendar of `zone`."),
    query("zone", TEXT | {"default": "UTC", "examples": ["Europe/Berlin"]}, description="An IANA time zone."),
    query("group_by", items({"type": "string", "minLength": 1}), description="Dimensions of the meter, in order."),
    query(
        "filter",
        {"type": "object", "additionalProperties": {"type": "string"}},
        style="deepObject",
        explode=True,
        description="filter[model]=nano; repeat it for one of several values.",
    ),
    query("environment", choice("production", "test", "shadow") | {"default": "production"}),
    query("as_of", {"type": "integer", "minimum": 0}, description="The number of a fold: the answer as it was then."),
)
_USAGE: Final = record(
    {"from": INSTANT},
    meter=TEXT,
    unit=TEXT,
    to=INSTANT,
    group_by=items(TEXT),
    fold=COUNT,
    rows=items(
        record(
            {"from": INSTANT},
            to=INSTANT,
            group={"type": "object", "additionalProperties": {"type": ["string", "null"]}},
            quantity=DECIMAL,
        )
    ),
)
_ACCOUNT: Final = record(
    {"from": INSTANT},
    to=INSTANT,
    accepted=COUNT,
    pending=COUNT,
    counted=COUNT,
    test=COUNT,
    shadow=COUNT,
    voided=COUNT,
    unmatched=COUNT,
)
_TEXT_TO_STORE: Final[Shape] = {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[!-~]+$"}
_DEVICE: Final[dict[str, Shape]] = {
    "key": TEXT,
    "epoch": COUNT,
    "last_sequence": COUNT,
    "complete_up_to": nullable(INSTANT),
    "last_seen_at": nullable(INSTANT),
    "enrolled_at": INSTANT,
    "quarantined_at": nullable(INSTANT),
    "revoked_at": nullable(INSTANT),
    "missing_until": nullable(COUNT),
}
_FINDING: Final = record(
    kind=choice("gap", "fork", "replay", "clock"),
    epoch=COUNT,
    first=COUNT,
    last=COUNT,
    seen_at=INSTANT,
    detail=TEXT,
    resolved_at=nullable(INSTANT),
    resolution=TEXT,
    batches=items(COUNT),
    events=COUNT,
)
_RANGE: Final = record(
    batch=COUNT, epoch=COUNT, first=COUNT, last=COUNT, head=DIGEST, received_at=INSTANT, events=COUNT
)
_REVIEWS: Final = record(reviews=items(record(kind=TEXT, what=TEXT, since=INSTANT, detail=TEXT)), more=FLAG)
_COMPARISON: Final = record(
    {"from": INSTANT},
    meter=TEXT,
    to=INSTANT,
    rows=items(record(agent=nullable(TEXT), events=DECIMAL, otlp=DECIMAL, difference=DECIMAL, bills=TEXT)),
)
_VOID: Final = record(source=TEXT, id=TEXT, actor=TEXT, reason=TEXT, voided_at=INSTANT, fold=nullable(COUNT))
_LIMIT: Final = {"type": "integer", "minimum": 1, "maximum": 100}
_PERIODS: Final = {"type": "integer", "minimum": 1, "maximum": 36, "default": 12}
_PAGE: Final = (
    query("cursor", TEXT, description="Of `next` or `previous` of another page."),
    query("limit", _LIMIT),
)

OPERATIONS: Final[dict[tuple[str, str], Operation]] = {
    ("metering.api.meters.MeterListView", "GET"): Operation(record(meters=items(ref("Meter")))),
    ("metering.api.meters.MeterListView", "POST"): Operation(
        ref("Meter"),
        status=201,
        body=ref("MeterDefinition"),
        refusals=(400, 409, 415, 422),
        headers={"Location": {"schema": TEXT, "required": True}},
    ),
    ("metering.api.meters.MeterView", "GET"): Operation(ref("Meter")),
    ("metering.api.meters.MeterArchiveView", "POST"): Operation(ref("Meter"), refusals=(409,)),
    ("metering.api.views.MeterQueryView", "GET"): Operation(_USAGE, parameters=_QUESTION, refusals=(400,), csv=True),
    ("metering.api.views.AccountView", "GET"): Operation(_ACCOUNT, parameters=_PERIOD, refusals=(400,)),
    ("metering.api.corrections.VoidView", "POST"): Operation(
        _VOID,
        status=201,
        repeated=200,
        body=record(source=_TEXT_TO_STORE, id=_TEXT_TO_STORE, reason=_TEXT_TO_STORE),
        refusals=(400, 404, 409, 415, 422),
    ),
    ("agents.api.devices.DeviceListView", "GET"): Operation(
        record(devices=items(record(**_DEVICE)), next=nullable(TEXT)),
        parameters=(query("after", TEXT, description="The `next` of the page before."),),
        refusals=(400,),
    ),
    ("agents.api.devices.DeviceView", "GET"): Operation(
        record(**_DEVICE, findings=items(_FINDING), ranges=items(_RANGE)), refusals=(400,)
    ),
    ("agents.api.reviews.ReviewListView", "GET"): Operation(_REVIEWS, refusals=(400,)),
    ("agents.api.reviews.ReconciliationView", "GET"): Operation(
        _COMPARISON,
        parameters=(query("meter", {"type": "string", "minLength": 1}, required=True), *_PERIOD),
        refusals=(400, 404),
    ),
    ("billing.api.views.InvoiceList", "GET"): Operation(
        INVOICES,
        parameters=_PAGE,
        refusals=(400, 404),
    ),
    ("billing.api.views.InvoiceDetail", "GET"): Operation(INVOICE, papers=True, refusals=(501,)),
    ("billing.api.proofs.InvoiceExplanation", "GET"): Operation(
        EXPLANATION,
        parameters=(
            query("line", {"type": "string", "pattern": "^[0-9]{1,6}$"}, description="The position of a line."),
            query("cursor", TEXT, description="The `next` of the page before."),
            query("limit", _LIMIT),
        ),
        refusals=(400, 404),
    ),
    ("billing.api.proofs.InvoiceBundle", "GET"): Operation(
        {"type": "string", "format": "binary"}, media="application/zip", refusals=(400, 404)
    ),
    ("billing.api.credit_notes.CreditNoteList", "GET"): Operation(
        CREDIT_NOTES,
        parameters=(
            query("invoice", TEXT, description="The number of an invoice."),
            query("cursor", TEXT, description="Of `next` or `previous` of another page."),
            query("limit", _LIMIT),
        ),
        refusals=(400, 404),
    ),
    ("billing.api.credit_notes.CreditNoteDetail", "GET"): Operation(CREDIT_NOTE, refusals=(404,)),
    ("billing.api.documents.InvoiceHtml", "GET"): Operation({"type": "string"}, media="text/html"),
    ("billing.api.documents.InvoicePdf", "GET"): Operation(
        {"type": "string", "format": "binary"}, media="application/pdf", refusals=(501,)
    ),
    ("billing.api.documents.CreditNoteHtml", "GET"): Operation({"type": "string"}, media="text/html"),
    ("billing.api.documents.CreditNotePdf", "GET"): Operation(
        {"type": "string", "format": "binary"}, media="application/pdf", refusals=(501,)
    ),
    ("billing.api.views.PlanList", "GET"): Operation(PLANS),
    ("billing.api.subscriptions.SubscriptionList", "GET"): Operation(
        SUBSCRIPTIONS, parameters=_PAGE, refusals=(400, 404)
    ),
    ("billing.api.subscriptions.SubscriptionDetail", "GET"): Operation(SUBSCRIPTION),
    ("billing.api.subscriptions.SubscriptionChanges", "POST"): Operation(
        CHANGE, status=201, body=ASKED, refusals=(400, 409, 415, 422)
    ),
    ("billing.api.subscriptions.SubscriptionChangePreview", "POST"): Operation(
        PREVIEW, body=FORETOLD, refusals=(400, 409, 415, 422)
    ),
    ("billing.api.subscriptions.SubscriptionAlternatives", "GET"): Operation(
        ALTERNATIVES, parameters=(query("periods", _PERIODS),), refusals=(400, 422)
    ),
    ("billing.api.payments.BillingPortalSession", "POST"): Operation(
        record(url=TEXT),
        status=201,
        body={"type": "object", "properties": {"return_url": TEXT}, "additionalProperties": False},
        refusals=(409, 415),
    ),
    ("billing.api.dunning.DunningDetail", "GET"): Operation(DUNNING),
    ("billing.api.endpoints.WebhookEndpointList", "GET"): Operation(ENDPOINTS),
    ("billing.api.endpoints.WebhookEndpointList", "POST"): Operation(
        ENDPOINT_WITH_SECRET,
        status=201,
        body=NEW_ENDPOINT,
        refusals=(415,),
        headers={"Location": {"schema": TEXT, "required": True}},
    ),
    ("billing.api.endpoints.WebhookEndpointDetail", "GET"): Operation(ENDPOINT),
    ("billing.api.endpoints.WebhookEndpointDetail", "PATCH"): Operation(
        ENDPOINT, body=ENDPOINT_CHANGES, refusals=(400, 415, 422)
    ),
    ("billing.api.endpoints.WebhookEndpointDetail", "DELETE"): Operation(ENDPOINT),
    ("billing.api.endpoints.WebhookEndpointSecret", "POST"): Operation(ENDPOINT_WITH_SECRET, status=201),
    ("billing.api.endpoints.WebhookEndpointTest", "POST"): Operation(record(id=TEXT), status=201),
    ("billing.api.endpoints.WebhookDeliveryList", "GET"): Operation(DELIVERIES),
    ("billing.api.endpoints.WebhookReplay", "POST"): Operation(DELIVERY, status=201),
}
