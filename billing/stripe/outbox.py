"""The outbox: every change we ask of Stripe is a row first, committed with its cause, and is sent from there.

A row moves pending -> sent -> succeeded, declined or failed; indeterminate means that Stripe may or may not have done
it. Each move is one conditional UPDATE, so that of two workers one wins. This module does not know the SDK; what is
asked is written by `asking`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from billing.models import OutboxMessage
from billing.models.payments import Operation, OutboxState
from billing.stripe.asking import (
    enqueue_credit_note,
    enqueue_credit_note_void,
    enqueue_customer,
    enqueue_invoice,
    enqueue_payment,
    enqueue_tax,
    enqueue_uncollectible,
    enqueue_void,
)
from billing.stripe.errors import OutboxStateError

# A worker that says nothing for so long is taken for dead. Longer than one call with all its retries; should it be
# alive after all, the idempotency key keeps the doubled request from being carried out twice.
LEASE: Final = timedelta(minutes=10)
FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(hours=1)
# Stripe forgets keys after 24 hours, and a forgotten key is carried out again; an hour is left for a slow last call.
KEY_LIFETIME: Final = timedelta(hours=23)
UNFINISHED: Final = (OutboxState.PENDING, OutboxState.SENT, OutboxState.INDETERMINATE)
# What later messages of the same invoice need not wait for.
OVER: Final = (OutboxState.SUCCEEDED, OutboxState.DECLINED, OutboxState.SUPERSEDED)


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt at a message, held by one worker; `attempt` counts from 1 and names the holder."""

    message: OutboxMessage
    attempt: int
    may_be_done: bool
    """An earlier attempt may have reached Stripe: look there before asking again."""
    is_key_old: bool = False
    """Stripe may have forgotten the key: what is not found there is asked by another generation, with a new key."""


def due(*, now: datetime, limit: int) -> list[int]:
    """Return the ids of messages that may be sent now, oldest first.

    Messages of an invoice go strictly in order: each waits until those before, and the customer's first, are over.
    Those of a customer that is gone at Stripe wait until a person has named another.
    """
    placed = OutboxMessage.objects.annotate(place=Coalesce("origin_id", "pk"))
    earlier = placed.filter(place__lt=OuterRef("place")).exclude(state__in=OVER)
    before = earlier.filter(
        Q(invoice=OuterRef("invoice"))
        | Q(customer=OuterRef("customer"), operation=Operation.CREATE_CUSTOMER)
        | Q(customer=OuterRef("customer"), operation=Operation.UPDATE_CUSTOMER, state__in=UNFINISHED)
    )
    ready = placed.filter(state__in=UNFINISHED, not_before__lte=now).exclude(customer__stripe__broken_at__isnull=False)
    return list(ready.filter(~Exists(before)).order_by("place", "pk").values_list("pk", flat=True)[:limit])


def claim(*, message_id: int, now: datetime) -> Claim | None:
    """Take a message for one attempt, or return None where another worker has it or it is not due."""
    message = OutboxMessage.objects.select_related("customer", "invoice").get(pk=message_id)
    taken = OutboxMessage.objects.filter(
        pk=message_id, state__in=UNFINISHED, not_before__lte=now, attempts=message.attempts
    ).update(
        state=OutboxState.SENT,
        attempts=F("attempts") + 1,
        first_sent_at=Coalesce("first_sent_at", Value(now)),
        sent_at=now,
        not_before=now + LEASE,
    )
    if not taken:
        return None
    may_be_done = message.state != OutboxState.PENDING or message.generation > 1
    is_key_old = message.first_sent_at is not None and now - message.first_sent_at >= KEY_LIFETIME
    return Claim(message, message.attempts + 1, may_be_done=may_be_done, is_key_old=is_key_old)


def succeed(*, claim: Claim, response: dict[str, str], now: datetime) -> bool:
    """Record that Stripe did it; False where the claim was lost meanwhile, and then its effects are another's."""
    return _settle(claim, state=OutboxState.SUCCEEDED, response=response, error="", finished_at=now)


def decline(*, claim: Claim, reason: str, now: datetime) -> bool:
    """Record that Stripe asked the bank, which said no; nothing waits for this message."""
    return _settle(claim, state=OutboxState.DECLINED, error=reason, finished_at=now)


def fail(*, claim: Claim, reason: str, now: datetime) -> bool:
    """Record that it will not be done; the invoice's later messages wait for a person."""
    return _settle(claim, state=OutboxState.FAILED, error=reason, finished_at=now)


