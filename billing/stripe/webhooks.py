"""The inbox for Stripe's events: verified and kept first, applied afterwards by reading the invoice itself at Stripe.

An event is a hint that something happened, in any order and more than once. What is true is read again, and our
invoice only moves forward.
"""

import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q
from stripe import SignatureVerificationError, WebhookSignature

from billing import invoicing
from billing.errors import BillingError
from billing.models import Invoice, StripeInvoice, WebhookEvent
from billing.models.invoices import InvoiceStatus
from billing.models.payments import WebhookState
from billing.money import from_minor_units
from billing.stripe import client as stripe_client
from billing.stripe import comparison, content, gateway, mirror, outbox
from billing.stripe.counterparts import RemoteInvoice, RemotePayment
from billing.stripe.errors import (
    BadSignatureError,
    CounterpartMissingError,
    MalformedEventError,
    StripeNotConfiguredError,
    UntimelyError,
)

log = structlog.get_logger(__name__)

TOLERANCE: Final = timedelta(seconds=300)
# After these something about money or the state of an invoice may be new at Stripe.
APPLIED_TYPES: Final = frozenset(
    {
        "invoice.finalized",
        "invoice.marked_uncollectible",
        "invoice.paid",
        "invoice.payment_succeeded",
        "invoice.voided",
    }
)
# About four days of tries, as long as Stripe itself repeats a delivery; then the reason waits for a person.
MAX_ATTEMPTS: Final = 100
_UNAPPLIED: Final = (WebhookState.RECEIVED, WebhookState.FAILED)


@dataclass(frozen=True, slots=True)
class Applied:
    """What a run did: events acted upon, events that do not concern us, events that will be tried again."""

    applied: int = 0
    ignored: int = 0
    failed: int = 0


def receive(*, body: bytes, signature: str, now: datetime) -> WebhookEvent | None:
    """Keep an event whose raw `body` fits its `Stripe-Signature`; None where we have it already.

    Raises BadSignatureError, UntimelyError (more than 300 seconds off, in either direction), MalformedEventError,
    ModeError, and StripeNotConfiguredError without a secret.
    """
    _verify(body, signature, now)
    payload = _read(body)
    mirror.require_mode(livemode=payload["livemode"], what=payload["id"])
    facts = {
        "type": payload["type"],
        "livemode": payload["livemode"],
        "api_version": payload.get("api_version") or "",
        "payload": payload,
        "received_at": now,
        "not_before": now,
    }
    event, is_new = WebhookEvent.objects.get_or_create(stripe_id=payload["id"], defaults=facts)
    return event if is_new else None


def apply_pending(*, now: datetime, limit: int = 100) -> Applied:
    """Act on received events, at most `limit`; safe to run beside itself and to be killed at any moment.

    An event that cannot be applied keeps its reason and is tried again, later after each attempt.
    """
    due = WebhookEvent.objects.filter(_due(now)).order_by("pk")[:limit]
    states = [_attempt(event, now) for event in due]
    return Applied(
        applied=states.count(WebhookState.APPLIED),
        ignored=states.count(WebhookState.IGNORED),
        failed=states.count(WebhookState.FAILED),
    )


def _verify(body: bytes, signature: str, now: datetime) -> None:
    """The SDK checks the HMAC; the time is checked here, because the SDK accepts signatures from the future."""
    if not settings.STRIPE_WEBHOOK_SECRET:
        raise StripeNotConfiguredError("Set STRIPE_WEBHOOK_SECRET to the signing secret of the webhook endpoint.")
    if not signature.isascii():
        raise BadSignatureError("The Stripe-Signature header is not ASCII.")
    try:
        WebhookSignature.verify_header(body, signature, settings.STRIPE_WEBHOOK_SECRET)
    except (SignatureVerificationError, UnicodeDecodeError) as error:
        raise BadSignatureError("The Stripe-Signature header does not fit the body.") from error
    signed_at = _signed_at(signature)
    if abs(now - signed_at) > TOLERANCE:
        raise UntimelyError(f"The delivery was signed at {signed_at:%Y-%m-%dT%H:%M:%SZ}, more than 300 seconds off.")


def _signed_at(signature: str) -> datetime:
    """The first `t=` of the header, which is the one that the HMAC covers."""
    seconds = next(part[2:] for part in signature.split(",") if part.startswith("t="))
    try:
        return datetime.fromtimestamp(int(seconds), tz=UTC)
    except (OverflowError, OSError, ValueError) as error:
        raise UntimelyError(f"The delivery was signed at {seconds}, which is no time.") from error


