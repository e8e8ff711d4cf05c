"""Our rows about Stripe's objects: written once, then only moved forward as Stripe's own states do."""

from collections.abc import Mapping
from datetime import datetime
from types import MappingProxyType
from typing import Final

from agents.models import Customer
from billing.models import Invoice, StripeCustomer, StripeInvoice
from billing.stripe.client import is_live
from billing.stripe.counterparts import RemoteCustomer, RemoteInvoice
from billing.stripe.errors import CounterpartMissingError, ModeError

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
    """Return Stripe's id of our customer. Raises CounterpartMissingError, ModeError."""
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


def keep_invoice(*, invoice_id: int, remote: RemoteInvoice, now: datetime) -> None:
    """Record which invoice at Stripe is ours; in the transaction that records the answer."""
    StripeInvoice.objects.create(
        invoice_id=invoice_id,
        stripe_id=remote.stripe_id,
        livemode=remote.livemode,
        status=remote.status,
        hosted_url=remote.hosted_url,
        pdf_url=remote.pdf_url,
        read_at=now,
    )


def move_invoice(*, remote: RemoteInvoice, now: datetime) -> bool:
    """Bring our row up to what was read at Stripe; False where it is further already: the reading was an old one."""
    behind = StripeInvoice.objects.filter(stripe_id=remote.stripe_id, status__in=REACHED_FROM.get(remote.status, ()))
    moved = behind.update(status=remote.status, hosted_url=remote.hosted_url, pdf_url=remote.pdf_url, read_at=now)
    return moved == 1
