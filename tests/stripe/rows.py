"""The smallest valid invoice of ours: drafted row by row, then issued."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from billing.models import BillingPeriod, Invoice, InvoiceLine, Plan, PlanVersion, RateCard, Subscription
from billing.models.invoices import InvoiceStatus
from tests import factories

OCTOBER = datetime(2026, 10, 1, tzinfo=UTC)
NOVEMBER = datetime(2026, 11, 1, tzinfo=UTC)
ISSUED = datetime(2026, 11, 1, 3, tzinfo=UTC)


def issued_invoice(customer=None, number="AM-000001", amounts=("29.00", "12.34"), **values):
    """Return an open invoice with a line per amount, as billing.invoicing leaves it behind."""
    customer = customer or factories.customer()
    invoice = draft_invoice(customer, number, [Decimal(amount) for amount in amounts])
    frozen = {
        "status": InvoiceStatus.OPEN,
        "number": number,
        "issued_at": ISSUED,
        "due_at": ISSUED + timedelta(days=14),
        "digest": f"{number:x<64}",
    }
    Invoice.objects.filter(pk=invoice.pk).update(**frozen | values)
    invoice.refresh_from_db()
    return invoice


def draft_invoice(customer, key, amounts):
    version = published_version(key, customer.currency)
    subscription = Subscription.objects.filter(customer=customer).first() or Subscription.objects.create(
        customer=customer,
        version=version,
        currency=customer.currency,
        time_zone=customer.time_zone,
        starts_at=OCTOBER,
        anchor_at=OCTOBER,
        created_at=OCTOBER,
    )
    change = subscription.changes.first() or subscription.changes.create(
        number=1, kind="start", at=OCTOBER, actor="test", recorded_at=OCTOBER
    )
    earlier = BillingPeriod.objects.filter(subscription=subscription).count()
    starts_at, ends_at = OCTOBER + earlier * timedelta(days=31), NOVEMBER + earlier * timedelta(days=31)
    period = BillingPeriod.objects.create(
        subscription=subscription,
        starts_at=starts_at,
        ends_at=ends_at,
        full_starts_at=starts_at,
        full_ends_at=ends_at,
    )
    invoice = Invoice.objects.create(
        customer=customer,
        period=period,
        version=version,
        change=change,
        currency=customer.currency,
        subtotal=sum(amounts),
        total=sum(amounts),
        fold=1,
        created_at=ISSUED,
    )
    card = version.rate_cards.get()
    for position, amount in enumerate(amounts, start=1):
        InvoiceLine.objects.create(
            invoice=invoice,
            position=position,
            rate_card=card,
            description="Turns",
            meter="turns",
            quantity=Decimal("12.5"),
            unit="turn",
            amount=amount,
            starts_at=starts_at,
            ends_at=ends_at,
            detail=[],
        )
    return invoice


def published_version(key, currency):
    plan = Plan.objects.create(key=key.lower(), name="Activity")
    version = PlanVersion.objects.create(plan=plan, number=1, currencies=[currency], created_at=OCTOBER)
    RateCard.objects.create(
        version=version, position=1, key="turns", name="Turns", meter="turns", unit="turn", prices={currency: {}}
    )
    PlanVersion.objects.filter(pk=version.pk).update(status="published", published_at=OCTOBER)
    return version
