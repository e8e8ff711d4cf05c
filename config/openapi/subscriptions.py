"""The shapes of subscriptions, changes of them, their previews, and other plans for the same usage."""

from typing import Final

from config.openapi.invoices import LINE, VERSION
from config.openapi.shapes import (
    COUNT,
    CURRENCY,
    DECIMAL,
    FLAG,
    INSTANT,
    TEXT,
    Shape,
    choice,
    items,
    nullable,
    record,
)

_SUMMARY: Final[dict[str, Shape]] = {
    "id": COUNT,
    "plan": VERSION | {"description": "The one agreed on last, which may hold only from a later time on."},
    "currency": CURRENCY,
    "time_zone": TEXT,
    "starts_at": INSTANT,
    "ends_at": nullable(INSTANT),
    "anchor_at": INSTANT,
}
CHANGE: Final = record(
    number=COUNT,
    operation=choice("start", "change", "pause", "resume", "cancel", "keep", "override", "migrate"),
    at=INSTANT,
    actor=TEXT,
    reason=TEXT,
    recorded_at=INSTANT,
)
_TERM: Final = record(
    plan=VERSION,
    phase=nullable(TEXT),
    is_trial=FLAG,
    is_paused=FLAG,
    starts_at=INSTANT,
    ends_at=nullable(INSTANT),
)
SUBSCRIPTION: Final = record(**_SUMMARY, terms=items(_TERM), changes=items(CHANGE))
SUBSCRIPTIONS: Final = record(next=nullable(TEXT), previous=nullable(TEXT), results=items(record(**_SUMMARY)))

_AT: Final[Shape] = {
    "description": "`now`, `period_end`, or a time to come with its offset; the instant belongs to the new state.",
    "anyOf": [choice("now", "period_end"), INSTANT],
}
_REASON: Final[Shape] = {"type": "string", "maxLength": 1000, "pattern": "^([!-~]([ -~]*[!-~])?)?$"}
_AT_ONCE: Final[Shape] = FLAG | {"description": "Invoice what was used until then at once.", "default": False}
_PLAN: Final[Shape] = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$"}
_NUMBER: Final[Shape] = {"type": "integer", "minimum": 1, "maximum": 2**31 - 1}


def _asked(operation: str, optional: Shape | None = None, /, **members: Shape) -> Shape:
    return record({"reason": _REASON} | (optional or {}), operation=choice(operation), **members)


ASKED: Final[Shape] = {
    "oneOf": [
        _asked("change", {"version": _NUMBER, "invoice_at_once": _AT_ONCE}, plan=_PLAN, at=_AT),
        _asked("pause", {"invoice_at_once": _AT_ONCE}, at=_AT),
        _asked("resume", {"invoice_at_once": _AT_ONCE}, at=_AT),
        _asked("cancel", at=_AT),
        _asked("keep"),
    ]
}
_SEATS: Final[Shape] = {
    "description": "So many more, or less below 0. Seats are assigned one by one; this says what they would cost.",
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 1_000_000},
        {"type": "integer", "minimum": -1_000_000, "maximum": -1},
    ],
}
FORETOLD: Final[Shape] = {"oneOf": [*ASKED["oneOf"], record(operation=choice("seats"), seats=_SEATS, at=_AT)]}
_RATED: Final = record(
    currency=CURRENCY,
    subtotal=DECIMAL,
    tax=DECIMAL,
    total=DECIMAL,
    starts_at=nullable(INSTANT),
    ends_at=nullable(INSTANT),
    lines=items(record(**LINE)),
)
PREVIEW: Final = record(operation=TEXT, at=INSTANT, before=nullable(_RATED), invoices=items(_RATED), difference=DECIMAL)
ALTERNATIVES: Final = record(
    starts_at=INSTANT,
    ends_at=INSTANT,
    periods=COUNT,
    fold=COUNT,
    currency=CURRENCY,
    billed=DECIMAL,
    plans=items(
        record(
            plan=VERSION,
            is_current=FLAG,
            total=nullable(DECIMAL),
            change=nullable(DECIMAL),
            reason=nullable(TEXT),
            lines=items(
                record(
                    kind=TEXT,
                    rate_card=nullable(TEXT),
                    description=TEXT,
                    billed=DECIMAL,
                    amount=DECIMAL,
                    change=DECIMAL,
                )
            ),
        )
    ),
)
