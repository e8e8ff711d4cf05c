"""The ways of an invoice through Stripe, driven to their end whatever disturbs them, and what must be true then."""

import threading
import time
from collections import Counter
from datetime import timedelta
from decimal import Decimal

import requests
import stripe as sdk
from django.conf import settings

from agents.models import Customer
from billing import credit_notes, ledger, mirroring, voiding
from billing.credit_notes import Allocation, Cause
from billing.models import (
    BillingProfile,
    CreditNote,
    OutboxMessage,
    Payment,
    Refund,
    StripeCustomer,
    StripeInvoice,
    StripeObject,
)
from billing.models.credit_notes import CreditNoteStatus, Reason, RefundStatus
from billing.models.ledger import Account
from billing.models.payments import OutboxState
from billing.models.profiles import Collection
from billing.money import Money, to_minor_units
from billing.stripe import client as stripe_client
from billing.stripe import delivery, installation, outbox
from billing.stripe.sandbox import customers
from tests import factories
from tests.stripe import rows

OVER = {OutboxState.SUCCEEDED, OutboxState.SUPERSEDED}
# Longer than a worker's claim holds; and longer than Stripe keeps a key.
SOON, NEXT_DAY = timedelta(minutes=11), timedelta(hours=30)
ROUNDS = 12


class Held:
    """A slow call waits here until the test lets it go on, long after its caller has gone."""

    def __init__(self):
        self.reached, self.released = threading.Event(), threading.Event()
        self.runs = 0

    def __call__(self, seconds):
        self.reached.set()
        assert self.released.wait(30)

    def renew(self):
        self.reached.clear()
        self.released.clear()
        self.runs = 0

    def deliver(self, sandbox, *, now):
        """Deliver; after the second run of which the call knows, let it go on, and wait until it is done."""
        done = delivery.deliver(now=now)
        self.runs += self.reached.is_set()
        if self.runs == 2:
            self.released.set()
            while not sandbox.is_idle():
                time.sleep(0.001)
        return done


class World:
    """Our side and Stripe's; each journey through it has a customer and an invoice of its own."""

    def __init__(self, sandbox, clock, deliver=delivery.deliver):
        self.sandbox, self.clock, self.deliver = sandbox, clock, deliver
        # Not the client under test: it waits long enough for a busy machine, and no fault is meant for it.
        self.api = sdk.StripeClient(
            settings.STRIPE_API_KEY,
            stripe_version=stripe_client.API_VERSION,
            max_network_retries=0,
            base_addresses={"api": sandbox.base_url},
            http_client=sdk.RequestsClient(timeout=(5, 30)),
        ).v1
        self.journeys = 0

    def plan(self, operation, kind, nth=1):
        self._post("faults", {"operation": operation, "kind": kind, "nth": nth})

    def planned(self):
        return requests.get(f"{self.sandbox.base_url}/_sandbox/faults", timeout=10).json()["faults"]

    def calls(self):
        return Counter(requests.get(f"{self.sandbox.base_url}/_sandbox/calls", timeout=10).json()["calls"])

    def _post(self, name, body):
        answer = requests.post(f"{self.sandbox.base_url}/_sandbox/{name}", json=body, timeout=10)
        assert answer.status_code == 200, answer.text

    def enrol(self, collection, *, card=None):
        """A new customer of ours; with a card it is known at Stripe already, where the card is on file."""
        self.journeys += 1
        customer = factories.customer(f"acme{self.journeys}")
        BillingProfile.objects.create(customer=customer, collection=collection)
        if card:
            self.put_on_file(customer, card)
        return customer

    def put_on_file(self, customer, card):
        names = {"agentmeter_installation": installation.token(), "agentmeter_customer": customer.key}
        on_file = {"payment_method": card, "invoice_settings": {"default_payment_method": card}}
        with self.sandbox.acting() as call:  # from within: no call of a journey, and none that a fault is meant for
            made = customers.create(
                call=call, params={"email": customer.email, "name": customer.name, "metadata": names, **on_file}
            )
        StripeCustomer.objects.create(customer=customer, stripe_id=made["id"], livemode=False)

    def issue(self, customer):
        """An invoice of ours, issued now, and what Stripe must be asked for it."""
        number = f"AM-{self.journeys:06d}"
        invoice = rows.issued_invoice(customer, number, amounts=("29.00", "12.34"), issued_at=self.clock.now)
        outbox.enqueue_invoice(invoice=invoice, now=self.clock.now)
        return invoice

    def travel(self, journey, pause=SOON):
        """Take one journey to its end: after each of its stages everything that was asked is delivered."""
        *_, invoice = self.stages(journey, pause)
        return invoice

    def stages(self, journey, pause=SOON):
        for invoice in journey(self):
            self.settle(pause)
            yield invoice

    def settle(self, pause=SOON):
        """Deliver as the background does, again and again while time passes, until nothing waits any more."""
        for _ in range(ROUNDS):
            self.deliver(now=self.clock.now)
            if not OutboxMessage.objects.filter(state__in=outbox.UNFINISHED).exists():
                return
            self.clock.now += pause
            pause = SOON


