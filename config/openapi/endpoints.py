"""The shapes of webhook endpoints, of what was sent to them, and of dunning."""

from typing import Final

from billing.models.endpoints import EventType
from config.openapi.shapes import COUNT, DECIMAL, FLAG, INSTANT, TEXT, Shape, choice, items, nullable, record

_TYPES: Final = items(choice(*EventType.values), description="What it is told; an empty list means everything.")
_URL: Final[Shape] = {"type": "string", "maxLength": 500, "format": "uri", "examples": ["https://example.com/hooks"]}
_DESCRIPTION: Final[Shape] = {"type": "string", "maxLength": 200}
_FIELDS: Final[dict[str, Shape]] = {
    "id": COUNT,
    "url": TEXT,
    "description": TEXT,
    "types": _TYPES,
    "is_enabled": FLAG,
    "disabled_reason": TEXT,
    "failing_since": nullable(INSTANT),
    "previous_secret_until": nullable(INSTANT),
    "created_at": INSTANT,
}
ENDPOINT: Final = record(**_FIELDS)
ENDPOINT_WITH_SECRET: Final = record(**_FIELDS, secret=TEXT)
ENDPOINTS: Final = record(endpoints=items(ENDPOINT))
NEW_ENDPOINT: Final = record({"description": _DESCRIPTION, "types": _TYPES}, url=_URL)
ENDPOINT_CHANGES: Final = record(
    {"url": _URL, "description": _DESCRIPTION, "types": _TYPES, "is_enabled": FLAG},
) | {"minProperties": 1}
DELIVERY: Final = record(
    id=TEXT,
    type=choice(*EventType.values),
    state=choice("pending", "delivered", "failed"),
    next_at=nullable(INSTANT),
    body=TEXT,
    attempts=items(
        record(
            number=COUNT,
            sent_at=INSTANT,
            milliseconds=COUNT,
            status=nullable(COUNT),
            answer=TEXT,
            error=TEXT,
        )
    ),
)
DELIVERIES: Final = record(deliveries=items(DELIVERY))
DUNNING: Final = record(
    is_suspended=FLAG,
    suspended_since=nullable(INSTANT),
    suspended_reason=TEXT,
    invoices=items(
        record(
            number=TEXT,
            currency=TEXT,
            due=DECIMAL,
            due_at=nullable(INSTANT),
            reminders=COUNT,
            next_at=nullable(INSTANT),
            suspends_at=INSTANT,
            pay_url=TEXT,
        )
    ),
)
