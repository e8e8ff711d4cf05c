"""The shapes of credit notes."""

from typing import Final

from billing.models.credit_notes import Reason
from config.openapi.shapes import COUNT, DECIMAL, INSTANT, TEXT, Shape, choice, items, nullable, record

_SUMMARY: Final[dict[str, Shape]] = {
    "number": TEXT,
    "invoice": TEXT,
    "status": choice("issued", "void"),
    "reason": choice(*Reason.values),
    "explanation": TEXT,
    "currency": {"type": "string", "pattern": "^[A-Z]{3}$"},
    "subtotal": DECIMAL,
    "tax": DECIMAL,
    "total": DECIMAL,
    "applied": DECIMAL | {"description": "What it lowered the open claim by."},
    "refund": DECIMAL | {"description": "What goes back by the way it came."},
    "credit": DECIMAL | {"description": "What became prepaid credit."},
    "outside": DECIMAL | {"description": "What was settled past us."},
    "issued_at": INSTANT,
    "voided_at": nullable(INSTANT),
}
_LINE: Final = record(position=COUNT, invoice_position=COUNT, description=TEXT, amount=DECIMAL)
_REFUND: Final = record(
    reference=TEXT,
    amount=DECIMAL,
    status=choice("pending", "succeeded", "failed"),
    refunded_at=nullable(INSTANT),
)
CREDIT_NOTE: Final = record(
    **_SUMMARY, seller=TEXT, buyer=TEXT, digest=TEXT, lines=items(_LINE), refunds=items(_REFUND)
)
CREDIT_NOTES: Final = record(next=nullable(TEXT), previous=nullable(TEXT), results=items(record(**_SUMMARY)))
