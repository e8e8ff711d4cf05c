"""The outbox: every change we ask of Stripe is a row first, committed with its cause, and is sent from there.

A row moves pending -> sent -> succeeded or failed; indeterminate means that Stripe may or may not have done it.
Each move is one conditional UPDATE, so that of two workers one wins. This module does not know the SDK.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, Value
from django.db.models.functions import Coalesce

from billing.models import Invoice, OutboxMessage, StripeCustomer
from billing.models.invoices import InvoiceStatus
from billing.models.payments import Operation, OutboxState
from billing.stripe import content
from billing.stripe.errors import NothingToCollectError

# A worker that says nothing for so long is taken for dead. Longer than one call with all its retries; should it be
# alive after all, the idempotency key keeps the doubled request from being carried out twice.
LEASE: Final = timedelta(minutes=10)
FIRST_WAIT: Final = timedelta(seconds=5)
LONGEST_WAIT: Final = timedelta(hours=1)
UNFINISHED: Final = (OutboxState.PENDING, OutboxState.SENT, OutboxState.INDETERMINATE)


@dataclass(frozen=True, slots=True)
class Claim:
    """One attempt at a message, held by one worker; `attempt` counts from 1 and names the holder."""

    message: OutboxMessage
    attempt: int
    may_be_done: bool
    """An earlier attempt may have reached Stripe: look there before asking again."""


def enqueue_invoice(*, invoice: Invoice, now: datetime) -> None:
    """Write, in the caller's transaction, what Stripe must be asked to collect an invoice just issued.

    Does nothing for what is written already. Raises NothingToCollectError for an invoice that is not open or comes to
    zero, TooManyLinesError for more lines than Stripe takes.
    """
    if invoice.status != InvoiceStatus.OPEN or not invoice.due:
        raise NothingToCollectError(f"Invoice {invoice.number or invoice.pk} is {invoice.status}, {invoice.due} due.")
    with transaction.atomic():
        _write(_customer_message(invoice, now))
        _write(_invoice_messages(invoice, now))


def due(*, now: datetime, limit: int) -> list[int]:
    """Return the ids of messages that may be sent now, oldest first.

    Messages of an invoice go strictly in order: each waits until the one before, and the customer's, have succeeded.
    """
    before = OutboxMessage.objects.filter(
        Q(invoice=OuterRef("invoice"), pk__lt=OuterRef("pk")) | Q(invoice__isnull=True, customer=OuterRef("customer")),
    ).exclude(state=OutboxState.SUCCEEDED)
    ready = OutboxMessage.objects.filter(state__in=UNFINISHED, not_before__lte=now)
    ready = ready.filter(Q(invoice__isnull=True) | ~Exists(before))
    return list(ready.order_by("pk").values_list("pk", flat=True)[:limit])


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
    return Claim(message, message.attempts + 1, may_be_done=message.state != OutboxState.PENDING)


def succeed(*, claim: Claim, response: dict[str, str], now: datetime) -> bool:
    """Record that Stripe did it; False where the claim was lost meanwhile, and then its effects are another's."""
    return _settle(claim, state=OutboxState.SUCCEEDED, response=response, error="", finished_at=now)


def fail(*, claim: Claim, reason: str, now: datetime) -> bool:
    """Record that it will not be done; the invoice's later messages wait for a person."""
    return _settle(claim, state=OutboxState.FAILED, error=reason, finished_at=now)


def postpone(*, claim: Claim, reason: str, now: datetime) -> bool:
    """Put off a message that Stripe did not carry out this time, for longer after each attempt."""
    state = OutboxState.INDETERMINATE if claim.may_be_done else OutboxState.PENDING
    return _settle(claim, state=state, error=reason, not_before=now + wait(attempt=claim.attempt))


def indeterminate(*, claim: Claim, reason: str, now: datetime) -> bool:
    """Record that nobody knows whether Stripe did it; tried again, for longer after each attempt."""
    waited = now + wait(attempt=claim.attempt)
    return _settle(claim, state=OutboxState.INDETERMINATE, error=reason, not_before=waited)


def wait(*, attempt: int) -> timedelta:
    """Return how long to wait after an attempt, counted from 1: doubling from 5 seconds up to an hour."""
    factor = 1 << min(attempt - 1, 20)
    return min(FIRST_WAIT * factor, LONGEST_WAIT)


def _settle(claim: Claim, **changes: Any) -> bool:  # noqa: ANN401 - columns of the row
    held = OutboxMessage.objects.filter(pk=claim.message.pk, state=OutboxState.SENT, attempts=claim.attempt)
    return held.update(**changes) == 1


def _write(messages: Iterator[OutboxMessage]) -> None:
    """Insert what is not there yet, in order: `due` goes by the ids."""
    for message in messages:
        OutboxMessage.objects.bulk_create([message], ignore_conflicts=True)


def _customer_message(invoice: Invoice, now: datetime) -> Iterator[OutboxMessage]:
    customer = invoice.customer
    if StripeCustomer.objects.filter(customer=customer).exists():
        return
    yield OutboxMessage(
        key=f"cus:{customer.pk}:g1",
        operation=Operation.CREATE_CUSTOMER,
        customer=customer,
        request=content.encode(content.customer_content(customer)),
        created_at=now,
        not_before=now,
    )


def _invoice_messages(invoice: Invoice, now: datetime) -> Iterator[OutboxMessage]:
    steps: tuple[tuple[Operation, content.Content], ...] = (
        (Operation.CREATE_INVOICE, content.draft_content(invoice)),
        (Operation.ADD_LINES, content.lines_content(invoice)),
        (Operation.FINALIZE_INVOICE, content.finalize_content()),
        (Operation.SEND_INVOICE, {}),
    )
    for operation, told in steps:
        yield OutboxMessage(
            key=f"inv:{invoice.number}:{operation}:g1",
            operation=operation,
            customer_id=invoice.customer_id,
            invoice=invoice,
            request=content.encode(told),
            created_at=now,
            not_before=now,
        )
