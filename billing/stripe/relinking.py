"""Naming another customer at Stripe for one that was deleted there: a person's decision, never made by itself."""

from datetime import datetime

from django.db import transaction

from agents.models import Customer
from billing.models import Finding
from billing.models.findings import FindingKind
from billing.stripe import client as stripe_client
from billing.stripe import gateway, mirror
from billing.stripe.errors import OutboxStateError


def relink(*, customer: Customer, stripe_id: str, now: datetime) -> None:
    """Name the customer at Stripe that stands for ours from now on; what waited for it goes on.

    Invoices that exist at Stripe already stay with the deleted one, and their next step says so. Raises CallError,
    CustomerGoneError for one that was deleted too, ModeError, OutboxStateError where ours is not broken.
    """
    remote = gateway.retrieve_customer(stripe_client.connect(), stripe_id=stripe_id)
    with transaction.atomic():
        if not mirror.relink_customer(customer_id=customer.pk, remote=remote):
            raise OutboxStateError(f"The Stripe customer of {customer.key} is not gone; it stays as it is.")
        gone = Finding.objects.filter(kind=FindingKind.CUSTOMER_GONE, subject=customer.key, resolved_at__isnull=True)
        gone.update(resolved_at=now)
