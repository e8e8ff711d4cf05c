"""What Stripe holds beside customers and invoices, as plain values: refunds, notes, disputes, events, taxes."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from stripe import CreditNote, Dispute, Event, Refund
from stripe.tax import Calculation

from billing.stripe.counterparts import id_of, instant_of, metadata_of


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteRefund:
    """Money that goes back on a payment at Stripe."""

    stripe_id: str
    payment_id: str
    amount: int
    currency: str
    status: str
    reason: str
    created_at: datetime
    metadata: Mapping[str, str]

    def summary(self) -> dict[str, str]:
        """What an outbox message keeps of this answer."""
        return {"id": self.stripe_id, "status": self.status, "amount": str(self.amount)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCreditNote:
    """A credit note at Stripe; `invoice_id` is Stripe's."""

    stripe_id: str
    invoice_id: str
    amount: int
    currency: str
    status: str
    livemode: bool
    metadata: Mapping[str, str]

    def summary(self) -> dict[str, str]:
        """What an outbox message keeps of this answer."""
        return {"id": self.stripe_id, "status": self.status, "amount": str(self.amount)}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteDispute:
    """A payment that is contested."""

    stripe_id: str
    payment_id: str
    amount: int
    currency: str
    reason: str
    status: str
    livemode: bool
    evidence_due_at: datetime | None
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteEvent:
    """An event as Stripe lists it; `payload` is what its delivery's body says."""

    stripe_id: str
    type: str
    payload: dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteTax:
    """One rate of a calculation of Stripe Tax: `amount` in smallest units, `words` for the invoice."""

    words: str
    amount: int
    taxable: int
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCalculation:
    """What Stripe Tax says is due on an invoice's lines."""

    stripe_id: str
    currency: str
    tax: int
    rates: tuple[RemoteTax, ...]


def refund_of(answer: Refund) -> RemoteRefund:
    """Read a refund."""
    return RemoteRefund(
        stripe_id=answer.id,
        payment_id=id_of(answer.payment_intent),
        amount=answer.amount,
        currency=answer.currency.upper(),
        status=answer.status or "",
        reason=getattr(answer, "failure_reason", None) or "",
        created_at=instant_of(answer.created),
        metadata=metadata_of(answer.metadata),
    )


def credit_note_of(answer: CreditNote) -> RemoteCreditNote:
    """Read a credit note."""
    return RemoteCreditNote(
        stripe_id=answer.id,
        invoice_id=id_of(answer.invoice),
        amount=answer.total,
        currency=answer.currency.upper(),
        status=answer.status,
        livemode=answer.livemode,
        metadata=metadata_of(answer.metadata),
    )


def dispute_of(answer: Dispute) -> RemoteDispute:
    """Read a dispute."""
    due_by = answer.evidence_details.due_by
    return RemoteDispute(
        stripe_id=answer.id,
        payment_id=id_of(answer.payment_intent),
        amount=answer.amount,
        currency=answer.currency.upper(),
        reason=answer.reason,
        status=answer.status,
        livemode=answer.livemode,
        evidence_due_at=instant_of(due_by) if due_by else None,
        opened_at=instant_of(answer.created),
    )


def event_of(answer: Event) -> RemoteEvent:
    """Read an event."""
    return RemoteEvent(stripe_id=answer.id, type=answer.type, payload=answer.to_dict(for_json=True))


def calculation_of(answer: Calculation) -> RemoteCalculation:
    """Read what Stripe Tax worked out, one rate at a time."""
    return RemoteCalculation(
        stripe_id=answer.id or "",
        currency=answer.currency.upper(),
        tax=answer.tax_amount_exclusive,
        rates=tuple(_rate(found) for found in answer.tax_breakdown),
    )


def _rate(found: Any) -> RemoteTax:  # noqa: ANN401 - the SDK's nested class has no name of its own
    rate = found.tax_rate_details
    place = "-".join(filter(None, [rate.country, rate.state])) if rate.country else ""
    kind = (rate.tax_type or "tax").replace("_", " ").upper()
    percentage = f"{Decimal(rate.percentage_decimal or 0).normalize():f}"
    words = " ".join(filter(None, [kind, place, f"{percentage} %"]))
    if not found.amount and found.taxability_reason:
        words = f"{words}: {found.taxability_reason.replace('_', ' ')}"
    source = ":".join(["stripe", place, rate.tax_type or "", percentage, found.taxability_reason or ""])
    return RemoteTax(words=words, amount=found.amount, taxable=found.taxable_amount, source=source)
