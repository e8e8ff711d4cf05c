"""A sandbox of its own for each test, whose clock the test turns, and a client that looks into it."""

import json
from datetime import UTC, datetime, timedelta

import pytest
import requests
from stripe import WebhookSignature

from billing.stripe import client as stripe_client
from billing.stripe import delivery, limits, outbox
from billing.stripe.sandbox.server import Sandbox
from billing.stripe.sandbox.settings import Settings
from tests import factories
from tests.stripe import rows
from tests.stripe.faulting import Held, World

SECRET = "whsec_of_the_tests"
KEY = "sk_test_of_the_tests"

EVENT = {
    "id": "evt_1",
    "object": "event",
    "api_version": "2026-10-28.endive",
    "type": "invoice.paid",
    "livemode": False,
    "data": {"object": {"id": "in_1"}},
}


class Clock:
    """Our time and the sandbox's, turned by hand."""

    def __init__(self):
        self.now = rows.ISSUED

    def turn(self, **amount):
        self.now += timedelta(**amount)
        return self.now

    def seconds(self):
        return int(self.now.timestamp())


class Stripe:
    """What a test does at Stripe's side: looks, breaks things, pays, tells of events."""

    def __init__(self, sandbox, client):
        self.sandbox, self.api = sandbox, client.v1

    def fault(self, operation, kind, nth=1):
        fault = {"operation": operation, "kind": kind, "nth": nth}
        answer = requests.post(f"{self.sandbox.base_url}/_sandbox/faults", json=fault, timeout=5)
        assert answer.status_code == 200, answer.text

    def customers(self):
        return list(self.api.customers.list().auto_paging_iter())

    def invoices(self):
        return list(self.api.invoices.list().auto_paging_iter())

    def only_invoice(self):
        (invoice,) = self.invoices()
        return invoice

    def lines(self, stripe_id):
        return list(self.api.invoices.line_items.list(stripe_id, {"limit": 100}).auto_paging_iter())

    def pay(self, stripe_id):
        return self.api.invoices.pay(stripe_id, {"payment_method": "pm_card_visa"})

    def events(self, event_type=None):
        """The events as Stripe would deliver them, oldest first."""
        params = {"limit": 100} | ({"type": event_type} if event_type else {})
        found = [event.to_dict(for_json=True) for event in self.api.events.list(params).auto_paging_iter()]
        return found[::-1]


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def secret(settings):
    settings.STRIPE_API_KEY, settings.STRIPE_WEBHOOK_SECRET = "sk_test_x", "whsec_of_the_tests"


@pytest.fixture
def stripe(db, tmp_path, settings, monkeypatch, clock):
    """A sandbox, and our side configured for it; the SDK repeats nothing by itself, so that every fault is seen."""
    place = Settings(host="127.0.0.1", port=0, database=tmp_path / "sandbox.sqlite", api_key=KEY)
    with Sandbox(settings=place, clock=clock.seconds) as sandbox:
        settings.STRIPE_API_KEY, settings.STRIPE_API_URL = KEY, sandbox.base_url
        settings.STRIPE_WEBHOOK_SECRET = SECRET
        monkeypatch.setattr(stripe_client, "NETWORK_RETRIES", 0)
        yield Stripe(sandbox, stripe_client.connect())


@pytest.fixture
def deliver_all(clock):
    """Deliver as the background does, again and again while time passes, until nothing is due."""

    def run(rounds=6):
        for _ in range(rounds):
            delivery.deliver(now=clock.now)
            clock.turn(minutes=2)

    return run


@pytest.fixture
def acme(db):
    return factories.customer("acme", address="1 Main Street\n10115 Berlin")


@pytest.fixture
def rival(db):
    return factories.customer("rival")


@pytest.fixture
def invoice(acme):
    return rows.issued_invoice(acme)


@pytest.fixture
def enqueued(invoice, clock):
    outbox.enqueue_invoice(invoice=invoice, now=clock.now)
    return invoice


@pytest.fixture
def collected(stripe, enqueued, deliver_all):
    """An invoice of ours that is open at Stripe, and was sent."""
    deliver_all(rounds=1)
    return enqueued


def signed(event, *, at, secret=SECRET):
    """The raw body and the signature of a delivery made at a time."""
    body = event if isinstance(event, bytes) else json.dumps(event).encode()
    return body, WebhookSignature.generate_signature_header(body.decode(), secret, int(at.timestamp()))


@pytest.fixture
def wall_clock():
    """The time that the service's own views read."""
    return datetime.now(UTC)


@pytest.fixture
def held():
    return Held()


@pytest.fixture
def world(tmp_path, settings, monkeypatch, clock, held):
    """A sandbox and our side configured for it; the SDK repeats nothing by itself, so that every fault is seen."""
    place = Settings(host="127.0.0.1", port=0, database=tmp_path / "sandbox.sqlite", api_key=KEY)
    monkeypatch.setattr(stripe_client, "NETWORK_RETRIES", 0)
    monkeypatch.setattr(limits, "reserve", lambda **_: timedelta())  # how fast we may call is not the matter here
    with Sandbox(settings=place, clock=clock.seconds, hold=held) as sandbox:
        settings.STRIPE_API_KEY, settings.STRIPE_API_URL = KEY, sandbox.base_url
        settings.STRIPE_WEBHOOK_SECRET = SECRET
        yield World(sandbox, clock)
        held.released.set()
