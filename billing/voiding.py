"""Voiding and writing off: an invoice that should not have been, and one that will not be paid."""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import structlog
from django.db import transaction
from django.db.models import Q

from billing import claims, coupons, credits, deferring, late_usage, ledger, subscriptions
from billing.dunning import suspensions
from billing.endpoints import announcing
from billing.errors import InvoiceStateError
from billing.ledger import Entry
from billing.models import BillingPeriod, CreditNote, Invoice, InvoiceLine
from billing.models.credit_notes import CreditNoteStatus
from billing.models.endpoints import EventType
from billing.models.invoices import LIVE, InvoiceStatus, Moment
from billing.models.ledger import Account
from billing.models.subscriptions import Opening, PeriodStatus
from billing.money import Money
from billing.stripe import outbox

log = structlog.get_logger(__name__)

_OWED: Final = (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)


@transaction.atomic
def void(*, invoice: Invoice, actor: str, reason: str, now: datetime, is_held: bool = False) -> Invoice:
    """Take an issued invoice back whole: its bookings, the credits and coupons it used; its usage is billed anew.

    Its period is open again, or waits for a person where `is_held`, so that what was wrong is put right first. Again
    changes nothing. Raises InvoiceStateError without a reason, for a draft, for one that was paid in part or whole or
    has credit notes (credit it instead), and where a later invoice gives time back that this one charged.
    """
    _require_said(actor, reason)
    _hold_subscriptions(invoice)
    held = claims.hold(invoice_id=invoice.pk)
    if held.status == InvoiceStatus.VOID:
        return held
    _require_voidable(held)
    _book_back(held, now)
    Invoice.objects.filter(pk=held.pk, status__in=_OWED).update(status=InvoiceStatus.VOID, voided_at=now)
    for part in (held, *held.parts.all()):
        credits.give_back(invoice=part, now=now)
        _release(part, f"Invoice {held.number} was voided: {reason.strip()}" if is_held else "", now)
    outbox.enqueue_void(invoice=held, now=now)
    announcing.tell_invoice(invoice=held, kind=EventType.INVOICE_VOIDED, now=now)
    suspensions.lift_settled(customer=held.customer, now=now)
    log.info("invoice_voided", invoice=held.number, actor=actor, reason=reason)
    held.refresh_from_db()
    return held


@transaction.atomic
def write_off(*, invoice: Invoice, actor: str, reason: str, now: datetime) -> Invoice:
    """Give up what is still owed of an open invoice; money that comes later takes it back. Again changes nothing.

    Raises InvoiceStateError without a reason and for an invoice that is not open.
    """
    _require_said(actor, reason)
    held = claims.hold(invoice_id=invoice.pk)
    if held.status == InvoiceStatus.UNCOLLECTIBLE:
        return held
    if held.status != InvoiceStatus.OPEN:
        raise InvoiceStateError(f"{held} is {held.status}; only an open one can be written off.")
    owed = claims.outstanding(invoice=held)
    entries = [Entry(Account.WRITE_OFF, held.customer, owed), Entry(Account.RECEIVABLE, held.customer, -owed)]
    text = f"Invoice {held.number} written off by {actor}: {reason.strip()}"
    ledger.post(key=f"write-off:{held.number}", description=text[:250], entries=entries, booked_at=now)
    Invoice.objects.filter(pk=held.pk, status=InvoiceStatus.OPEN).update(status=InvoiceStatus.UNCOLLECTIBLE)
    outbox.enqueue_uncollectible(invoice=held, now=now)
    held.refresh_from_db()
    return held


def _require_said(actor: str, reason: str) -> None:
    if not actor.strip() or not reason.strip():
        raise InvoiceStateError("actor, reason: Say who does it, and why.")


