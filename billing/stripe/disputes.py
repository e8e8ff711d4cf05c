"""Disputes: a payer contests a payment with its bank; a lost one takes the money back, and it is owed again."""

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from django.db import transaction

from billing import refunds
from billing.models import Dispute, Payment
from billing.models.findings import FindingKind
from billing.money import Money, from_minor_units
from billing.stripe import mirror
from billing.stripe.findings import Found
from billing.stripe.remotes import RemoteDispute

LOST: Final = "lost"
CLOSED: Final = frozenset({LOST, "won", "warning_closed", "prevented"})


@transaction.atomic
def bring_forward(*, remote: RemoteDispute, now: datetime) -> Dispute:
    """Record a dispute as it was read; lost, its money leaves our books once, and the invoice's debt comes back.

    Raises ModeError; UnknownCurrencyError for a payment in a currency that we do not invoice in; RefundError where more
    is taken than was paid.
    """
    mirror.require_mode(livemode=remote.livemode, what=remote.stripe_id)
    payment = Payment.objects.select_related("invoice__customer").filter(stripe_id=remote.payment_id).first()
    amount = from_minor_units(remote.amount, remote.currency)
    dispute = _row(remote, payment, amount, now)
    if dispute.closed_at is None:
        _move(dispute, remote, payment, now)
        if remote.status == LOST and payment is not None:
            _take_back(remote, payment, amount, now)
    return dispute


def found() -> Iterator[Found]:
    """Return what is contested now and what was lost without a payment of ours to take it from."""
    for dispute in Dispute.objects.filter(closed_at__isnull=True).select_related("invoice"):
        due = f"; evidence is due {dispute.evidence_due_at:%Y-%m-%d %H:%M} UTC" if dispute.evidence_due_at else ""
        yield Found(
            kind=FindingKind.DISPUTE,
            subject=dispute.stripe_id,
            detail=f"{dispute.status}: {dispute.reason}, on payment {dispute.payment_id}{due}",
            at_risk=Money(dispute.amount, dispute.currency),
            customer_id=dispute.customer_id,
            invoice_id=dispute.invoice_id,
            stripe_id=dispute.stripe_id,
        )


def _row(remote: RemoteDispute, payment: Payment | None, amount: Money, now: datetime) -> Dispute:
    facts = {
        "livemode": remote.livemode,
        "payment_id": remote.payment_id,
        "amount": amount.amount,
        "currency": amount.currency,
        "reason": remote.reason,
        "status": remote.status,
        "evidence_due_at": remote.evidence_due_at,
        "opened_at": remote.opened_at,
        "read_at": now,
        "invoice": payment.invoice if payment else None,
        "customer": payment.invoice.customer if payment else None,
    }
    Dispute.objects.get_or_create(stripe_id=remote.stripe_id, defaults=facts)
    return Dispute.objects.select_for_update(of=("self",)).get(stripe_id=remote.stripe_id)


def _move(dispute: Dispute, remote: RemoteDispute, payment: Payment | None, now: datetime) -> None:
    dispute.status, dispute.evidence_due_at, dispute.read_at = remote.status, remote.evidence_due_at, now
    if payment is not None:
        dispute.invoice, dispute.customer = payment.invoice, payment.invoice.customer
    # One that is lost of a payment not known here yet stays open, so that its money is taken back once it is known.
    if remote.status in CLOSED and not (remote.status == LOST and payment is None):
        dispute.closed_at = now
    dispute.save()


def _take_back(remote: RemoteDispute, payment: Payment, amount: Money, now: datetime) -> None:
    refunds.record(
        payment=payment,
        stripe_id=remote.stripe_id,
        amount=amount,
        refunded_at=now,
        now=now,
        reason=f"Taken back by the payer's bank: dispute {remote.stripe_id} was lost ({remote.reason}).",
    )
