"""What reconciliation compares beside the invoices themselves: payments, refunds, notes, customers, events, chains."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from django.db.models import F, Sum
from stripe import StripeClient

from agents import ledger as chains
from agents.models import Customer
from billing.errors import BillingError
from billing.models import (
    BillingPeriod,
    CreditNote,
    OutboxMessage,
    Refund,
    StripeCustomer,
    StripeInvoice,
    StripeObject,
    WebhookEvent,
)
from billing.models.credit_notes import CreditNoteStatus, RefundStatus
from billing.models.findings import FindingKind
from billing.models.payments import ObjectKind, OutboxState, WebhookState
from billing.models.subscriptions import PeriodStatus
from billing.money import Money
from billing.stripe import client as stripe_client
from billing.stripe import comparison, disputes, findings, gateway, reversals, webhooks
from billing.stripe.findings import Found
from billing.stripe.remotes import RemoteRefund

# Stripe keeps events for 30 days and repeats a delivery for three.
EVENTS_KEPT: Final = timedelta(days=30)
# Until then what was asked may be on its way.
GRACE: Final = timedelta(hours=1)
# Chains of periods that ended longer ago were looked at often enough.
CHAINS_LOOKED_AT: Final = timedelta(days=40)


def look(client: StripeClient, *, since: datetime | None, now: datetime) -> list[Found]:
    """Compare everything else, at Stripe from `since` on (all, where none is given). Raises CallError."""
    return [
        *_payments(client, since),
        *_refunds(client, since),
        *_own_refunds(now),
        *_credit_notes(client, since, now),
        *_customers(client),
        *_events(client, now),
        *_versions(now),
        *_disputes(client, since, now),
        *_stuck(),
        *_chains(now),
    ]


def _payments(client: StripeClient, since: datetime | None) -> Iterator[Found]:
    """(d) The money of each invoice: what came there, and what we booked."""
    there: dict[str, int] = defaultdict(int)
    for payment in gateway.list_payments(client, created_since=since):
        there[payment.invoice_id] += payment.amount
    rows = StripeInvoice.objects.select_related("invoice").annotate(booked=Sum("invoice__payments__amount"))
    for row in rows if since is None else rows.filter(invoice__issued_at__gte=since):
        currency = row.invoice.currency
        came, booked = comparison.money_of(there[row.stripe_id], currency), Money(row.booked or Decimal(0), currency)
        if came != booked:
            yield Found(
                kind=FindingKind.PAYMENTS,
                subject=f"{row.invoice.number} {row.stripe_id}",
                customer_id=row.invoice.customer_id,
                invoice_id=row.invoice_id,
                stripe_id=row.stripe_id,
                at_risk=Money(row.invoice.due, currency),
                detail=f"{came} was paid there, {booked} is booked here.",
            )


def _refunds(client: StripeClient, since: datetime | None) -> Iterator[Found]:
    """(h) Refunds at Stripe of payments of ours that no credit note of ours stands behind."""
    known = {row.stripe_id: row for row in Refund.objects.select_related("payment__invoice").exclude(stripe_id=None)}
    for remote in reversals.list_refunds(client, created_since=since):
        row = known.get(remote.stripe_id)
        if row is not None and row.note_id is None:
            yield _past_us(row, remote)


def _past_us(row: Refund, remote: RemoteRefund) -> Found:
    return Found(
        kind=FindingKind.REFUND,
        subject=remote.stripe_id,
        customer_id=row.payment.invoice.customer_id,
        invoice_id=row.payment.invoice_id,
        stripe_id=remote.stripe_id,
        at_risk=Money(row.amount, row.currency),
        detail=f"{remote.status} at Stripe; no credit note of ours says that it goes back.",
    )


def _own_refunds(now: datetime) -> Iterator[Found]:
    """(h) Refunds of ours that did not go back in an hour, or came back."""
    late = Refund.objects.filter(status=RefundStatus.PENDING, created_at__lt=now - GRACE)
    failed = Refund.objects.filter(status=RefundStatus.FAILED, failed_at__gte=now - EVENTS_KEPT)
    for row in (late | failed).select_related("payment__invoice"):
        yield Found(
            kind=FindingKind.REFUND,
            subject=row.reference,
            customer_id=row.payment.invoice.customer_id,
            invoice_id=row.payment.invoice_id,
            stripe_id=row.stripe_id or "",
            at_risk=Money(row.amount, row.currency),
            detail=f"{row.status}: {row.reason}" if row.reason else f"It is {row.status}.",
        )


def _credit_notes(client: StripeClient, since: datetime | None, now: datetime) -> Iterator[Found]:
    """(h) Our issued notes against Stripe's: what is there only, here only, or void on one side."""
    remotes = list(reversals.list_credit_notes(client, created_since=since))
    rows = {row.stripe_id: row.reference for row in StripeObject.objects.filter(kind=ObjectKind.CREDIT_NOTE)}
    states = {rows[remote.stripe_id]: remote.status for remote in remotes if remote.stripe_id in rows}
    noted = CreditNote.objects.filter(issued_at__lt=now - GRACE, invoice__stripe__isnull=False)
    for note in noted if since is None else noted.filter(issued_at__gte=since + GRACE):
        state = states.get(str(note.number), "missing")
        wanted = {"void", "missing"} if note.status == CreditNoteStatus.VOID else {"issued"}
        if state not in wanted:
            yield _note_found(note, f"{state} at Stripe, {note.status} here.")
    known = dict(StripeInvoice.objects.values_list("stripe_id", "invoice_id"))
    for remote in remotes:
        if remote.stripe_id not in rows and remote.status == "issued" and remote.invoice_id in known:
            yield Found(
                kind=FindingKind.CREDIT_NOTE,
                subject=remote.stripe_id,
                invoice_id=known[remote.invoice_id],
                stripe_id=remote.stripe_id,
                at_risk=comparison.money_of(remote.amount, remote.currency),
                detail="It was issued at Stripe past this service.",
            )


