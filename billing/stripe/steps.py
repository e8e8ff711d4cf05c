"""The steps of collection: what each kind of message asks of Stripe, how a lost answer is found, what is kept of it.

A step first makes sure that it may ask at all, then looks for its own work where an earlier attempt may have been
carried out, and only then asks; under a key that Stripe may have forgotten it does not ask.
"""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from types import MappingProxyType
from typing import Final

from stripe import StripeClient

from billing.models import Invoice, OutboxMessage
from billing.models.payments import Operation
from billing.stripe import comparison, content, gateway, mirror, settlement
from billing.stripe.counterparts import RemoteCustomer, RemoteInvoice
from billing.stripe.errors import CustomerGoneError, DeclinedError
from billing.stripe.outbox import Claim
from billing.stripe.reversing import (
    create_credit_note,
    create_refund,
    mark_uncollectible,
    record_tax,
    void_credit_note,
    void_invoice,
)
from billing.stripe.stepping import Done, first_asked, invoice_of, moved, only, require_fresh_key

NO_CARD: Final = "no_payment_method"


def perform(client: StripeClient, *, claim: Claim) -> Done:
    """Carry out one claimed message.

    Raises CallError where Stripe did not, CounterpartError where it must not be asked, OldKeyError where it must be
    asked by a new generation.
    """
    return _STEPS[Operation(claim.message.operation)](client, claim)


def _create_customer(client: StripeClient, claim: Claim) -> Done:
    message = claim.message
    told = content.decode(message.request)
    remote = _made_customer(client, told) if claim.may_be_done else None
    if remote is None:
        require_fresh_key(claim)
        remote = gateway.create_customer(client, params=told, key=message.key)
    mirror.require_mode(livemode=remote.livemode, what=remote.stripe_id)
    return Done(remote.summary(), lambda _now: mirror.keep_customer(customer_id=message.customer_id, remote=remote))


def _made_customer(client: StripeClient, told: content.Content) -> RemoteCustomer | None:
    names = told["metadata"]
    found = [
        one for one in gateway.list_customers(client, email=told["email"]) if names.items() <= one.metadata.items()
    ]
    return only(found, f"customer {names[content.CUSTOMER]}")


def _update_customer(client: StripeClient, claim: Claim) -> Done:
    """Say what a customer is now, unless an attempt whose answer was lost has; messages of one customer go in order."""
    remote = _living_customer(client, claim.message)
    told = content.decode(claim.message.request)
    if not claim.may_be_done or remote.facts != told:
        require_fresh_key(claim)
        remote = gateway.update_customer(client, stripe_id=remote.stripe_id, params=told, key=claim.message.key)
    return Done(remote.summary(), lambda _now: None)


def _living_customer(client: StripeClient, message: OutboxMessage) -> RemoteCustomer:
    customer_id = mirror.customer_id_of(message.customer)
    remote = gateway.retrieve_customer(client, stripe_id=customer_id)
    if remote.deleted:
        raise CustomerGoneError(
            f"Customer {customer_id} was deleted at Stripe; nothing can be collected from it there."
        )
    return remote


def _create_invoice(client: StripeClient, claim: Claim) -> Done:
    invoice = invoice_of(claim.message)
    customer_id = _living_customer(client, claim.message).stripe_id
    remote = _made_invoice(client, customer_id, claim.message) if claim.may_be_done else None
    if remote is None:
        require_fresh_key(claim)
        params = {"customer": customer_id, **content.decode(claim.message.request)}
        remote = gateway.create_invoice(client, params=params, key=claim.message.key)
    mirror.require_mode(livemode=remote.livemode, what=remote.stripe_id)
    return Done(remote.summary(), partial(_keep_invoice, invoice, remote))


def _keep_invoice(invoice: Invoice, remote: RemoteInvoice, now: datetime) -> None:
    mirror.keep_invoice(invoice_id=invoice.pk, remote=remote, now=now)


def _made_invoice(client: StripeClient, customer_id: str, message: OutboxMessage) -> RemoteInvoice | None:
    number = invoice_of(message).number
    names = content.decode(message.request)["metadata"]
    ours = {name: names[name] for name in (content.INSTALLATION, content.INVOICE)}
    found = gateway.list_invoices(client, customer=customer_id, created_since=first_asked(message))
    return only([one for one in found if ours.items() <= one.metadata.items()], f"invoice {number}")


def _add_lines(client: StripeClient, claim: Claim) -> Done:
    invoice = invoice_of(claim.message)
    stripe_id = mirror.invoice_id_of(invoice)
    present = gateway.list_lines(client, stripe_id=stripe_id) if claim.may_be_done else []
    if present:
        remote = gateway.retrieve_invoice(client, stripe_id=stripe_id)
        comparison.require_same_lines(invoice=invoice, remote=remote, lines=present)
        return moved(remote)
    require_fresh_key(claim)
    told = content.decode(claim.message.request)
    return moved(gateway.add_lines(client, stripe_id=stripe_id, params=told, key=claim.message.key))


