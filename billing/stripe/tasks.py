"""What runs in the background of the Stripe side: each task reads the clock and calls one function."""

from datetime import datetime

from celery import shared_task
from django.utils import timezone

from billing.stripe import delivery, reconcile, webhooks


@shared_task(name="billing.stripe.tasks.deliver_outbox")
def deliver_outbox(now: str | None = None) -> None:
    """Send to Stripe what the outbox holds; safe to run beside itself.

    `now` is an ISO 8601 time with an offset, given where a period was closed as of another time than the clock's.
    """
    delivery.deliver(now=timezone.now() if now is None else datetime.fromisoformat(now))


@shared_task(name="billing.stripe.tasks.apply_webhooks")
def apply_webhooks() -> None:
    """Act on the events received from Stripe; safe to run beside itself."""
    webhooks.apply_pending(now=timezone.now())


@shared_task(name="billing.stripe.tasks.reconcile_books")
def reconcile_books() -> None:
    """Compare all books with Stripe's and keep what differs; every night."""
    reconcile.run(now=timezone.now())
