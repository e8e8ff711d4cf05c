"""What runs in the background of the Stripe side: each task reads the clock and calls one function."""

from celery import shared_task
from django.utils import timezone

from billing.stripe import delivery, webhooks


@shared_task(name="billing.stripe.tasks.deliver_outbox")
def deliver_outbox() -> None:
    """Send to Stripe what the outbox holds; safe to run beside itself."""
    delivery.deliver(now=timezone.now())


@shared_task(name="billing.stripe.tasks.apply_webhooks")
def apply_webhooks() -> None:
    """Act on the events received from Stripe; safe to run beside itself."""
    webhooks.apply_pending(now=timezone.now())