def _note_found(note: CreditNote, detail: str) -> Found:
    return Found(
        kind=FindingKind.CREDIT_NOTE,
        subject=str(note.number),
        customer_id=note.customer_id,
        invoice_id=note.invoice_id,
        at_risk=Money(note.total, note.currency),
        detail=detail,
    )


def _customers(client: StripeClient) -> Iterator[Found]:
    """(g) Customers that are gone at Stripe, or of the other mode than the key."""
    for row in StripeCustomer.objects.select_related("customer"):
        if row.livemode != stripe_client.is_live():
            detail = f"{row.stripe_id} has the other mode than the key."
            yield Found(kind=FindingKind.MODE, subject=row.stripe_id, detail=detail, customer_id=row.customer_id)
        elif row.broken_at is not None:
            yield findings.gone(customer=row.customer, reason=row.broken_reason)
        elif _has_open(row.customer) and gateway.retrieve_customer(client, stripe_id=row.stripe_id).deleted:
            yield findings.gone(customer=row.customer, reason=f"Customer {row.stripe_id} was deleted at Stripe.")


def _has_open(customer: Customer) -> bool:
    return customer.invoices.filter(status="open", total__gt=F("prepaid")).exists()


def _events(client: StripeClient, now: datetime) -> Iterator[Found]:
    """(j) Events that our endpoint did not take, which are taken in now; and those that cannot be applied."""
    for told in reversals.list_undelivered(client, since=now - EVENTS_KEPT):
        try:
            is_new = webhooks.take_in(payload=told.payload, now=now) is not None
        except BillingError as error:
            yield Found(kind=FindingKind.UNDELIVERED, subject=told.stripe_id, detail=f"{told.type}: {error}")
            continue
        if is_new:
            yield Found(kind=FindingKind.UNDELIVERED, subject=told.stripe_id, detail=f"{told.type} was not delivered.")
    failed = WebhookEvent.objects.filter(state=WebhookState.FAILED, received_at__lt=now - GRACE)
    for event in failed:
        detail = f"{event.type}, tried {event.attempts} times: {event.error}"
        yield Found(kind=FindingKind.UNAPPLIED, subject=event.stripe_id, detail=detail, stripe_id=event.stripe_id)


def _versions(now: datetime) -> Iterator[Found]:
    recent = WebhookEvent.objects.filter(received_at__gte=now - timedelta(days=3))
    others = recent.exclude(api_version=stripe_client.API_VERSION).values_list("api_version", flat=True)
    for version in sorted(set(others)):
        detail = f"Events come in API version {version or 'unknown'}; this service speaks {stripe_client.API_VERSION}."
        yield Found(kind=FindingKind.OTHER_VERSION, subject=version or "unknown", detail=detail)


def _disputes(client: StripeClient, since: datetime | None, now: datetime) -> Iterator[Found]:
    """Read disputes again, so that none depends on a webhook alone; then tell those that are open."""
    for remote in reversals.list_disputes(client, created_since=since):
        if comparison.money_of(remote.amount, remote.currency) is not None:
            disputes.bring_forward(remote=remote, now=now)
    yield from disputes.found()


def _stuck() -> Iterator[Found]:
    """What failed after an invoice was issued there, or of a customer: nobody else would tell of it."""
    failed = OutboxMessage.objects.filter(state=OutboxState.FAILED).select_related("invoice")
    for message in failed:
        invoice = message.invoice
        yield Found(
            kind=FindingKind.STUCK,
            subject=message.key[:120],
            customer_id=message.customer_id,
            invoice_id=message.invoice_id,
            at_risk=Money(invoice.due, invoice.currency) if invoice else None,
            detail=message.error,
        )


def _chains(now: datetime) -> Iterator[Found]:
    """Three-way: usage that a device's chain shows to be missing from a period that was billed."""
    closed = BillingPeriod.objects.filter(
        status=PeriodStatus.CLOSED, ends_at__gte=now - CHAINS_LOOKED_AT
    ).select_related("subscription__customer")
    for period in closed:
        customer = period.subscription.customer
        for lacking in chains.awaited(customer_id=customer.pk, starts_at=period.starts_at, ends_at=period.ends_at):
            yield Found(
                kind=FindingKind.CHAIN_INCOMPLETE,
                subject=f"{customer.key} {lacking.device} {period.pk}",
                customer_id=customer.pk,
                detail=f"Device {lacking.device} is complete up to {lacking.complete_up_to}, the period that was billed"
                f" ended at {period.ends_at}: {lacking.lack}.",
            )
