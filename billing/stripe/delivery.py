"""Sends the outbox to Stripe: one claimed message at a time, the call outside and its effects inside a transaction."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from types import MappingProxyType
from typing import Final

import structlog
from django.db import transaction
from stripe import StripeClient

from billing.errors import BillingError
from billing.stripe import client as stripe_client
from billing.stripe import findings, mirror, outbox, steps
from billing.stripe.errors import (
    CustomerGoneError,
    ModeError,
    OldKeyError,
    OutcomeUnknownError,
    OverLimitError,
    TryLaterError,
)
from billing.stripe.outbox import Claim

log = structlog.get_logger(__name__)

# After so many troubled calls a run leaves the rest to the next: Stripe is then the trouble, not the message.
PATIENCE: Final = 3


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a run did: messages that Stripe carried out, that a bank declined, that failed for good, that wait.

    `postponed` will be tried again; `parked` wait for a person, because their customer is gone at Stripe.
    """

    sent: int = 0
    declined: int = 0
    failed: int = 0
    postponed: int = 0
    parked: int = 0


class Outcome(Enum):
    """What became of one attempt."""

    SENT = "sent"
    DECLINED = "declined"
    FAILED = "failed"
    POSTPONED = "postponed"
    OVER_LIMIT = "over_limit"
    PARKED = "parked"
    RENEWED = "renewed"
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
            if outcomes.count(Outcome.POSTPONED) == PATIENCE or outcomes[-1] is Outcome.OVER_LIMIT:
                return _summary(outcomes)
    return _summary(outcomes)


def _attempt(message_id: int, now: datetime) -> Outcome:
    client = stripe_client.connect()
    claim = outbox.claim(message_id=message_id, now=now)
    return Outcome.LOST if claim is None else _send(client, claim, now)


def _send(client: StripeClient, claim: Claim, now: datetime) -> Outcome:
    try:
        done = steps.perform(client, claim=claim)
    except BillingError as error:
        return _record(error, claim, now)
    settle, outcome = (outbox.decline, Outcome.DECLINED) if done.declined else (outbox.succeed, Outcome.SENT)
    told = {"reason": done.declined} if done.declined else {"response": done.response}
    with transaction.atomic():
        if not settle(claim=claim, now=now, **told):
            return Outcome.LOST
        done.keep(now)
    log.info("outbox.done", outcome=outcome.value, key=claim.message.key, attempt=claim.attempt, **done.response)
    return outcome


def _record(error: BillingError, claim: Claim, now: datetime) -> Outcome:
    """Record why a message was not carried out: the first kind in the table that the error is of decides."""
    settle, outcome = next(answer for kind, answer in _ANSWERS.items() if isinstance(error, kind))
    reason = f"{type(error).__name__}: {error}"
    log.warning("outbox.not_sent", outcome=outcome.value, key=claim.message.key, attempt=claim.attempt, reason=reason)
    return outcome if settle(claim=claim, reason=reason, now=now) else Outcome.LOST


@transaction.atomic
def _park(*, claim: Claim, reason: str, now: datetime) -> bool:
    """Stop asking for a customer that is gone at Stripe, and tell a person; never make another by itself."""
    if not outbox.postpone(claim=claim, reason=reason, now=now):
        return False
    mirror.break_customer(customer_id=claim.message.customer_id, reason=reason, now=now)
    findings.note_gone(customer=claim.message.customer, reason=reason, now=now)
    return True


def _renew(*, claim: Claim, reason: str, now: datetime) -> bool:
    del reason
    return outbox.renew(claim=claim, now=now)


_ANSWERS: Final[Mapping[type[BillingError], tuple[Callable[..., bool], Outcome]]] = MappingProxyType(
    {
        OldKeyError: (_renew, Outcome.RENEWED),
        OutcomeUnknownError: (outbox.indeterminate, Outcome.POSTPONED),
        OverLimitError: (outbox.release, Outcome.OVER_LIMIT),
        TryLaterError: (outbox.postpone, Outcome.POSTPONED),
        ModeError: (outbox.postpone, Outcome.POSTPONED),
        CustomerGoneError: (_park, Outcome.PARKED),
        BillingError: (outbox.fail, Outcome.FAILED),
    }
)


def _summary(outcomes: list[Outcome]) -> Delivered:
    return Delivered(
        sent=outcomes.count(Outcome.SENT),
        declined=outcomes.count(Outcome.DECLINED),
        failed=outcomes.count(Outcome.FAILED),
        postponed=outcomes.count(Outcome.POSTPONED) + outcomes.count(Outcome.OVER_LIMIT),
        parked=outcomes.count(Outcome.PARKED),
    )
