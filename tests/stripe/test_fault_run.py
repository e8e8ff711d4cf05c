"""The fault run: every call of every journey, struck by every fault, still ends in one invoice, charged once.

A journey is taken once undisturbed, which tells the calls it makes. Then it is taken once for each of them, by another
customer each time, with that call struck.
"""

import threading

import pytest

from billing.stripe import client as stripe_client
from billing.stripe import reconcile
from billing.stripe.sandbox.server import Sandbox
from billing.stripe.sandbox.settings import Settings
from tests.stripe import faulting
from tests.stripe.conftest import KEY, SECRET
from tests.stripe.faulting import NEXT_DAY, SOON, World, assert_true

pytestmark = pytest.mark.django_db

JOURNEYS = {
    journey.__name__: journey
    for journey in (
        faulting.sent,
        faulting.transferred,
        faulting.charged,
        faulting.refunded,
        faulting.lowered,
        faulting.voided,
        faulting.given_up,
        faulting.renamed,
    )
}
# In which nothing is asked twice that another journey has not asked already: enough for what is slow to test.
SHORT = ("charged", "lowered")
SECONDS_TO_WAIT = 0.25


class Held:
    """A slow call waits here until the test lets it go on, long after its caller has gone."""

    def __init__(self):
        self.reached, self.released = threading.Event(), threading.Event()

    def __call__(self, seconds):
        self.reached.set()
        assert self.released.wait(30)

    def renew(self):
        self.reached.clear()
        self.released.clear()


@pytest.fixture
def held():
    return Held()


@pytest.fixture
def world(tmp_path, settings, monkeypatch, clock, held):
    """A sandbox and our side configured for it; the SDK repeats nothing by itself, so that every fault is seen."""
    place = Settings(host="127.0.0.1", port=0, database=tmp_path / "sandbox.sqlite", api_key=KEY)
    monkeypatch.setattr(stripe_client, "NETWORK_RETRIES", 0)
    settings.STRIPE_CALLS_PER_SECOND = settings.STRIPE_ENDPOINT_CALLS_PER_SECOND = 1_000_000
    with Sandbox(settings=place, clock=clock.seconds, hold=held) as sandbox:
        settings.STRIPE_API_KEY, settings.STRIPE_API_URL = KEY, sandbox.base_url
        settings.STRIPE_WEBHOOK_SECRET = SECRET
        yield World(sandbox, clock)
        held.released.set()


def calls_of(world, journey):
    """The calls that a journey makes when nothing disturbs it: each operation with its numbers, from 1."""
    before = world.calls()
    invoice = world.travel(journey)
    made = world.calls() - before
    assert_true(world, invoice)
    own = {"customers.create"} if "pm_card" in str(journey.__doc__) else set()
    return [
        (operation, nth + 1) for operation in sorted(made) if operation not in own for nth in range(made[operation])
    ]


def strike(world, journey, operation, kind, nth, pause):
    """Take the journey with one call struck, to its end, and look at everything."""
    world.plan(operation, kind, nth)
    invoice = world.travel(journey, pause)
    world.drop_plans()
    try:
        assert_true(world, invoice)
    except AssertionError as error:
        error.add_note(f"after {kind} at call {nth} of {operation}, looked at again after {pause}")
        raise


@pytest.mark.parametrize("name", JOURNEYS)
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "500_after", "429"])
def test_every_call_of_every_journey_is_struck(world, name, kind):
    for operation, nth in calls_of(world, JOURNEYS[name]):
        strike(world, JOURNEYS[name], operation, kind, nth, SOON)
    assert not reconcile.compare(now=world.clock.now).findings


@pytest.mark.parametrize("name", ["refunded", "lowered"])
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "500_after"])
def test_every_call_is_struck_and_looked_at_again_when_stripe_has_forgotten_its_key(world, name, kind):
    """Stripe carries the same key out again after 24 hours: it is looked for first (stripe.md F 26)."""
    for operation, nth in calls_of(world, JOURNEYS[name]):
        strike(world, JOURNEYS[name], operation, kind, nth, NEXT_DAY)
    assert not reconcile.compare(now=world.clock.now).findings
