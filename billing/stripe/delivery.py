"""Sends the outbox to Stripe: one claimed message at a time, the call outside and its effects inside a transaction."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from typing import Final

import structlog
from django.db import transaction
from stripe import StripeClient

from billing.errors import BillingError
from billing.stripe import client as stripe_client
from billing.stripe import outbox, steps
from billing.stripe.errors import ModeError, OutcomeUnknownError, TryLaterError
from billing.stripe.outbox import Claim

log = structlog.get_logger(__name__)

# After so many troubled calls a run leaves the rest to the next: Stripe is then the trouble, not the message.
PATIENCE: Final = 3


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a run did: messages that Stripe carried out, that failed for good, and that will be tried again."""

    sent: int = 0
    failed: int = 0
    postponed: int = 0


class Outcome(Enum):
    """What became of one attempt."""

    SENT = "sent"
    FAILED = "failed"
    POSTPONED = "postponed"
    LOST = "lost"


def deliver(*, now: datetime, limit: int = 100) -> Delivered:
    """Send what is due, at most `limit` messages; safe to run beside itself and to be killed at any moment.

    A message that fails stops the rest of its invoice, and nothing else. Raises StripeNotConfiguredError where there is
    something to send and nothing to send it with.
    """
    outcomes: list[Outcome] = []
    while ready := outbox.due(now=now, limit=limit - len(outcomes)):
        for message_id in ready:
            outcomes.append(_attempt(message_id, now))
            if outcomes.count(Outcome.POSTPONED) == PATIENCE:
                return _summary(outcomes)
    return _summary(outcomes)


def _attempt(message_id: int, now: datetime) -> Outcome:
    client = stripe_client.connect()
    claim = outbox.claim(message_id=message_id, now=now)
    return Outcome.LOST if claim is None else _send(client, claim, now)


def _send(client: StripeClient, claim: Claim, now: datetime) -> Outcome:
    try:
        done = steps.perform(client, claim=claim)
    except OutcomeUnknownError as error:
        return _record(Outcome.POSTPONED, outbox.indeterminate, claim, error, now)
    except (TryLaterError, ModeError) as error:
        return _record(Outcome.POSTPONED, outbox.postpone, claim, error, now)
    except BillingError as error:
        return _record(Outcome.FAILED, outbox.fail, claim, error, now)
    with transaction.atomic():
        if not outbox.succeed(claim=claim, response=done.response, now=now):
            return Outcome.LOST
        done.keep(now)
    log.info("outbox.sent", key=claim.message.key, attempt=claim.attempt, **done.response)
    return Outcome.SENT


def _record(outcome: Outcome, settle: Callable[..., bool], claim: Claim, error: BillingError, now: datetime) -> Outcome:
    reason = f"{type(error).__name__}: {error}"
    log.warning("outbox.not_sent", outcome=outcome.value, key=claim.message.key, attempt=claim.attempt, reason=reason)
    return outcome if settle(claim=claim, reason=reason, now=now) else Outcome.LOST


def _summary(outcomes: list[Outcome]) -> Delivered:
    return Delivered(
        sent=outcomes.count(Outcome.SENT),
        failed=outcomes.count(Outcome.FAILED),
        postponed=outcomes.count(Outcome.POSTPONED),
    )
