"""The shapes of plans and invoices."""

from typing import Final

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

_MONEY: Final = DECIMAL
_PARTY: Final[Shape] = TEXT
VERSION: Final = record(key=TEXT, version=COUNT)
_BY_CURRENCY: Final[Shape] = {"type": "object", "additionalProperties": TEXT}
_SUMMARY: Final[dict[str, Shape]] = {
    "number": TEXT,
    "status": choice("open", "paid", "void", "uncollectible"),
    "moment": choice("opening", "closing"),
    "currency": CURRENCY,
    "subtotal": _MONEY,
    "tax": _MONEY,
    "carried": _MONEY,
    "total": _MONEY,
    "prepaid": _MONEY,
    "due": _MONEY,
    "period": record(starts_at=INSTANT, ends_at=INSTANT),
    "plan": VERSION,
    "issued_at": INSTANT,
    "due_at": nullable(INSTANT),
    "paid_at": nullable(INSTANT),
}
_STEPS: Final = items(record(text=TEXT, quantity=DECIMAL, unit_price=TEXT, amount=TEXT))
LINE: Final[dict[str, Shape]] = {
    "kind": choice("charge", "zero_rated", "discount", "maximum", "minimum", "credit", "tax"),
    "rate_card": nullable(TEXT),
    "source": nullable(TEXT) | {"description": "The discount, grant, zero-rating or tax rate that it comes from."},
    "description": TEXT,
    "meter": nullable(TEXT),
    "quantity": DECIMAL,
    "unit": TEXT,
    "amount": _MONEY,
    "starts_at": INSTANT,
    "ends_at": INSTANT,
    "detail": _STEPS | {"description": "The formula of the line: its steps with their numbers, as text."},
}
_CARD: Final = record(
    key=TEXT,
    name=TEXT,
    meter=nullable(TEXT),
    filters={"type": "object", "description": "Which usage it prices: values by dimension."},
    unit=TEXT,
    divide_by=DECIMAL,
    per_period=FLAG,
    rounding=TEXT,
    allowance=DECIMAL,
    rollover=DECIMAL,
    prices={"type": "object", "description": "By currency: the kind of the price and its numbers, as text."},
    minimum=_BY_CURRENCY,
    maximum=_BY_CURRENCY,
    zero_rates=items({"type": "object", "description": "What is free, by name."}),
    prorated=FLAG,
    billed=choice("advance", "arrears"),
    interval=TEXT,
)
INVOICE: Final = record(
    **_SUMMARY,
    seller=_PARTY,
    buyer=_PARTY,
    fold=COUNT,
    digest=TEXT,
    lines=items(record(position=COUNT, **LINE)),
)
INVOICES: Final = record(next=nullable(TEXT), previous=nullable(TEXT), results=items(record(**_SUMMARY)))
PLANS: Final = record(
    results=items(
        record(
            key=TEXT,
            name=TEXT,
            description=TEXT,
            version=COUNT,
            currencies=items(CURRENCY),
            interval=TEXT,
            phases=items({"type": "object"}),
            pools=items({"type": "object"}),
            discounts=items({"type": "object"}),
            minimum=_BY_CURRENCY,
            maximum=_BY_CURRENCY,
            published_at=nullable(INSTANT),
            effective_at=nullable(INSTANT),
            rate_cards=items(_CARD),
        )
    )
)