def _read(body: bytes) -> dict[str, Any]:
    try:
        payload = json.loads(body)
    except ValueError as error:
        raise MalformedEventError(f"The body is no JSON: {error}") from error
    if not isinstance(payload, dict):
        raise MalformedEventError("The body is no JSON object.")
    for name, kind in (("id", str), ("type", str), ("livemode", bool), ("data", dict)):
        if not isinstance(payload.get(name), kind):
            raise MalformedEventError(f"The event has no usable {name!r}.")
    return payload


def _attempt(event: WebhookEvent, now: datetime) -> WebhookState | None:
    """Claim an event and act on it; None where another worker has it."""
    unclaimed = WebhookEvent.objects.filter(_due(now), pk=event.pk, attempts=event.attempts)
    if not unclaimed.update(attempts=F("attempts") + 1, not_before=now + outbox.LEASE):
        return None
    event.attempts += 1
    try:
        return _apply(event, now)
    except BillingError as error:
        return _put_off(event, f"{type(error).__name__}: {error}", now)


def _apply(event: WebhookEvent, now: datetime) -> WebhookState:
    if event.type not in APPLIED_TYPES:
        return _settle(event, state=WebhookState.IGNORED, error="Nothing of ours follows from this type.")
    client = stripe_client.connect()
    remote = gateway.retrieve_invoice(client, stripe_id=_named_invoice(event.payload))
    if content.INVOICE not in remote.metadata:
        return _settle(event, state=WebhookState.IGNORED, error=f"{remote.stripe_id} names no invoice of ours.")
    invoice = _invoice_behind(remote)
    customer_id = mirror.customer_id_of(invoice.customer)
    comparison.require_same(invoice=invoice, remote=remote, customer_id=customer_id)
    payments = gateway.list_invoice_payments(client, stripe_id=remote.stripe_id) if remote.amount_paid else []
    return _bring_forward(event, invoice, remote, payments, now)


@transaction.atomic
def _bring_forward(
    event: WebhookEvent, invoice: Invoice, remote: RemoteInvoice, payments: list[RemotePayment], now: datetime
) -> WebhookState:
    """Record what was read: Stripe's state, and the money that came, by which our own invoice becomes paid."""
    mirror.move_invoice(remote=remote, now=now)
    for payment in payments:
        invoice = invoicing.mark_paid(
            invoice_id=invoice.pk,
            payment_id=payment.payment_id,
            amount=from_minor_units(payment.amount, payment.currency),
            paid_at=payment.paid_at,
            now=now,
        )
    if remote.status == InvoiceStatus.PAID and invoice.status != InvoiceStatus.PAID:
        came = comparison.amount_text(sum(payment.amount for payment in payments), remote.currency)
        reason = f"Stripe calls {remote.stripe_id} paid, but its payments of {came} do not make up the total."
        return _put_off(event, reason, now)
    return _settle(event, state=WebhookState.APPLIED, applied_at=now, error="")


def _invoice_behind(remote: RemoteInvoice) -> Invoice:
    """Our invoice; raises CounterpartMissingError while the answer that tells us of it is not recorded yet."""
    row = StripeInvoice.objects.select_related("invoice__customer").filter(stripe_id=remote.stripe_id).first()
    if row is None:
        number = remote.metadata[content.INVOICE]
        raise CounterpartMissingError(f"{remote.stripe_id} says that it is our invoice {number}; we did not make it.")
    return row.invoice


def _named_invoice(payload: dict[str, Any]) -> str:
    named = payload["data"].get("object")
    stripe_id = named.get("id") if isinstance(named, dict) else None
    if not isinstance(stripe_id, str) or not stripe_id:
        raise MalformedEventError("The event names no invoice in data.object.id.")
    return stripe_id


def _due(now: datetime) -> Q:
    return Q(state__in=_UNAPPLIED, not_before__lte=now, attempts__lt=MAX_ATTEMPTS)


def _put_off(event: WebhookEvent, reason: str, now: datetime) -> WebhookState:
    log.warning(
        "webhook.not_applied", stripe_id=event.stripe_id, type=event.type, attempt=event.attempts, reason=reason
    )
    again = now + outbox.wait(attempt=event.attempts)
    return _settle(event, state=WebhookState.FAILED, error=reason, not_before=again)


def _settle(event: WebhookEvent, *, state: WebhookState, **changes: Any) -> WebhookState:  # noqa: ANN401 - columns
    """Record what became of an event, unless another worker has taken it over meanwhile."""
    WebhookEvent.objects.filter(pk=event.pk, attempts=event.attempts).update(state=state, **changes)
    return state
