"""Stripe's events come twice, late, out of order, forged, stale or never, through a real door: our state is right.

The sandbox posts every event of a whole journey over HTTP; the door gives each to the inbox and answers as our view
does. Between two posts nothing is applied, so that the order is the sandbox's; then the inbox is worked off.
"""

import queue
import threading
import time
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from billing.models import Dispute, LedgerTransaction, Payment, PaymentAttempt, Refund, StripeInvoice, WebhookEvent
from billing.models.invoices import InvoiceStatus
from billing.models.payments import WebhookState
from billing.models.profiles import Collection
from billing.stripe import client as stripe_client
from billing.stripe import limits, outbox, reconcile, webhooks
from billing.stripe.errors import ModeError, WebhookError
from billing.stripe.sandbox import disputes
from billing.stripe.sandbox.server import Sandbox
from billing.stripe.sandbox.settings import Settings
from tests.stripe import faulting
from tests.stripe.conftest import KEY, SECRET
from tests.stripe.faulting import World, assert_true

pytestmark = pytest.mark.django_db

PATIENCE_SECONDS = 20
# What happens to an event on its way, and how often what came of it is refused at the door.
DISORDERS = {
    "duplicate": 0,
    "twin": 0,
    "reorder": 0,
    "delay": 0,
    "wrong_secret": 1,
    "unsigned": 1,
    "stale": 1,
    "future": 1,
    "rotated": 0,
    "unknown_type": 0,
    "livemode": 1,
}


class Door:
    """Takes posts in the threads of a server and answers them in the test's own, which has the database."""

    def __init__(self, clock):
        self.clock = clock
        self.posts: queue.Queue[tuple[bytes, str, queue.Queue[int]]] = queue.Queue()
        self.answers: list[int] = []

    def __enter__(self):
        door = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                reply: queue.Queue[int] = queue.Queue()
                door.posts.put((body, self.headers.get("Stripe-Signature", ""), reply))
                self.send_response(reply.get(timeout=PATIENCE_SECONDS))
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args):
                """Keep the test's output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/webhooks/stripe"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,))
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def answer(self, body, signature):
        try:
            webhooks.receive(body=body, signature=signature, now=self.clock.now)
        except (WebhookError, ModeError):
            return 400
        return 200

    def take_in(self, is_done):
        """Answer every post until nothing is left to come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (is_done() and self.posts.empty()):
            assert time.monotonic() < deadline, "the sandbox still owes events"
            try:
                body, signature, reply = self.posts.get(timeout=0.02)
            except queue.Empty:
                continue
            self.answers.append(self.answer(body, signature))
            reply.put(self.answers[-1])


class Told(World):
    """A world whose Stripe tells of everything that happens there."""

    def __init__(self, sandbox, clock, door):
        super().__init__(sandbox, clock)
        self.door = door

    def disturb(self, kind, event_type, **plan):
        self._post("deliveries", {"kind": kind, "type": event_type, **plan})

    def undelivered(self):
        return requests.get(f"{self.sandbox.base_url}/_sandbox/health", timeout=10).json()["undelivered_events"]

    def listen(self, leaving=0):
        """Take in what Stripe posts, then act on it until nothing waits."""
        self.door.take_in(lambda: self.undelivered() <= leaving)
        for _ in range(faulting.ROUNDS):
            webhooks.apply_pending(now=self.clock.now)
            if not WebhookEvent.objects.filter(state__in=[WebhookState.RECEIVED, WebhookState.FAILED]).exists():
                return
            self.clock.now += faulting.SOON

    def pass_time(self, seconds):
        self.clock.now += timedelta(seconds=seconds)
        self._post("clock", {"advance": 0})  # the sandbox reads the same clock: this wakes it


@pytest.fixture
def world(tmp_path, settings, monkeypatch, clock):
    monkeypatch.setattr(stripe_client, "NETWORK_RETRIES", 0)
    monkeypatch.setattr(limits, "reserve", lambda **_: timedelta())
    with Door(clock) as door:
        place = Settings(
            host="127.0.0.1",
            port=0,
            database=tmp_path / "sandbox.sqlite",
            api_key=KEY,
            webhook_url=door.url,
            webhook_secret=SECRET,
        )
        with Sandbox(settings=place, clock=clock.seconds, first_wait=0.01) as sandbox:
            settings.STRIPE_API_KEY, settings.STRIPE_API_URL = KEY, sandbox.base_url
            settings.STRIPE_WEBHOOK_SECRET = SECRET
            yield Told(sandbox, clock, door)


def pay_by_page(world, invoice):
    """The customer pays at Stripe: what we know of it we know from events."""
    stripe_id = StripeInvoice.objects.get(invoice=invoice).stripe_id
    world.api.invoices.pay(stripe_id, {"payment_method": "pm_card_visa"})


def assert_paid(invoice, times=1):
    """Paid here, by one payment booked once, whatever we were told how often."""
    invoice.refresh_from_db()
    assert invoice.status == InvoiceStatus.PAID
    assert [payment.amount for payment in Payment.objects.filter(invoice=invoice)] == [invoice.due] * times
    booked = LedgerTransaction.objects.filter(key__startswith="payment:", entries__customer=invoice.customer)
    assert booked.distinct().count() == times
    assert StripeInvoice.objects.get(invoice=invoice).status == "paid"


