"""What Stripe holds, as plain values: the SDK's objects end here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from stripe import CreditNote, Customer, Dispute, Event, Invoice, InvoiceLineItem, InvoicePayment, Refund
from stripe.tax import Calculation

DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCustomer:
    """A customer at Stripe; of a deleted one Stripe tells the id only.

    `card` is the payment method that it pays by unless told otherwise, empty for none; `facts` are its name, e-mail,
    address and tax exemption, of which what is empty is left out of the address.
    """

    stripe_id: str
    deleted: bool
    livemode: bool
    metadata: Mapping[str, str]
    card: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)

    def summary(self) -> dict[str, str]:
        """What an outbox message keeps of this answer."""
        return {"id": self.stripe_id}


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteInvoice:
    """An invoice at Stripe; amounts are in smallest units, `currency` in capitals as ours."""

    stripe_id: str
    customer_id: str
    status: str
    livemode: bool
    currency: str
    total: int
    amount_paid: int
    amount_due: int
    starting_balance: int
    ending_balance: int | None
    attempt_count: int
    number: str
    hosted_url: str
    pdf_url: str
    created_at: datetime
    metadata: Mapping[str, str]

    @property
    def moved_to_balance(self) -> int:
        """What finalizing moved to the customer's balance there; below zero what that balance paid (stripe.md C4)."""
        return 0 if self.ending_balance is None else self.ending_balance - self.starting_balance

    def summary(self) -> dict[str, str]:
        """What an outbox message keeps of this answer."""
        return {
            "id": self.stripe_id,
            "status": self.status,
            "total": str(self.total),
            "currency": self.currency,
            "number": self.number,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteLine:
    """A line of an invoice at Stripe; `amount` is in smallest units."""

    amount: int
    currency: str
    metadata: Mapping[str, str]


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


@dataclass(frozen=True, slots=True, kw_only=True)
class RemotePayment:
    """Money that reached an invoice at Stripe; `payment_id` names the payment intent, charge or record behind it."""

    payment_id: str
    invoice_id: str
    amount: int
    currency: str
    paid_at: datetime


def customer_of(answer: Customer) -> RemoteCustomer:
    """Read a customer."""
    deleted = bool(getattr(answer, DELETED, False))
    return RemoteCustomer(
        stripe_id=answer.id,
        deleted=deleted,
        livemode=False if deleted else answer.livemode,
        metadata={} if deleted else _metadata(answer.metadata),
        card="" if deleted else _card(answer),
        facts={} if deleted else _facts(answer),
    )


def _facts(answer: Customer) -> Mapping[str, Any]:
    address = {} if answer.address is None else answer.address.to_dict()
    told = {name: getattr(answer, name, None) for name in ("name", "email", "tax_exempt")}
    return {**told, "address": {name: text for name, text in address.items() if text}}


def invoice_of(answer: Invoice) -> RemoteInvoice:
    """Read an invoice."""
    return RemoteInvoice(
        stripe_id=answer.id,
        customer_id=_id(answer.customer),
        status=answer.status or "",
        livemode=answer.livemode,
        currency=answer.currency.upper(),
        total=answer.total,
        amount_paid=answer.amount_paid,
        amount_due=answer.amount_due,
        starting_balance=answer.starting_balance,
        ending_balance=answer.ending_balance,
        attempt_count=answer.attempt_count,
        number=answer.number or "",
        hosted_url=getattr(answer, "hosted_invoice_url", None) or "",
        pdf_url=getattr(answer, "invoice_pdf", None) or "",
        created_at=_instant(answer.created),
        metadata=_metadata(answer.metadata),
    )


def line_of(answer: InvoiceLineItem) -> RemoteLine:
    """Read a line."""
    return RemoteLine(amount=answer.amount, currency=answer.currency.upper(), metadata=_metadata(answer.metadata))


def payment_of(answer: InvoicePayment) -> RemotePayment:
    """Read a payment that succeeded."""
    behind = answer.payment
    named = getattr(behind, behind.type, None)
    return RemotePayment(
        payment_id=_id(named) or answer.id,
        invoice_id=_id(answer.invoice),
        amount=answer.amount_paid or 0,
        currency=answer.currency.upper(),
        paid_at=_instant(answer.status_transitions.paid_at or answer.created),
    )


def refund_of(answer: Refund) -> RemoteRefund:
    """Read a refund."""
    return RemoteRefund(
        stripe_id=answer.id,
        payment_id=_id(answer.payment_intent),
        amount=answer.amount,
        currency=answer.currency.upper(),
        status=answer.status or "",
        reason=getattr(answer, "failure_reason", None) or "",
        created_at=_instant(answer.created),
        metadata=_metadata(answer.metadata),
    )


def credit_note_of(answer: CreditNote) -> RemoteCreditNote:
    """Read a credit note."""
    return RemoteCreditNote(
        stripe_id=answer.id,
        invoice_id=_id(answer.invoice),
        amount=answer.total,
        currency=answer.currency.upper(),
        status=answer.status,
        livemode=answer.livemode,
        metadata=_metadata(answer.metadata),
    )


def dispute_of(answer: Dispute) -> RemoteDispute:
    """Read a dispute."""
    due_by = answer.evidence_details.due_by
    return RemoteDispute(
        stripe_id=answer.id,
        payment_id=_id(answer.payment_intent),
        amount=answer.amount,
        currency=answer.currency.upper(),
        reason=answer.reason,
        status=answer.status,
        livemode=answer.livemode,
        evidence_due_at=_instant(due_by) if due_by else None,
        opened_at=_instant(answer.created),
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


def _card(answer: Customer) -> str:
    settings = getattr(answer, "invoice_settings", None)
    return _id(getattr(settings, "default_payment_method", None))


def _metadata(found: Any) -> dict[str, str]:  # noqa: ANN401 - the SDK's untyped object, or none
    return {} if found is None else dict(found.to_dict())


def _id(expandable: Any) -> str:  # noqa: ANN401 - an id, the object itself where it was expanded, or none
    if expandable is None or isinstance(expandable, str):
        return expandable or ""
    return str(expandable.id)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
