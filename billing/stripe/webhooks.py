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
from django.db.models import F, Q
from stripe import SignatureVerificationError, WebhookSignature

from billing.errors import BillingError
from billing.models import WebhookEvent
from billing.models.payments import WebhookState
from billing.stripe import client as stripe_client
from billing.stripe import handling, mirror, outbox
from billing.stripe.errors import (
    BadSignatureError,
    MalformedEventError,
    StripeNotConfiguredError,
    UntimelyError,
)

log = structlog.get_logger(__name__)

TOLERANCE: Final = timedelta(seconds=300)
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
    return _keep(_read(body), now)


def _keep(payload: dict[str, Any], now: datetime) -> WebhookEvent | None:
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
    if is_new and event.api_version != stripe_client.API_VERSION:
        log.warning("webhook.other_version", stripe_id=event.stripe_id, api_version=event.api_version)
    return event if is_new else None


def take_in(*, payload: dict[str, Any], now: datetime) -> WebhookEvent | None:
    """Keep an event that was read from Stripe's own list, because it was never delivered; None where we have it.

    Raises MalformedEventError, ModeError.
    """
    return _keep(_checked(payload), now)


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
    secrets = [one.strip() for one in settings.STRIPE_WEBHOOK_SECRET.split(",") if one.strip()]
    if not secrets:
        raise StripeNotConfiguredError("Set STRIPE_WEBHOOK_SECRET to the signing secret of the webhook endpoint.")
    if not signature.isascii():
        raise BadSignatureError("The Stripe-Signature header is not ASCII.")
    if not any(_fits(body, signature, secret) for secret in secrets):
        raise BadSignatureError("The Stripe-Signature header does not fit the body.")
    signed_at = _signed_at(signature)
    if abs(now - signed_at) > TOLERANCE:
        raise UntimelyError(f"The delivery was signed at {signed_at:%Y-%m-%dT%H:%M:%SZ}, more than 300 seconds off.")


def _fits(body: bytes, signature: str, secret: str) -> bool:
    try:
        return bool(WebhookSignature.verify_header(body, signature, secret))
    except (SignatureVerificationError, UnicodeDecodeError):
        return False


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
    return _checked(payload)


def _checked(payload: dict[str, Any]) -> dict[str, Any]:
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
    handled = handling.handle(stripe_client.connect(), event=event, now=now)
    if handled.state == WebhookState.FAILED:
        return _put_off(event, handled.reason, now)
    applied_at = now if handled.state == WebhookState.APPLIED else None
    return _settle(event, state=handled.state, applied_at=applied_at, error=handled.reason)


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
