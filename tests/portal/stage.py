"""What the portal's tests are played with: a plan, customers on it, usage that was really taken in, and people."""

import hashlib
import itertools
from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User

from agents import seats
from agents.models import Member
from agents.models.customers import Role
from billing import catalog, closing, subscriptions
from billing.models import Invoice, StripeInvoice
from metering import fold, ingest
from metering.event import UsageEvent
from metering.ingest import BatchEvidence
from metering.seeds import COMPUTE, DECISION, TURN
from runtime.wire import canonical

PASSWORD = "a long enough password"
PLAN = {
    "plan": "yard",
    "name": "Yard",
    "version": 1,
    "interval": "month",
    "rate_cards": [
        {"key": "base", "name": "Base fee", "unit": "month", "price": {"kind": "flat", "amount": "30.00"}},
        {
            "key": "turns",
            "name": "Turns",
            "meter": "turns",
            "unit": "turn",
            "price": {
                "kind": "graduated",
                "tiers": [{"up_to": "2", "unit": "0.50"}, {"up_to": None, "unit": "0.125"}],
            },
        },
        {
            "key": "seats",
            "name": "Seats",
            "meter": "seats",
            "unit": "seat",
            "per_period": True,
            "price": {"kind": "unit", "amount": "10.00"},
        },
    ],
}


def person(name, *customers, role=Role.OWNER, password=None):
    """A user who is a member of the customers; without a password nobody can sign in by the form."""
    user = User.objects.create_user(username=name, password=password)
    for customer in customers:
        Member.objects.create(user=user, customer=customer, role=role, joined_at=customer.created_at)
    return user


def subscribe(customer, *, starts_at, plan=PLAN):
    """Put the customer on the plan; its first period starts at `starts_at`."""
    document = plan | {"plan": f"{plan['plan']}-{customer.currency.lower()}", "currency": customer.currency}
    version = catalog.publish(version=catalog.import_plan(document=document, now=starts_at), now=starts_at)
    return subscriptions.start(customer=customer, version=version, starts_at=starts_at, now=starts_at)


class Work:
    """Sends usage of one customer in, as its agents would."""

    numbers = itertools.count(1)

    def __init__(self, customer):
        self.customer = customer

    def turns(self, *times, agent="crane", **data):
        for at in times:
            self._send(TURN, at, outcome="answered", turn=f"t{next(self.numbers)}", agent=agent, **data)

    def decisions(self, *times, agent="crane"):
        for at in times:
            self._send(DECISION, at, outcome="usable", turn=f"t{next(self.numbers)}", number=1, agent=agent)

    def compute(self, at, milliseconds, agent="crane"):
        self._send(
            COMPUTE, at, slice=f"s{next(self.numbers)}", milliseconds=milliseconds, agent=agent, hardware_class="cpu"
        )

    def seat(self, key, at):
        seats.assign(customer=self.customer, key=key, holder=key, at=at, now=at)

    def _send(self, kind, at, **data):
        number = f"{self.customer.key}-{next(self.numbers)}"
        body = canonical({"id": number, "data": data})
        event = UsageEvent(
            id=number,
            source=f"urn:test:{self.customer.key}",
            type=kind,
            subject="",
            time=at,
            environment="production",
            data=data,
            sequence=None,
            body=body,
        )
        recorded = ingest.record(
            customer_id=self.customer.pk,
            submissions=[event],
            received_at=at + timedelta(seconds=1),
            evidence=BatchEvidence(digest=hashlib.sha256(body).digest()),
        )
        assert recorded.counts["accepted"] == 1, recorded


def count(now):
    """Fold what was sent."""
    fold.fold_all(now=now)


def invoice(customer, *, now):
    """Close what is due and return the customer's newest invoice."""
    closed = closing.close_due(now=now)
    assert not closed.parked, closed.parked
    return Invoice.objects.filter(customer=customer).latest("pk")


def offer_payment(bill, url="https://invoice.stripe.example/i/1"):
    """Let Stripe have a page for the invoice."""
    return StripeInvoice.objects.create(
        invoice=bill,
        stripe_id=f"in_{bill.pk}",
        livemode=False,
        status="open",
        hosted_url=url,
        read_at=bill.issued_at,
    )


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc]  # the parts never reach to the time zone
