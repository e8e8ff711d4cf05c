"""From an issued invoice to money in the books, with Stripe telling us by real deliveries over HTTP."""

import time
from decimal import Decimal

import pytest

from billing import ledger
from billing.models import Payment, StripeInvoice, WebhookEvent
from billing.models.invoices import InvoiceStatus
from billing.models.ledger import Account
from billing.money import Money
from billing.stripe import client as stripe_client
from billing.stripe import outbox, reconcile, tasks
from billing.stripe.sandbox.server import Sandbox
from billing.stripe.sandbox.settings import Settings
from tests.stripe.conftest import KEY, SECRET, Stripe

DEADLINE_SECONDS = 20


def wait_for(condition):
    """Do the background's work until the condition holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        tasks.apply_webhooks()
        time.sleep(0.02)


@pytest.mark.django_db(transaction=True)
@pytest.mark.urls("tests.stripe.urls")
def test_an_invoice_is_delivered_paid_by_its_customer_and_known_to_be_paid(
    live_server, tmp_path, settings, invoice, wall_clock
):
    place = Settings(
        host="127.0.0.1",
        port=0,
        database=tmp_path / "sandbox.sqlite",
        api_key=KEY,
        webhook_url=f"{live_server.url}/webhooks/stripe",
        webhook_secret=SECRET,
    )
    with Sandbox(settings=place) as sandbox:
        settings.STRIPE_API_KEY, settings.STRIPE_API_URL = KEY, sandbox.base_url
        settings.STRIPE_WEBHOOK_SECRET = SECRET
        stripe = Stripe(sandbox, stripe_client.connect())

        outbox.enqueue_invoice(invoice=invoice, now=wall_clock)
        tasks.deliver_outbox()
        assert StripeInvoice.objects.get().status == "open"
        stripe.pay(stripe.only_invoice().id)
        wait_for(lambda: StripeInvoice.objects.get().status == "paid")
        wait_for(lambda: WebhookEvent.objects.count() == len(stripe.events()))

        invoice.refresh_from_db()
        assert invoice.status == InvoiceStatus.PAID
        assert Payment.objects.get().amount == Decimal("41.34")
        assert ledger.balance(account=Account.CASH, currency="EUR") == Money(Decimal("41.34"), "EUR")
        assert not reconcile.compare(now=wall_clock).findings
