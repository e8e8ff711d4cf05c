"""What Stripe holds, as plain values: the SDK's objects end here."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from stripe import Customer, Invoice, InvoiceLineItem, InvoicePayment

DELETED = "deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteCustomer:
    """A customer at Stripe; of a deleted one Stripe tells the id only."""

    stripe_id: str
    deleted: bool
    livemode: bool
    metadata: Mapping[str, str]

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
    number: str
    hosted_url: str
    pdf_url: str
    created_at: datetime
    metadata: Mapping[str, str]

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
class RemotePayment:
    """Money that reached an invoice at Stripe; `payment_id` names the payment intent, charge or record behind it."""

    payment_id: str
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
    )


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
        amount=answer.amount_paid or 0,
        currency=answer.currency.upper(),
        paid_at=_instant(answer.status_transitions.paid_at or answer.created),
    )


def _metadata(found: Any) -> dict[str, str]:  # noqa: ANN401 - the SDK's untyped object, or none
    return {} if found is None else dict(found.to_dict())


def _id(expandable: Any) -> str:  # noqa: ANN401 - an id, the object itself where it was expanded, or none
    if expandable is None or isinstance(expandable, str):
        return expandable or ""
    return str(expandable.id)


def _instant(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, tz=UTC)
