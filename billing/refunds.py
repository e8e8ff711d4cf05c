"""Refunds: money of payments that goes back; asked for by a credit note, made by the provider, booked when it was."""

from datetime import datetime

from django.db import IntegrityError, transaction

from billing import claims, ledger
from billing.errors import RefundError
from billing.ledger import Entry
from billing.models import CreditNote, Payment, Refund
from billing.models.credit_notes import RefundStatus
from billing.models.ledger import Account
from billing.money import Money, zero


@transaction.atomic
def request(*, note: CreditNote, now: datetime) -> list[Refund]:
    """Write what has to go back for an issued note, the latest payment first; the provider is asked for each row.

    What is written or made already is not written again, so that it may be called once more when a refund has failed.
    Raises RefundError where less was paid than is to go back.
    """
    claims.hold(invoice_id=note.invoice_id)
    live = note.refunds.exclude(status=RefundStatus.FAILED).values_list("amount", flat=True)
    missing = Money(note.refund, note.currency) - Money(sum(live, start=note.refund * 0), note.currency)
    number, made = note.refunds.count(), []
    for payment in note.invoice.payments.order_by("-paid_at", "-pk"):
        part = min(claims.refundable(payment=payment), missing)
        if part > zero(note.currency):
            number, missing = number + 1, missing - part
            made.append(_create(f"{note.number}-R{number}", payment, part, note, now))
    if missing:
        raise RefundError(f"{missing} of {note.number} cannot go back: no payment has so much left.")
    return made


@transaction.atomic
def settle(*, reference: str, stripe_id: str, refunded_at: datetime, now: datetime) -> Refund:
    """Record that a refund was made, and book it, once. Raises RefundError where it failed or has another id."""
    refund = _held(reference)
    if refund.status == RefundStatus.SUCCEEDED and refund.stripe_id == stripe_id:
        return refund
    if refund.status != RefundStatus.PENDING or refund.stripe_id not in {None, stripe_id}:
        raise RefundError(f"{refund} ({refund.stripe_id}); it is not {stripe_id}.")
    refund.status, refund.stripe_id, refund.refunded_at = RefundStatus.SUCCEEDED, stripe_id, refunded_at
    refund.save()
    _book(refund, f"refund:{reference}", Account.REFUNDS, Money(refund.amount, refund.currency), now)
    return refund


@transaction.atomic
def fail(*, reference: str, reason: str, now: datetime) -> Refund:
    """Record that a refund did not arrive; what was booked comes back, and is owed to the customer. Once."""
    refund = _held(reference)
    if refund.status == RefundStatus.FAILED:
        return refund
    was_made = refund.status == RefundStatus.SUCCEEDED
    refund.status, refund.reason, refund.failed_at = RefundStatus.FAILED, reason, now
    refund.save()
    if was_made:
        owed_as = Account.REFUNDS if refund.note_id else claims.account_of(invoice=refund.payment.invoice)
        _book(refund, f"refund:{reference}:failed", owed_as, -Money(refund.amount, refund.currency), now)
    return refund


@transaction.atomic
def record(
    *, payment: Payment, stripe_id: str, amount: Money, refunded_at: datetime, now: datetime, reason: str = ""
) -> Refund:
    """Record money that left past any note of ours, once for each id: what it had paid is owed again.

    Made by hand at the provider, or taken by a bank for its payer. Raises RefundError for other facts under the same
    id, and for more than was paid.
    """
    claims.hold(invoice_id=payment.invoice_id)
    before = Refund.objects.filter(stripe_id=stripe_id).first()
    if before is not None:
        if before.payment_id != payment.pk or Money(before.amount, before.currency) != amount:
            raise RefundError(f"{stripe_id} is recorded as {before}, not {amount}.")
        return before
    refund = _create(f"past-us:{stripe_id}", payment, amount, None, now)
    refund.status, refund.stripe_id, refund.refunded_at = RefundStatus.SUCCEEDED, stripe_id, refunded_at
    refund.reason = reason
    refund.save()
    _book(refund, f"refund:{refund.reference}", claims.account_of(invoice=payment.invoice), amount, now)
    return refund


def _create(reference: str, payment: Payment, amount: Money, note: CreditNote | None, now: datetime) -> Refund:
    facts = {"amount": amount.amount, "currency": amount.currency, "created_at": now}
    try:
        with transaction.atomic():
            return Refund.objects.create(reference=reference, payment=payment, note=note, **facts)
    except IntegrityError as error:
        raise RefundError(f"{amount} of {payment.stripe_id} cannot go back: {error}") from error


def _held(reference: str) -> Refund:
    refund = Refund.objects.select_related("payment").filter(reference=reference).first()
    if refund is None:
        raise RefundError(f"There is no refund {reference}.")
    claims.hold(invoice_id=refund.payment.invoice_id)
    refund.refresh_from_db()
    return refund


def _book(refund: Refund, key: str, against: Account, amount: Money, now: datetime) -> None:
    """Book money that left, or came back where the amount is below nothing."""
    invoice = refund.payment.invoice
    entries = [Entry(against, invoice.customer, amount), Entry(Account.CASH, invoice.customer, -amount)]
    text = f"Refund {refund.reference} of payment {refund.payment.stripe_id}"
    ledger.post(key=key, description=text, entries=entries, booked_at=now)