def sent(world):
    """The customer, the draft, its lines, finalizing, the e-mail."""
    yield world.issue(world.enrol(Collection.HOSTED_PAGE))


def transferred(world):
    """As sent, for a customer that pays by bank transfer."""
    yield world.issue(world.enrol(Collection.BANK_TRANSFER))


def charged(world):
    """The card on file is charged."""
    yield world.issue(world.enrol(Collection.CARD_ON_FILE, card="pm_card_visa"))


def refunded(world):
    """Charged, and then a part of it is credited and goes back to the card."""
    (invoice,) = charged(world)
    yield invoice
    credit(world, invoice, "12.34", goes_back=True)
    yield invoice


def lowered(world):
    """Sent, lowered by a credit note before it is paid; the note is voided, and another one stands."""
    (invoice,) = sent(world)
    yield invoice
    note = credit(world, invoice, "12.34")
    yield invoice
    credit_notes.void(note=note, actor="ben", reason="Not theirs.", now=world.clock.now)
    outbox.enqueue_credit_note_void(note=note, now=world.clock.now)
    credit(world, invoice, "2.00", key="two")
    yield invoice


def voided(world):
    """Sent, and then taken back."""
    (invoice,) = sent(world)
    yield invoice
    voiding.void(invoice=invoice, actor="ben", reason="Not theirs.", now=world.clock.now)
    yield invoice


def given_up(world):
    """Sent, and then written off."""
    (invoice,) = sent(world)
    yield invoice
    voiding.write_off(invoice=invoice, actor="ben", reason="Insolvent.", now=world.clock.now)
    yield invoice


def renamed(world):
    """Sent to a customer whose name changes afterwards, twice."""
    (invoice,) = sent(world)
    yield invoice
    for name in ("Acme Ltd", "Acme plc"):
        Customer.objects.filter(pk=invoice.customer_id).update(name=name)
        invoice.customer.refresh_from_db()
        outbox.enqueue_customer(customer=invoice.customer, now=world.clock.now)
    yield invoice


def credit(world, invoice, text, *, key="one", goes_back=False):
    """Credit an amount: it lowers what is owed, or goes back to the card that paid."""
    amount, nothing = Money(Decimal(text), invoice.currency), Money(Decimal(0), invoice.currency)
    why = Cause(f"{invoice.number}:{key}", Reason.PRODUCT_UNSATISFACTORY, "It was down.", "anna")
    lines = mirroring.of_total(invoice=invoice, amount=amount)
    note = credit_notes.draft(invoice=invoice, lines=lines, cause=why, now=world.clock.now)
    parts = Allocation(refund=amount, credit=nothing, outside=nothing) if goes_back else None
    note = credit_notes.issue(note=note, actor="ben", now=world.clock.now, allocation=parts)
    outbox.enqueue_credit_note(note=note, now=world.clock.now)
    return note