@pytest.mark.parametrize("kind", DISORDERS)
def test_every_disorder_of_the_events_that_tell_of_a_payment(world, kind):
    invoice = world.travel(faulting.sent)
    world.listen()
    told, refused = ["invoice.paid", "invoice.payment_succeeded"], DISORDERS[kind]
    told = told[:1] if kind == "reorder" else told  # the other one overtakes it
    world.door.answers.clear()
    for event_type in told:
        world.disturb(kind, event_type, **({"seconds": 3600} if kind == "delay" else {}))
    pay_by_page(world, invoice)
    if kind == "delay":
        world.listen(leaving=2)
        world.pass_time(3600)
    world.listen()
    assert_paid(invoice)
    assert world.door.answers.count(400) == 2 * refused, "what is not Stripe's, or not for now, stays outside"
    assert not WebhookEvent.objects.filter(livemode=True).exists()
    assert not reconcile.compare(now=world.clock.now).findings


def test_paid_is_told_before_finalized(world):
    world.disturb("delay", "invoice.finalized", seconds=3600)
    invoice = world.travel(faulting.sent)
    pay_by_page(world, invoice)
    world.listen(leaving=1)
    assert_paid(invoice)
    world.pass_time(3600)
    world.listen()
    assert WebhookEvent.objects.filter(type="invoice.finalized").count() == 1
    assert_paid(invoice)


def test_events_that_never_come_are_found_at_stripe(world):
    """Both events that tell of the money are lost: reconciliation reads them from Stripe's own list (stripe.md C11)."""
    invoice = world.travel(faulting.sent)
    world.listen()
    for event_type in ("invoice.paid", "invoice.payment_succeeded"):
        world.disturb("missing", event_type)
    pay_by_page(world, invoice)
    world.listen(leaving=2)
    invoice.refresh_from_db()
    assert invoice.status == InvoiceStatus.OPEN
    world.clock.now += timedelta(hours=2)
    reconcile.run(now=world.clock.now)
    webhooks.apply_pending(now=world.clock.now)
    assert_paid(invoice)


def test_a_transfer_pays_an_invoice_that_is_paid_by_transfer(world):
    invoice = world.travel(faulting.transferred)
    row = StripeInvoice.objects.get(invoice=invoice)
    customer = world.api.invoices.retrieve(row.stripe_id).customer
    for amount in (4000, 134):
        world.api.test_helpers.customers.fund_cash_balance(customer, {"amount": amount, "currency": "eur"})
    world.listen()
    assert_paid(invoice)


def test_a_declined_card_is_noted_once_and_the_next_attempt_pays(world):
    """Dunning reads the attempts; an attempt that is both answered and told by an event is one."""
    customer = world.enrol(Collection.CARD_ON_FILE, card="pm_card_chargeCustomerFail")
    invoice = world.issue(customer)
    for event_type in ("invoice.payment_failed", "invoice.paid"):
        world.disturb("twin", event_type)
    world.settle()
    world.listen()
    invoice.refresh_from_db()
    assert invoice.status == InvoiceStatus.OPEN
    assert [attempt.outcome for attempt in PaymentAttempt.objects.filter(invoice=invoice)] == ["declined"]
    stripe_id = StripeInvoice.objects.get(invoice=invoice).stripe_id
    card = world.api.payment_methods.attach("pm_card_visa", {"customer": customer.stripe.stripe_id}).id
    good = {"invoice_settings": {"default_payment_method": card}}
    world.api.customers.update(customer.stripe.stripe_id, good)
    outbox.enqueue_payment(invoice=invoice, attempt=2, now=world.clock.now)
    world.settle()
    world.listen()
    assert world.api.invoices.retrieve(stripe_id).attempt_count == 2
    assert_paid(invoice)


def test_refunds_are_told_twice_and_out_of_order(world):
    for kind, event_type in (
        ("reorder", "refund.created"),
        ("duplicate", "charge.refunded"),
        ("twin", "refund.created"),
    ):
        world.disturb(kind, event_type)
    invoice = world.travel(faulting.refunded)
    world.listen()
    assert_true(world, invoice)
    assert Refund.objects.filter(payment__invoice=invoice).count() == 1
    assert LedgerTransaction.objects.filter(key__startswith="refund:").count() == 1


@pytest.mark.parametrize("verdict", ["won", "lost"])
def test_a_dispute_is_told_twice_and_its_end_before_its_beginning(world, verdict):
    invoice = world.travel(faulting.charged)
    world.listen()
    world.disturb("delay", "charge.dispute.created", seconds=3600)
    world.disturb("twin", "charge.dispute.closed")
    (charge,) = world.api.charges.list({"customer": world.api.invoices.list().data[0].customer}).data
    with world.sandbox.acting() as call:
        opened = disputes.open_on(call=call, charge=call.fetch(kind="charge", id=charge.id))
        disputes.decide(call=call, dispute=opened["id"], verdict=verdict)
    world.listen(leaving=1)
    world.pass_time(3600)
    world.listen()
    assert [dispute.status for dispute in Dispute.objects.all()] == [verdict]
    assert Dispute.objects.get().invoice_id == invoice.pk
