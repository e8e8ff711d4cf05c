"""The shapes of plans and invoices."""

from typing import Final

from config.openapi.shapes import COUNT, DECIMAL, INSTANT, TEXT, Shape, items, nullable, record

_MONEY: Final = DECIMAL
_PARTY: Final[Shape] = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}
_SUMMARY: Final[dict[str, Shape]] = {
    "number": nullable(TEXT),
    "status": {"type": "string", "enum": ["open", "paid", "void", "uncollectible"]},
    "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "total": _MONEY,
    "period": record(starts_at=INSTANT, ends_at=INSTANT),
    "plan": record(key=TEXT, version=COUNT),
    "issued_at": nullable(INSTANT),
    "due_at": nullable(INSTANT),
    "paid_at": nullable(INSTANT),
}
_LINE: Final = record(
    position=COUNT,
    rate_card=TEXT,
    description=TEXT,
    meter=nullable(TEXT),
    quantity=DECIMAL,
    unit=TEXT,
    amount=_MONEY,
    starts_at=INSTANT,
    ends_at=INSTANT,
    detail={"description": "The formula of the line: its steps with their numbers, as text."},
)
_CARD: Final = record(
    key=TEXT,
    name=TEXT,
    meter=nullable(TEXT),
    filters={"description": "Which usage it prices: values by dimension."},
    unit=TEXT,
    divide_by=DECIMAL,
    per_period={"type": "boolean"},
    rounding=TEXT,
    allowance=DECIMAL,
    price={"type": "object", "description": "The kind of the price and its numbers, as text."},
    prorated={"type": "boolean"},
)
INVOICE: Final = record(
    **_SUMMARY,
    seller=_PARTY,
    buyer=_PARTY,
    fold=nullable(COUNT),
    digest=TEXT,
    lines=items(_LINE),
)
INVOICES: Final = record(next=nullable(TEXT), previous=nullable(TEXT), results=items(record(**_SUMMARY)))
PLANS: Final = record(
    results=items(
        record(
            key=TEXT,
            name=TEXT,
            description=TEXT,
            version=COUNT,
            currency=TEXT,
            interval=TEXT,
            published_at=nullable(INSTANT),
            rate_cards=items(_CARD),
        )
    )
)