def postpone(*, claim: Claim, reason: str, now: datetime) -> bool:
    """Put off a message that Stripe did not carry out this time, for longer after each attempt."""
    state = OutboxState.INDETERMINATE if claim.may_be_done else OutboxState.PENDING
    return _settle(claim, state=state, error=reason, not_before=now + wait(attempt=claim.attempt))


def release(*, claim: Claim, reason: str, now: datetime) -> bool:
    """Give a message back that was not sent because of our own limit of calls: it is due again in a second."""
    state = OutboxState.INDETERMINATE if claim.may_be_done else OutboxState.PENDING
    return _settle(claim, state=state, error=reason, not_before=now + timedelta(seconds=1))


def indeterminate(*, claim: Claim, reason: str, now: datetime) -> bool:
    """Record that nobody knows whether Stripe did it; tried again, for longer after each attempt."""
    waited = now + wait(attempt=claim.attempt)
    return _settle(claim, state=OutboxState.INDETERMINATE, error=reason, not_before=waited)


@transaction.atomic
def renew(*, claim: Claim, now: datetime) -> bool:
    """Hand a message whose key is old over to the next generation, after it was looked for and not found."""
    reason = "Stripe does not hold it, and may have forgotten the key: asked again under a new one."
    if not _settle(claim, state=OutboxState.SUPERSEDED, error=reason, finished_at=now):
        return False
    _next_generation(claim.message, now)
    return True


@transaction.atomic
def retry(*, key: str, reason: str, actor: str, now: datetime) -> OutboxMessage:
    """Ask a failed message again as a new generation with a new key, because a person has put right what was wrong.

    It is looked for at Stripe before it is sent. Raises OutboxStateError for a message that is not failed.
    """
    message = OutboxMessage.objects.filter(key=key).select_related("customer", "invoice").first()
    if message is None:
        raise OutboxStateError(f"There is no message {key}.")
    note = f"{message.error}\nAsked again by {actor} at {now.isoformat()}: {reason}"
    given_up = OutboxMessage.objects.filter(pk=message.pk, state=OutboxState.FAILED)
    if not given_up.update(state=OutboxState.SUPERSEDED, error=note):
        raise OutboxStateError(f"Message {key} is {message.state}; only what failed is asked again.")
    return _next_generation(message, now)


def stuck(*, invoices: Sequence[int] | None = None) -> QuerySet[OutboxMessage]:
    """Return the messages that are not over, oldest first, of some invoices and their customers where given."""
    waiting = OutboxMessage.objects.exclude(state__in=OVER).annotate(place=Coalesce("origin_id", "pk"))
    if invoices is not None:
        waiting = waiting.filter(Q(invoice__in=invoices) | Q(invoice__isnull=True, customer__invoices__in=invoices))
    return waiting.order_by("place", "pk").distinct()


def wait(*, attempt: int) -> timedelta:
    """Return how long to wait after an attempt, counted from 1: doubling from 5 seconds up to an hour."""
    factor = 1 << min(attempt - 1, 20)
    return min(FIRST_WAIT * factor, LONGEST_WAIT)


def _settle(claim: Claim, **changes: Any) -> bool:  # noqa: ANN401 - columns of the row
    held = OutboxMessage.objects.filter(pk=claim.message.pk, state=OutboxState.SENT, attempts=claim.attempt)
    return held.update(**changes) == 1


def _next_generation(message: OutboxMessage, now: datetime) -> OutboxMessage:
    """Write the next generation in the first one's place: the same request under a key with the next number."""
    number = message.generation + 1
    return OutboxMessage.objects.create(
        key=f"{message.key.rpartition(':')[0]}:g{number}",
        operation=message.operation,
        customer_id=message.customer_id,
        invoice_id=message.invoice_id,
        subject=message.subject,
        origin_id=message.origin_id or message.pk,
        generation=number,
        request=message.request,
        created_at=now,
        not_before=now,
    )


__all__ = [
    "Claim",
    "claim",
    "decline",
    "due",
    "enqueue_credit_note",
    "enqueue_credit_note_void",
    "enqueue_customer",
    "enqueue_invoice",
    "enqueue_payment",
    "enqueue_tax",
    "enqueue_uncollectible",
    "enqueue_void",
    "fail",
    "indeterminate",
    "postpone",
    "release",
    "renew",
    "retry",
    "stuck",
    "succeed",
    "wait",
]
