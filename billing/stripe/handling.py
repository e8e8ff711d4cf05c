"""What follows from Stripe's events, by type: each handler reads the object again and believes nothing else."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType
from typing import Any, Final

from django.db import transaction
from stripe import StripeClient

from billing.models import Invoice, OutboxMessage, Payment, StripeCustomer, StripeInvoice, StripeObject, WebhookEvent
from billing.models.payments import WebhookState
from billing.stripe import (
    comparison,
    content,
    disputes,
    findings,
    gateway,
    installation,
    mirror,
    reversals,
    settlement,
)
from billing.stripe.counterparts import RemoteInvoice
from billing.stripe.errors import CounterpartMissingError, MalformedEventError
from billing.stripe.remotes import RemoteRefund

_DECLINES: Final = frozenset({"invoice.payment_failed", "invoice.payment_action_required"})


@dataclass(frozen=True, slots=True)
class Handled:
    """What is to be recorded of an event: applied, ignored for a reason, or to be tried again for a reason."""

    state: WebhookState
    reason: str = ""


APPLIED: Final = Handled(WebhookState.APPLIED)
Handler = Callable[[StripeClient, WebhookEvent, datetime], Handled]


def handle(client: StripeClient, *, event: WebhookEvent, now: datetime) -> Handled:
    """Act on one event. Raises BillingError where it must be tried again."""
    handler = _HANDLERS.get(event.type)
    if handler is None:
        return _ignored("Nothing of ours follows from this type.")
    return handler(client, event, now)


def _invoice(client: StripeClient, event: WebhookEvent, now: datetime) -> Handled:
    remote = gateway.retrieve_invoice(client, stripe_id=_named(event, "object", "id"))
    if remote.metadata.get(content.INSTALLATION) != installation.token() or content.INVOICE not in remote.metadata:
        return _ignored(f"{remote.stripe_id} names no invoice of ours.")
    invoice = _invoice_behind(remote)
    customer_id = mirror.known_customer_id_of(invoice.customer)
    comparison.require_same(invoice=invoice, remote=remote, customer_id=customer_id)
    reading = settlement.read(client, remote=remote)
    with transaction.atomic():
        reason = settlement.bring_forward(invoice=invoice, reading=reading, now=now)
        if event.type in _DECLINES and remote.status != "paid":
            settlement.note_decline(invoice, _cause_of(event), _words_of(event), now)
    return Handled(WebhookState.FAILED, reason) if reason else APPLIED


def _invoice_behind(remote: RemoteInvoice) -> Invoice:
    """Our invoice; raises CounterpartMissingError while the answer that tells us of it is not recorded yet."""
    row = StripeInvoice.objects.select_related("invoice__customer").filter(stripe_id=remote.stripe_id).first()
    if row is None:
        number = remote.metadata[content.INVOICE]
        raise CounterpartMissingError(f"{remote.stripe_id} says that it is our invoice {number}; we did not make it.")
    return row.invoice


def _cause_of(event: WebhookEvent) -> str:
    """Name the attempt that an event tells of: our message where that asked for it, else the event."""
    request = event.payload.get("request")
    key = request.get("idempotency_key") if isinstance(request, dict) else None
    is_ours = isinstance(key, str) and OutboxMessage.objects.filter(key=key).exists()
    return str(key) if is_ours else event.stripe_id


def _words_of(event: WebhookEvent) -> str:
    if event.type == "invoice.payment_action_required":
        return "authentication_required: The bank asks its customer to confirm the payment."
    return "payment_failed: The payment did not go through."


def _refund(client: StripeClient, event: WebhookEvent, now: datetime) -> Handled:
    remote = reversals.retrieve_refund(client, stripe_id=_named(event, "object", "id"))
    return APPLIED if _bring_refund(remote, now) else _ignored(f"{remote.stripe_id} is of no payment of ours.")


def _charge(client: StripeClient, event: WebhookEvent, now: datetime) -> Handled:
    """A charge was refunded: its refunds are read by its payment, whatever the event says of them."""
    payment_id = _named(event, "object", "payment_intent")
    known = [_bring_refund(one, now) for one in reversals.list_refunds(client, payment_id=payment_id)]
    return APPLIED if any(known) else _ignored(f"{payment_id} is no payment of ours.")


def _bring_refund(remote: RemoteRefund, now: datetime) -> bool:
    """Bring a refund into our books; False where it concerns no payment of ours."""
    reference = remote.metadata.get(content.REFUND, "")
    if reference and remote.metadata.get(content.INSTALLATION) == installation.token():
        if not StripeObject.objects.filter(stripe_id=remote.stripe_id).exists():
            raise CounterpartMissingError(f"{remote.stripe_id} says that it is our refund {reference}; not recorded.")
        settlement.move_refund(remote=remote, reference=reference, now=now)
        return True
    payment = Payment.objects.select_related("invoice").filter(stripe_id=remote.payment_id).first()
    if payment is None:
        return False
    settlement.record_past_us(payment=payment, remote=remote, now=now)
    return True


def _credit_note(client: StripeClient, event: WebhookEvent, now: datetime) -> Handled:
    """Note how far a credit note of ours is; one made past us is left to reconciliation, which finds it."""
    remote = reversals.retrieve_credit_note(client, stripe_id=_named(event, "object", "id"))
    mirror.require_mode(livemode=remote.livemode, what=remote.stripe_id)
    if remote.metadata.get(content.INSTALLATION) != installation.token():
        return _ignored(f"{remote.stripe_id} is no credit note of ours.")
    if not StripeObject.objects.filter(stripe_id=remote.stripe_id).exists():
        raise CounterpartMissingError(f"{remote.stripe_id} says that it is a credit note of ours; not recorded.")
    settlement.move_object(remote.stripe_id, remote.status, now)
    return APPLIED


def _dispute(client: StripeClient, event: WebhookEvent, now: datetime) -> Handled:
    remote = reversals.retrieve_dispute(client, stripe_id=_named(event, "object", "id"))
    disputes.bring_forward(remote=remote, now=now)
    return APPLIED


def _customer(client: StripeClient, event: WebhookEvent, now: datetime) -> Handled:
    return _read_customer(client, _named(event, "object", "id"), now)


def _payment_method(client: StripeClient, event: WebhookEvent, now: datetime) -> Handled:
    """A card came or went: read the customer that has it, or, of one that went, had it."""
    for named in _customers_named(event.payload["data"]):
        return _read_customer(client, named, now)
    return _ignored("It belongs to no customer.")


def _customers_named(told: dict[str, Any]) -> Iterator[str]:
    for part in ("object", "previous_attributes"):
        found = told.get(part)
        named = found.get("customer") if isinstance(found, dict) else None
        if isinstance(named, str) and named:
            yield named


@transaction.atomic
def _gone(row: StripeCustomer, now: datetime) -> None:
    reason = f"Customer {row.stripe_id} was deleted at Stripe."
    mirror.break_customer(customer_id=row.customer_id, reason=reason, now=now)
    findings.note_gone(customer=row.customer, reason=reason, now=now)


def _read_customer(client: StripeClient, stripe_id: str, now: datetime) -> Handled:
    row = StripeCustomer.objects.select_related("customer").filter(stripe_id=stripe_id).first()
    if row is None:
        return _ignored(f"{stripe_id} is no customer of ours.")
    remote = gateway.retrieve_customer(client, stripe_id=stripe_id)
    if remote.deleted:
        _gone(row, now)
    else:
        card = gateway.describe_card(client, stripe_id=remote.card) if remote.card else ""
        mirror.note_card(stripe_id=stripe_id, card=card)
    return APPLIED


def _named(event: WebhookEvent, *path: str) -> str:
    found: Any = event.payload["data"]
    for name in path:
        found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, str) or not found:
        raise MalformedEventError(f"The event names nothing in data.{'.'.join(path)}.")
    return found


def _ignored(reason: str) -> Handled:
    return Handled(WebhookState.IGNORED, reason)


_INVOICE_TYPES: Final = (
    "finalized",
    "marked_uncollectible",
    "overpaid",
    "paid",
    "payment_action_required",
    "payment_failed",
    "payment_succeeded",
    "voided",
)
_HANDLERS: Final[Mapping[str, Handler]] = MappingProxyType(
    {f"invoice.{name}": _invoice for name in _INVOICE_TYPES}
    | {f"credit_note.{name}": _credit_note for name in ("created", "updated", "voided")}
    | {f"refund.{name}": _refund for name in ("created", "updated", "failed")}
    | {"charge.refund.updated": _refund, "charge.refunded": _charge}
    | {
        f"charge.dispute.{name}": _dispute
        for name in ("created", "updated", "closed", "funds_withdrawn", "funds_reinstated")
    }
    | {"customer.deleted": _customer, "customer.updated": _customer}
    | {f"payment_method.{name}": _payment_method for name in ("attached", "detached", "updated")}
)
TYPES: Final = frozenset(_HANDLERS)
"""The types that the endpoint at Stripe has to deliver."""