def _finalize_invoice(client: StripeClient, claim: Claim) -> Done:
    """Finalize only what is ours to the cent; this reading also finds an earlier attempt that was carried out."""
    invoice = invoice_of(claim.message)
    stripe_id = mirror.invoice_id_of(invoice)
    remote = gateway.retrieve_invoice(client, stripe_id=stripe_id)
    customer_id = mirror.customer_id_of(claim.message.customer)
    comparison.require_same(invoice=invoice, remote=remote, customer_id=customer_id)
    lines = gateway.list_lines(client, stripe_id=stripe_id)
    comparison.require_same_lines(invoice=invoice, remote=remote, lines=lines)
    if remote.status != "draft":
        return moved(remote)
    require_fresh_key(claim)
    told = content.decode(claim.message.request)
    return moved(gateway.finalize_invoice(client, stripe_id=stripe_id, params=told, key=claim.message.key))


def _send_invoice(client: StripeClient, claim: Claim) -> Done:
    """Have the customer written to, unless it has paid, or an attempt whose answer was lost already did."""
    stripe_id = mirror.invoice_id_of(invoice_of(claim.message))
    remote = gateway.retrieve_invoice(client, stripe_id=stripe_id)
    if remote.status != "open" or (claim.may_be_done and _was_sent(client, claim.message)):
        return moved(remote)
    require_fresh_key(claim)
    return moved(gateway.send_invoice(client, stripe_id=stripe_id, key=claim.message.key))


def _was_sent(client: StripeClient, message: OutboxMessage) -> bool:
    """Only the event tells that an e-mail left: it names the idempotency key of the request that caused it."""
    family = message.key.rpartition(":")[0]
    keys = gateway.list_event_keys(client, event_type="invoice.sent", since=first_asked(message))
    return any(key.rpartition(":")[0] == family for key in keys)


def _pay_invoice(client: StripeClient, claim: Claim) -> Done:
    """Charge the card on file. An invoice can be paid once only, so that one still open was not charged."""
    invoice = invoice_of(claim.message)
    remote = gateway.retrieve_invoice(client, stripe_id=mirror.invoice_id_of(invoice))
    if remote.status in {"open", "uncollectible"}:
        try:
            remote = _charge(client, claim, remote)
        except DeclinedError as error:
            return _declined(claim, remote, error)
    reading = settlement.read(client, remote=remote)
    return Done(remote.summary(), partial(_settle, invoice, reading))


def _charge(client: StripeClient, claim: Claim, remote: RemoteInvoice) -> RemoteInvoice:
    customer = gateway.retrieve_customer(client, stripe_id=remote.customer_id)
    if customer.deleted:
        raise CustomerGoneError(f"Customer {remote.customer_id} was deleted at Stripe; it cannot be charged.")
    if not customer.card:
        raise DeclinedError("There is no card on file.", code=NO_CARD)
    require_fresh_key(claim)
    told = content.decode(claim.message.request)
    return gateway.pay_invoice(client, stripe_id=remote.stripe_id, params=told, key=claim.message.key)


def _declined(claim: Claim, remote: RemoteInvoice, error: DeclinedError) -> Done:
    """The bank said no: the invoice stays open, and dunning reads the reason."""
    invoice = invoice_of(claim.message)
    reason = f"{error.code}: {error}"
    keep = partial(settlement.note_decline, invoice, claim.message.key, reason)
    return Done({"id": remote.stripe_id, "status": remote.status, "code": error.code}, keep, declined=reason)


def _settle(invoice: Invoice, reading: settlement.Reading, now: datetime) -> None:
    settlement.bring_forward(invoice=invoice, reading=reading, now=now)


_STEPS: Final[Mapping[Operation, Callable[[StripeClient, Claim], Done]]] = MappingProxyType(
    {
        Operation.CREATE_CUSTOMER: _create_customer,
        Operation.UPDATE_CUSTOMER: _update_customer,
        Operation.CREATE_INVOICE: _create_invoice,
        Operation.ADD_LINES: _add_lines,
        Operation.FINALIZE_INVOICE: _finalize_invoice,
        Operation.SEND_INVOICE: _send_invoice,
        Operation.PAY_INVOICE: _pay_invoice,
        Operation.VOID_INVOICE: void_invoice,
        Operation.MARK_UNCOLLECTIBLE: mark_uncollectible,
        Operation.CREATE_REFUND: create_refund,
        Operation.CREATE_CREDIT_NOTE: create_credit_note,
        Operation.VOID_CREDIT_NOTE: void_credit_note,
        Operation.RECORD_TAX: record_tax,
    }
)
