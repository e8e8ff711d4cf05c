"""The shapes of what proves an invoice."""

from typing import Final

from config.openapi.shapes import COUNT, DECIMAL, DIGEST, FLAG, INSTANT, TEXT, Shape, items, nullable, record

_GROUP: Final[Shape] = {"type": "object", "additionalProperties": {"type": ["string", "null"]}}
_FILTERS: Final[Shape] = {"type": "object", "additionalProperties": {"type": "array", "items": {"type": "string"}}}
_LINE: Final[dict[str, Shape]] = {
    "position": COUNT,
    "kind": TEXT,
    "description": TEXT,
    "quantity": DECIMAL,
    "unit": TEXT,
    "amount": DECIMAL,
    "starts_at": INSTANT,
    "ends_at": INSTANT,
    "tiers": items(record(text=TEXT, quantity=TEXT, unit_price=TEXT, amount=TEXT)),
    "measured": nullable(
        record(
            meter=TEXT,
            starts_at=INSTANT,
            ends_at=INSTANT,
            group_by=items(TEXT),
            filters=_FILTERS,
            fold=COUNT,
            since_fold=COUNT,
        )
    ),
}
_EVENT: Final = record(
    id=TEXT,
    source=TEXT,
    type=TEXT,
    subject=TEXT,
    time=INSTANT,
    data={"type": "object"},
    batch=record(id=COUNT, place=COUNT, received_at=INSTANT, digest=TEXT, fold=COUNT),
    signed=nullable(
        record(
            device=TEXT,
            epoch=COUNT,
            sequence=COUNT,
            signature=TEXT,
            public_key=nullable(TEXT),
            holds=nullable(FLAG),
        )
    ),
)
_WINDOW: Final = record(starts_at=INSTANT, ends_at=INSTANT, group=_GROUP, quantity=DECIMAL)
EXPLANATION: Final = record(
    {
        "lines": items(record(**_LINE)),
        "line": record(**_LINE, windows=items(_WINDOW), events=items(_EVENT), next=nullable(TEXT)),
    },
    number=TEXT,
    digest=DIGEST,
    fold=COUNT,
)
