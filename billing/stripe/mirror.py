"""Our rows about Stripe's objects: written once, then only moved forward as Stripe's own states do."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from agents.models import Customer
from billing.models import Invoice, StripeCustomer, StripeInvoice, StripeObject
from billing.models.payments import ObjectKind
from billing.money import Money, from_minor_units
from billing.stripe.client import is_live
from billing.stripe.counterparts import RemoteCustomer, RemoteInvoice
from billing.stripe.errors import CounterpartMissingError, CustomerGoneError, ModeError

# Which states an invoice at Stripe can have come from (Stripe, "Status transitions and finalization").
REACHED_FROM: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "draft": ("draft",),
        "open": ("draft", "open"),
        "uncollectible": ("draft", "open", "uncollectible"),
        "paid": ("draft", "open", "uncollectible", "paid"),
        "void": ("draft", "open", "uncollectible", "void"),
    }
)


def customer_id_of(customer: Customer) -> str:
    """Return Stripe's id of our customer. Raises CounterpartMissingError, CustomerGoneError, ModeError."""
    broken = StripeCustomer.objects.filter(customer=customer, broken_at__isnull=False).first()
    if broken is not None:
        raise CustomerGoneError(f"{broken.stripe_id} of customer {customer.key}: {broken.broken_reason}")
    return known_customer_id_of(customer)


def known_customer_id_of(customer: Customer) -> str:
    """As customer_id_of, also of a customer that is gone there: what it paid before still counts."""
    row = StripeCustomer.objects.filter(customer=customer).first()
    if row is None:
        raise CounterpartMissingError(f"Customer {customer.key} is not known at Stripe.")
    require_mode(livemode=row.livemode, what=row.stripe_id)
    return row.stripe_id


def invoice_id_of(invoice: Invoice) -> str:
    """Return Stripe's id of our invoice. Raises CounterpartMissingError, ModeError."""
    row = StripeInvoice.objects.filter(invoice=invoice).first()
    if row is None:
        raise CounterpartMissingError(f"Invoice {invoice.number} is not known at Stripe.")
    require_mode(livemode=row.livemode, what=row.stripe_id)
    return row.stripe_id


def require_mode(*, livemode: bool, what: str) -> None:
    """Raise ModeError where an object is live and the key is not, or the other way round."""
    if livemode != is_live():
        modes = ("live", "test") if livemode else ("test", "live")
        raise ModeError(f"{what} is in {modes[0]} mode, the configured key in {modes[1]} mode.")


def keep_customer(*, customer_id: int, remote: RemoteCustomer) -> None:
    """Record which customer at Stripe is ours; in the transaction that records the answer."""
    StripeCustomer.objects.create(customer_id=customer_id, stripe_id=remote.stripe_id, livemode=remote.livemode)


def break_customer(*, customer_id: int, reason: str, now: datetime) -> bool:
    """Mark a customer as gone at Stripe, once: its messages wait until a person names another (`relink`)."""
    whole = StripeCustomer.objects.filter(customer_id=customer_id, broken_at__isnull=True)
    return whole.update(broken_at=now, broken_reason=reason[:250], card="") == 1


def relink_customer(*, customer_id: int, remote: RemoteCustomer) -> bool:
    """Name another customer at Stripe for one that is gone there; False where it is not.

    Raises CustomerGoneError for one that was deleted too, ModeError.
    """
    if remote.deleted:
        raise CustomerGoneError(f"{remote.stripe_id} was deleted at Stripe too.")
    require_mode(livemode=remote.livemode, what=remote.stripe_id)
    broken = StripeCustomer.objects.filter(customer_id=customer_id, broken_at__isnull=False)
    return broken.update(stripe_id=remote.stripe_id, broken_at=None, broken_reason="") == 1


def note_card(*, stripe_id: str, card: str) -> None:
    """Record how a customer pays, in words; empty for no card."""
    StripeCustomer.objects.filter(stripe_id=stripe_id).update(card=card[:80])


def keep_object(
    *, kind: ObjectKind, reference: str, invoice: Invoice, stripe_id: str, amount: Money, status: str, now: datetime
) -> None:
    """Record which credit note, refund or tax transaction at Stripe is ours; once."""
    facts = {
        "invoice": invoice,
        "stripe_id": stripe_id,
        "livemode": is_live(),
        "amount": amount.amount,
        "status": status,
        "read_at": now,
    }
    StripeObject.objects.get_or_create(kind=kind, reference=reference, defaults=facts)


def object_id_of(*, kind: ObjectKind, reference: str) -> str:
    """Return Stripe's id of a credit note or refund of ours. Raises CounterpartMissingError, ModeError."""
    row = StripeObject.objects.filter(kind=kind, reference=reference).first()
    if row is None:
        raise CounterpartMissingError(f"The {kind} {reference} is not known at Stripe.")
    require_mode(livemode=row.livemode, what=row.stripe_id)
    return row.stripe_id


def keep_invoice(*, invoice_id: int, remote: RemoteInvoice, now: datetime) -> None:
    """Record which invoice at Stripe is ours; in the transaction that records the answer."""
    StripeInvoice.objects.create(
        invoice_id=invoice_id,
        stripe_id=remote.stripe_id,
        livemode=remote.livemode,
        **_seen(remote, now),
    )


def move_invoice(*, remote: RemoteInvoice, now: datetime) -> bool:
    """Bring our row up to what was read at Stripe; False where it is further already: the reading was an old one."""
    behind = StripeInvoice.objects.filter(stripe_id=remote.stripe_id, status__in=REACHED_FROM.get(remote.status, ()))
    moved = behind.update(
        **_seen(remote, now),
    )
    return moved == 1


def delete_invoice(*, invoice_id: int, now: datetime) -> None:
    """Record that the draft was deleted at Stripe: as good as void."""
    StripeInvoice.objects.filter(invoice_id=invoice_id, status="draft").update(status="void", read_at=now)


def _seen(remote: RemoteInvoice, now: datetime) -> dict[str, Any]:
    return {
        "status": remote.status,
        "hosted_url": remote.hosted_url,
        "pdf_url": remote.pdf_url,
        "amount_due": from_minor_units(remote.amount_due, remote.currency).amount,
        "moved_to_balance": _moved(remote),
        "read_at": now,
    }


def _moved(remote: RemoteInvoice) -> Decimal:
    return from_minor_units(remote.moved_to_balance, remote.currency).amount