def _hold_subscriptions(invoice: Invoice) -> None:
    """Keep others from closing what is going to be opened; before the invoice is locked, as those who close do."""
    periods = BillingPeriod.objects.filter(invoices__in=[invoice.pk, *invoice.parts.values_list("pk", flat=True)])
    for subscription_id in sorted(set(periods.values_list("subscription_id", flat=True))):
        subscriptions.hold(subscription_id=subscription_id)


def _require_voidable(invoice: Invoice) -> None:
    if invoice.status not in _OWED or invoice.payments.exists():
        raise InvoiceStateError(f"{invoice} is {invoice.status}, money may have come; write a credit note instead.")
    notes = CreditNote.objects.filter(invoice=invoice).exclude(status=CreditNoteStatus.VOID)
    if notes.exists():
        raise InvoiceStateError(f"{invoice} has credit notes; void them first.")
    later = InvoiceLine.objects.filter(adjusts__invoice=invoice).exclude(invoice__status=InvoiceStatus.VOID)
    if (line := later.exclude(invoice=invoice).select_related("invoice").first()) is not None:
        raise InvoiceStateError(f"{line.invoice} gives back time that {invoice} charged; void that first.")


def _book_back(invoice: Invoice, now: datetime) -> None:
    """Undo what was booked at issue, where it stands now: earned, deferred, or written off."""
    key, issue = f"invoice:{invoice.number}:void", f"invoice:{invoice.number}"
    deferred = deferring.empty(invoice=invoice, booking=key, now=now).amount
    again = deferring.restore(reversed_by=issue, currency=invoice.currency, booking=key, now=now).amount
    sides = (
        (Account.REVENUE, invoice.subtotal - deferred + again),
        (Account.DEFERRED, deferred),
        (Account.DEFERRED, -again),
        (Account.TAX, invoice.tax),
        (claims.account_of(invoice=invoice), -invoice.due),
        (Account.RECEIVABLE, -invoice.prepaid),  # to where the prepaid credit is taken back from
    )
    entries = [Entry(account, invoice.customer, Money(amount, invoice.currency)) for account, amount in sides if amount]
    if entries:
        ledger.post(key=key, description=f"Invoice {invoice.number} voided", entries=entries, booked_at=now)


def _release(invoice: Invoice, held_for: str, now: datetime) -> None:
    """Open the period of an invoice that counts no more, once: its usage is free to be billed again."""
    if invoice.moment == Moment.MERGED:
        return  # its parts have the periods
    if invoice.merged_into_id is not None:
        Invoice.objects.filter(pk=invoice.pk, released_at=None).update(released_at=now)
    late_usage.release(invoice=invoice, now=now)
    others = list(
        Invoice.objects.filter(LIVE, period=invoice.period_id).exclude(Q(pk=invoice.pk) | Q(moment=Moment.MERGED))
    )
    _require_last(invoice, others)
    if all(other.created_at < invoice.created_at for other in others):
        coupons.give_back(period=invoice.period, since=invoice.created_at, now=now)
    _open(invoice, max((other.fold for other in others), default=0), held_for)


def _open(invoice: Invoice, earlier_fold: int, held_for: str) -> None:
    """Open the period again for an invoice of the same moment; of a late one, what is late is looked for again."""
    changes: dict[str, object] = {"fold": earlier_fold}
    if invoice.moment != Moment.LATE:
        status = PeriodStatus.PARKED if held_for else PeriodStatus.OPEN
        changes = {"status": status, "parked_reason": held_for, "closed_at": None}
    if invoice.moment == Moment.OPENING:
        changes["opening"] = Opening.DUE
    BillingPeriod.objects.filter(pk=invoice.period_id).update(**changes)


def _require_last(invoice: Invoice, others: Iterable[Invoice]) -> None:
    """An invoice cannot go while a later one of the same period stands on it."""
    order = (Moment.OPENING, Moment.CLOSING, Moment.LATE)
    later = [other for other in others if order.index(Moment(other.moment)) > order.index(Moment(invoice.moment))]
    if later:
        raise InvoiceStateError(f"{later[0]} of the same period came after {invoice}; void that first.")
