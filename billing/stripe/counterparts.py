"""What Stripe holds, as plain values: the SDK's objects end here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from stripe import Customer, Invoice, InvoiceLineItem, InvoicePayment

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
        metadata={} if deleted else metadata_of(answer.metadata),
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
        customer_id=id_of(answer.customer),
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
        created_at=instant_of(answer.created),
        metadata=metadata_of(answer.metadata),
    )


def line_of(answer: InvoiceLineItem) -> RemoteLine:
    """Read a line."""
    return RemoteLine(amount=answer.amount, currency=answer.currency.upper(), metadata=metadata_of(answer.metadata))


def payment_of(answer: InvoicePayment) -> RemotePayment:
    """Read a payment that succeeded."""
    behind = answer.payment
    named = getattr(behind, behind.type, None)
    return RemotePayment(
        payment_id=id_of(named) or answer.id,
        invoice_id=id_of(answer.invoice),
        amount=answer.amount_paid or 0,
        currency=answer.currency.upper(),
        paid_at=instant_of(answer.status_transitions.paid_at or answer.created),
    )


def _card(answer: Customer) -> str:
    settings = getattr(answer, "invoice_settings", None)
    return id_of(getattr(settings, "default_payment_method", None))


def metadata_of(found: Any) -> dict[str, str]:  # noqa: ANN401 - the SDK's untyped object, or none
    """Return an object's metadata; none where it has none."""
    return {} if found is None else dict(found.to_dict())


def id_of(expandable: Any) -> str:  # noqa: ANN401 - an id, the object itself where it was expanded, or none
    """Return the id of what may be one, or the object itself where it was expanded; empty for none."""
    if expandable is None or isinstance(expandable, str):
        return expandable or ""
    return str(expandable.id)


def instant_of(seconds: int) -> datetime:
    """Return an instant of Stripe's, which it tells in seconds."""
    return datetime.fromtimestamp(seconds, tz=UTC)