def assert_true(world, invoice):
    """One customer, one invoice, one of everything, equal to ours to the cent; nothing waits and nothing failed."""
    invoice.refresh_from_db()
    left = OutboxMessage.objects.filter(customer=invoice.customer).exclude(state__in=OVER)
    assert not [(message.key, message.state, message.error) for message in left]
    customer = StripeCustomer.objects.get(customer=invoice.customer)
    named = _all(world.api.customers, email=invoice.customer.email)
    assert [(one.id, one.name) for one in named] == [
        (customer.stripe_id, Customer.objects.get(pk=invoice.customer_id).name)
    ]
    (remote,) = _all(world.api.invoices, customer=customer.stripe_id)
    assert (remote.number, remote.total, remote.currency) == (invoice.number, minor(invoice.due), "eur")
    assert [line.amount for line in remote.lines.data] == [2900, 1234]
    assert remote.metadata.to_dict()["agentmeter_digest"] == invoice.digest
    assert StripeInvoice.objects.get(invoice=invoice).stripe_id == remote.id
    assert remote.status == invoice.status == StripeInvoice.objects.get(invoice=invoice).status
    assert_told_once(world, invoice, remote)
    assert_money(world, invoice, remote, customer.stripe_id)
    assert_credited(world, invoice, remote)


def assert_told_once(world, invoice, remote):
    """The customer was written to at most once: once where it is asked to pay by itself."""
    told = _all(world.api.events, type="invoice.sent", created={"gte": remote.created})
    events = [one for one in told if one.data.object["id"] == remote.id]
    assert len(events) == (0 if invoice.customer.billing.collection == Collection.CARD_ON_FILE else 1)


def assert_money(world, invoice, remote, customer_id):
    """What came there is what we booked, each once; what went back too; cash is the difference (stripe.md F 33)."""
    charges = [one for one in _all(world.api.charges, customer=customer_id) if one.status == "succeeded"]
    payments = list(Payment.objects.filter(invoice=invoice))
    assert [one.amount for one in charges] == [minor(one.amount) for one in payments]
    assert len(payments) == (1 if invoice.customer.billing.collection == Collection.CARD_ON_FILE else 0)
    came_back = Refund.objects.filter(payment__invoice=invoice, status=RefundStatus.SUCCEEDED)
    assert [one.amount_refunded for one in charges] == [sum(minor(one.amount) for one in came_back)] * len(charges)
    made = [one for charge in charges for one in _all(world.api.refunds, charge=charge.id)]
    assert sorted(one.id for one in made) == sorted(str(one.stripe_id) for one in came_back)
    assert not Refund.objects.filter(payment__invoice=invoice, status=RefundStatus.PENDING).exists()
    cash = ledger.balance(account=Account.CASH, currency="EUR", customer=invoice.customer)
    assert minor(cash.amount) == sum(one.amount - one.amount_refunded for one in charges)


def assert_credited(world, invoice, remote):
    """Every credit note of ours stands there once, over the same amount, in the same state."""
    ours = CreditNote.objects.filter(invoice=invoice).exclude(status=CreditNoteStatus.DRAFT)
    expected = sorted((note.number, minor(note.total), note.status) for note in ours)
    theirs = _all(world.api.credit_notes, invoice=remote.id)
    found = sorted((one.metadata.to_dict()["agentmeter_credit_note"], one.amount, one.status) for one in theirs)
    assert found == expected
    kept = StripeObject.objects.filter(invoice=invoice, kind="credit_note").values_list("reference", "status")
    assert sorted(kept) == [(number, status) for number, _, status in expected]


def minor(amount):
    return to_minor_units(Money(amount, "EUR"))


def _all(resource, **params):
    return list(resource.list({"limit": 100, **params}).auto_paging_iter())
