"""What Stripe says about money, brought into our books: payments, declines, refunds, balances; each once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction
from stripe import StripeClient

from billing import claims, invoicing, refunds
from billing.dunning import suspensions
from billing.endpoints import announcing
from billing.models import Invoice, Payment, PaymentAttempt, StripeObject
from billing.models.collection import AttemptOutcome
from billing.models.endpoints import EventType
from billing.models.invoices import InvoiceStatus
from billing.money import from_minor_units
from billing.stripe import comparison, gateway, mirror
from billing.stripe.counterparts import RemoteInvoice, RemotePayment
from billing.stripe.remotes import RemoteRefund

ACTION_CODES: Final = frozenset({"invoice_payment_intent_requires_action", "authentication_required"})
# A refund comes to an end once, save that a bank can send back what it had taken.
_REFUND_FROM: Final = {
    "pending": ("pending", "requires_action"),
    "requires_action": ("pending", "requires_action"),
    "succeeded": ("pending", "requires_action", "succeeded"),
    "failed": ("pending", "requires_action", "succeeded", "failed"),
    "canceled": ("pending", "requires_action", "canceled"),
    "issued": ("issued",),
    "void": ("issued", "void"),
}


@dataclass(frozen=True, slots=True)
class Reading:
    """An invoice as it stands at Stripe, with the payments that reached it."""

    remote: RemoteInvoice
    payments: Sequence[RemotePayment]


def read(client: StripeClient, *, remote: RemoteInvoice) -> Reading:
    """Read the payments of an invoice just read. Raises CallError."""
    payments = gateway.list_invoice_payments(client, stripe_id=remote.stripe_id) if remote.amount_paid else []
    return Reading(remote, payments)


@transaction.atomic
def bring_forward(*, invoice: Invoice, reading: Reading, now: datetime) -> str:
    """Record what was read: Stripe's state, and the money that came, by which our own invoice becomes paid.

    Returns why our invoice is not paid where Stripe calls it paid; empty where both agree. Raises what
    invoicing.mark_paid raises.
    """
    remote = reading.remote
    mirror.move_invoice(remote=remote, now=now)
    for payment in reading.payments:
        _book(invoice, payment, now)
    invoice.refresh_from_db()
    if remote.status != InvoiceStatus.PAID or invoice.status == InvoiceStatus.PAID:
        return ""
    if _settle_by_balance(invoice, remote, now):
        return ""
    came = comparison.amount_text(sum(payment.amount for payment in reading.payments), remote.currency)
    return f"Stripe calls {remote.stripe_id} paid, but its payments of {came} do not make up the total."


@transaction.atomic
def note_decline(invoice: Invoice, key: str, reason: str, now: datetime) -> None:
    """Record that a bank refused; `key` names the attempt, so that one told twice is one. Dunning reads it.

    The customer's endpoints are told in the same transaction.
    """
    code = reason.partition(":")[0]
    outcome = AttemptOutcome.ACTION_REQUIRED if code in ACTION_CODES else AttemptOutcome.DECLINED
    facts = {"invoice": invoice, "outcome": outcome, "code": code[:80], "detail": reason, "attempted_at": now}
    attempt, is_new = PaymentAttempt.objects.get_or_create(key=key, defaults=facts)
    if is_new:
        kind, cause = EventType.INVOICE_PAYMENT_FAILED, str(attempt.pk)
        announcing.tell_invoice(invoice=invoice, kind=kind, cause=cause, reason=attempt.code, now=now)


def move_object(stripe_id: str, status: str, now: datetime) -> bool:
    """Bring our row of a credit note or refund forward; False where it is further already, or none of ours."""
    behind = StripeObject.objects.filter(stripe_id=stripe_id, status__in=_REFUND_FROM.get(status, ()))
    return behind.update(status=status, read_at=now) == 1


@transaction.atomic
def move_refund(*, remote: RemoteRefund, reference: str, now: datetime) -> None:
    """Bring a refund of ours forward: our row of Stripe's object, and the refund itself with its bookings."""
    move_object(remote.stripe_id, remote.status, now)
    if remote.status == "succeeded":
        refunds.settle(reference=reference, stripe_id=remote.stripe_id, refunded_at=remote.created_at, now=now)
    elif remote.status in {"failed", "canceled"}:
        refunds.fail(reference=reference, reason=f"{remote.status} at Stripe: {remote.reason or 'no reason'}", now=now)


def record_past_us(*, payment: Payment, remote: RemoteRefund, now: datetime) -> None:
    """Book money that somebody gave back at Stripe past any note of ours; reconciliation tells a person."""
    if remote.status == "succeeded":
        refunds.record(
            payment=payment,
            stripe_id=remote.stripe_id,
            amount=from_minor_units(remote.amount, remote.currency),
            refunded_at=remote.created_at,
            now=now,
            reason="Refunded at Stripe, past this service.",
        )


def _book(invoice: Invoice, payment: RemotePayment, now: datetime) -> None:
    amount = from_minor_units(payment.amount, payment.currency)
    invoicing.mark_paid(
        invoice_id=invoice.pk, payment_id=payment.payment_id, amount=amount, paid_at=payment.paid_at, now=now
    )
    facts = {"invoice": invoice, "outcome": AttemptOutcome.SUCCEEDED, "attempted_at": payment.paid_at}
    PaymentAttempt.objects.get_or_create(key=payment.payment_id, defaults=facts)


def _settle_by_balance(invoice: Invoice, remote: RemoteInvoice, now: datetime) -> bool:
    """Call an invoice paid of which Stripe moved the rest to the customer's balance there (stripe.md C4).

    What was too small to charge comes with the next invoice's payment, and is booked then; until then the customer's
    receivable here shows what its balance there shows. What a credit balance there paid was booked when it came.
    """
    held = claims.hold(invoice_id=invoice.pk)
    rest = claims.outstanding(invoice=held)
    if not remote.moved_to_balance or rest != from_minor_units(remote.moved_to_balance, remote.currency):
        return rest.amount < 0
    owed = Invoice.objects.filter(pk=invoice.pk, status__in=invoicing.OWED)
    if owed.update(status=InvoiceStatus.PAID, paid_at=now) != 1:
        return False
    held.refresh_from_db()
    announcing.tell_invoice(invoice=held, kind=EventType.INVOICE_PAID, now=now)
    suspensions.lift_settled(customer=held.customer, now=now)
    return True
