"""The rows of an agreement and its invoices, made directly: for tests of what stands beside closing."""

from datetime import datetime
from decimal import Decimal

from agents.models import Customer
from billing.models import BillingPeriod, Invoice, Plan, PlanVersion, RateCard, Subscription, SubscriptionChange
from billing.models.invoices import InvoiceStatus
from billing.models.subscriptions import PeriodStatus


def version(*cards: str, key: str = "plan", categories: dict[str, str] | None = None) -> PlanVersion:
    """A draft with a rate card for each key."""
    plan, _ = Plan.objects.get_or_create(key=key, defaults={"name": key.title()})
    number = plan.versions.count() + 1
    made = PlanVersion.objects.create(
        plan=plan, number=number, currencies=["EUR"], created_at=datetime.fromisoformat("2026-01-01T00:00Z")
    )
    for position, card in enumerate(cards or ("turns",), start=1):
        RateCard.objects.create(
            version=made,
            position=position,
            key=card,
            name=card.title(),
            unit="unit",
            prices={"EUR": {"kind": "flat", "amount": "1"}},
            tax_category=(categories or {}).get(card, ""),
        )
    return made


def period(
    customer: Customer, starts_at: datetime, ends_at: datetime, *, status: str = PeriodStatus.OPEN
) -> BillingPeriod:
    """A billing period of the customer's only subscription, which begins with the first one."""
    subscription = Subscription.objects.filter(customer=customer).first()
    if subscription is None:
        subscription = Subscription.objects.create(
            customer=customer,
            version=version(),
            currency=customer.currency,
            time_zone=customer.time_zone,
            starts_at=starts_at,
            anchor_at=starts_at,
            created_at=starts_at,
        )
        SubscriptionChange.objects.create(
            subscription=subscription, number=1, kind="start", at=starts_at, actor="test", recorded_at=starts_at
        )
    return BillingPeriod.objects.create(
        subscription=subscription,
        starts_at=starts_at,
        ends_at=ends_at,
        full_starts_at=starts_at,
        full_ends_at=ends_at,
        status=status,
    )


def draft(of: BillingPeriod, total: str = "0", *, currency: str = "EUR", moment: str = "closing") -> Invoice:
    """A draft over a total, without lines."""
    subscription = of.subscription
    return Invoice.objects.create(
        customer=subscription.customer,
        period=of,
        moment=moment,
        version=subscription.version,
        change=subscription.changes.get(),
        currency=currency,
        subtotal=Decimal(total),
        total=Decimal(total),
        fold=0,
        created_at=of.ends_at,
    )


def issue(invoice: Invoice, at: datetime) -> Invoice:
    """Issue a draft as it is, without booking it."""
    Invoice.objects.filter(pk=invoice.pk).update(status=InvoiceStatus.OPEN, number=f"T-{invoice.pk}", issued_at=at)
    BillingPeriod.objects.filter(pk=invoice.period_id).update(status=PeriodStatus.CLOSED, closed_at=at)
    invoice.refresh_from_db()
    return invoice
