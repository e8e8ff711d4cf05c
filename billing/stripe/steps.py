"""The steps of collection: what each kind of message asks of Stripe, how a lost answer is found, what is kept of it.

A step first makes sure that it may ask at all, then looks for its own work where an earlier attempt may have been
carried out, and only then asks.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from types import MappingProxyType
from typing import Final, TypeVar

from stripe import StripeClient

from billing.models import Invoice, OutboxMessage
from billing.models.payments import Operation
from billing.stripe import comparison, content, gateway, mirror
from billing.stripe.counterparts import RemoteCustomer, RemoteInvoice
from billing.stripe.errors import CounterpartMissingError, CustomerGoneError, DuplicateError
from billing.stripe.outbox import Claim

# By how much Stripe's clock and ours may differ where its objects are searched from the first attempt on.
CLOCK_MARGIN: Final = timedelta(minutes=10)

Remote = TypeVar("Remote", RemoteCustomer, RemoteInvoice)


@dataclass(frozen=True, slots=True)
class Done:
    """What Stripe did: the answer to keep with the message, and `keep` to record it in the same transaction."""

    response: dict[str, str]
    keep: Callable[[datetime], object]


def perform(client: StripeClient, *, claim: Claim) -> Done:
    """Carry out one claimed message.

    Raises CallError where Stripe did not, CounterpartError where it must not be asked.
    """
    return _STEPS[Operation(claim.message.operation)](client, claim)


def _create_customer(client: StripeClient, claim: Claim) -> Done:
    message = claim.message
    told = content.decode(message.request)
    remote = _made_customer(client, told) if claim.may_be_done else None
    remote = remote or gateway.create_customer(client, params=told, key=message.key)
    mirror.require_mode(livemode=remote.livemode, what=remote.stripe_id)
    return Done(remote.summary(), lambda _now: mirror.keep_customer(customer_id=message.customer_id, remote=remote))


def _made_customer(client: StripeClient, told: content.Content) -> RemoteCustomer | None:
    name = told["metadata"][content.CUSTOMER]
    found = gateway.list_customers(client, email=told["email"])
    return _only([one for one in found if one.metadata.get(content.CUSTOMER) == name], f"customer {name}")


def _create_invoice(client: StripeClient, claim: Claim) -> Done:
    invoice = _invoice_of(claim.message)
    customer_id = mirror.customer_id_of(claim.message.customer)
    if gateway.retrieve_customer(client, stripe_id=customer_id).deleted:
        raise CustomerGoneError(
            f"Customer {customer_id} was deleted at Stripe; nothing can be collected from it there."
        )
    remote = _made_invoice(client, customer_id, claim.message) if claim.may_be_done else None
    if remote is None:
        params = {"customer": customer_id, **content.decode(claim.message.request)}
        remote = gateway.create_invoice(client, params=params, key=claim.message.key)
    mirror.require_mode(livemode=remote.livemode, what=remote.stripe_id)
    return Done(remote.summary(), partial(_keep_invoice, invoice, remote))


def _keep_invoice(invoice: Invoice, remote: RemoteInvoice, now: datetime) -> None:
    mirror.keep_invoice(invoice_id=invoice.pk, remote=remote, now=now)


def _made_invoice(client: StripeClient, customer_id: str, message: OutboxMessage) -> RemoteInvoice | None:
    number = _invoice_of(message).number
    found = gateway.list_invoices(client, customer=customer_id, created_since=_first_asked(message))
    return _only([one for one in found if one.metadata.get(content.INVOICE) == number], f"invoice {number}")


def _add_lines(client: StripeClient, claim: Claim) -> Done:
    invoice = _invoice_of(claim.message)
    stripe_id = mirror.invoice_id_of(invoice)
    present = gateway.list_lines(client, stripe_id=stripe_id) if claim.may_be_done else []
    if present:
        remote = gateway.retrieve_invoice(client, stripe_id=stripe_id)
        comparison.require_same_lines(invoice=invoice, remote=remote, lines=present)
        return _moved(remote)
    told = content.decode(claim.message.request)
    return _moved(gateway.add_lines(client, stripe_id=stripe_id, params=told, key=claim.message.key))


def _finalize_invoice(client: StripeClient, claim: Claim) -> Done:
    """Finalize only what is ours to the cent; this reading also finds an earlier attempt that was carried out."""
    invoice = _invoice_of(claim.message)
    stripe_id = mirror.invoice_id_of(invoice)
    remote = gateway.retrieve_invoice(client, stripe_id=stripe_id)
    customer_id = mirror.customer_id_of(claim.message.customer)
    comparison.require_same(invoice=invoice, remote=remote, customer_id=customer_id)
    lines = gateway.list_lines(client, stripe_id=stripe_id)
    comparison.require_same_lines(invoice=invoice, remote=remote, lines=lines)
    if remote.status != "draft":
        return _moved(remote)
    told = content.decode(claim.message.request)
    return _moved(gateway.finalize_invoice(client, stripe_id=stripe_id, params=told, key=claim.message.key))


def _send_invoice(client: StripeClient, claim: Claim) -> Done:
    """Have the customer written to, unless it has paid, or an attempt whose answer was lost already did."""
    stripe_id = mirror.invoice_id_of(_invoice_of(claim.message))
    remote = gateway.retrieve_invoice(client, stripe_id=stripe_id)
    if remote.status != "open" or (claim.may_be_done and _was_sent(client, claim.message)):
        return _moved(remote)
    return _moved(gateway.send_invoice(client, stripe_id=stripe_id, key=claim.message.key))


def _was_sent(client: StripeClient, message: OutboxMessage) -> bool:
    """Only the event tells that an e-mail left: it names the idempotency key of the request that caused it."""
    return message.key in gateway.list_event_keys(client, event_type="invoice.sent", since=_first_asked(message))


def _first_asked(message: OutboxMessage) -> datetime:
    """Before this moment of Stripe's clock nothing can have come of the message."""
    return (message.first_sent_at or message.created_at) - CLOCK_MARGIN


def _moved(remote: RemoteInvoice) -> Done:
    return Done(remote.summary(), lambda now: mirror.move_invoice(remote=remote, now=now))


def _only(found: list[Remote], what: str) -> Remote | None:
    if len(found) > 1:
        raise DuplicateError(f"Stripe holds {len(found)} objects for {what}.")
    return found[0] if found else None


def _invoice_of(message: OutboxMessage) -> Invoice:
    if message.invoice is None:
        raise CounterpartMissingError(f"Message {message.key} names no invoice.")
    return message.invoice


_STEPS: Final[Mapping[Operation, Callable[[StripeClient, Claim], Done]]] = MappingProxyType(
    {
        Operation.CREATE_CUSTOMER: _create_customer,
        Operation.CREATE_INVOICE: _create_invoice,
        Operation.ADD_LINES: _add_lines,
        Operation.FINALIZE_INVOICE: _finalize_invoice,
        Operation.SEND_INVOICE: _send_invoice,
    }
)
