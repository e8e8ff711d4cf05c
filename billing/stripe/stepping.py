"""What the steps of collection have in common: what they return, and what they must not do."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeVar

from billing.models import Invoice, OutboxMessage
from billing.stripe import mirror
from billing.stripe.counterparts import RemoteInvoice
from billing.stripe.errors import CounterpartMissingError, DuplicateError, OldKeyError
from billing.stripe.outbox import Claim

# By how much Stripe's clock and ours may differ where its objects are searched from the first attempt on.
CLOCK_MARGIN: Final = timedelta(minutes=10)

Remote = TypeVar("Remote")


@dataclass(frozen=True, slots=True)
class Done:
    """What Stripe did: the answer to keep with the message, and `keep` to record it in the same transaction.

    `declined` is a bank's reason, where Stripe did as asked and the bank refused.
    """

    response: dict[str, str]
    keep: Callable[[datetime], object]
    declined: str = ""


def require_fresh_key(claim: Claim) -> None:
    """Raise OldKeyError where Stripe may have forgotten the key: sent under it, the request could be done twice."""
    if claim.is_key_old:
        raise OldKeyError(f"{claim.message.key} was first sent at {claim.message.first_sent_at}.")


def first_asked(message: OutboxMessage) -> datetime:
    """Return the moment of Stripe's clock before which nothing can have come of a message, of any generation."""
    first = message.origin or message
    return (first.first_sent_at or first.created_at) - CLOCK_MARGIN


def invoice_of(message: OutboxMessage) -> Invoice:
    """Return the invoice that a message is about. Raises CounterpartMissingError."""
    if message.invoice is None:
        raise CounterpartMissingError(f"Message {message.key} names no invoice.")
    return message.invoice


def moved(remote: RemoteInvoice) -> Done:
    """Say that an invoice at Stripe is as it was read."""
    return Done(remote.summary(), lambda now: mirror.move_invoice(remote=remote, now=now))


def only(found: list[Remote], what: str) -> Remote | None:
    """Return the one that was found, None for none. Raises DuplicateError for more."""
    if len(found) > 1:
        raise DuplicateError(f"Stripe holds {len(found)} objects for {what}.")
    return found[0] if found else None
