"""The fault run: every call of every journey, struck by every fault, still ends in one invoice, charged once.

A journey is taken once undisturbed, which tells the calls it makes. Then it is taken once for each of them, by another
customer each time, with that call struck.
"""

from collections import Counter
from functools import partial
from itertools import islice

import pytest

from billing.stripe import client as stripe_client
from billing.stripe import reconcile
from billing.stripe.sandbox.routes import ROUTES
from tests.stripe import faulting
from tests.stripe.faulting import NEXT_DAY, SOON, assert_true

pytestmark = pytest.mark.django_db

# Each journey, and how many of its stages are another's, whose calls are struck there.
JOURNEYS = {
    "sent": (faulting.sent, 0),
    "charged": (faulting.charged, 0),
    "refunded": (faulting.refunded, 1),
    "lowered": (faulting.lowered, 1),
    "voided": (faulting.voided, 1),
    "given_up": (faulting.given_up, 1),
    "renamed": (faulting.renamed, 1),
}
METHODS = {route.operation: route.method for route in ROUTES}


# Shorter than the suite would like to wait, longer than any answer that is not held takes.
SECONDS_TO_WAIT = 0.25


def calls_of(world, name):
    """The calls of a journey that nothing disturbs, without those of another's stages: operation and number, from 1."""
    journey, taken = JOURNEYS[name]
    before = world.calls()
    skipped: Counter[str] = Counter()
    stages = world.stages(journey)
    for _ in islice(stages, taken):
        skipped = world.calls() - before
    *_, invoice = stages
    made = world.calls() - before
    assert_true(world, invoice)
    return [(call, nth) for call in sorted(made) for nth in range(skipped[call] + 1, made[call] + 1)]


def changes_of(world, name):
    """Those of a journey's calls that change something at Stripe."""
    return [(call, nth) for call, nth in calls_of(world, name) if METHODS[call] == "POST"]


def strike(world, name, call, kind, pause=SOON):
    """Take the journey with one call struck, to its end, and look at everything."""
    operation, nth = call
    world.plan(operation, kind, nth)
    invoice = world.travel(JOURNEYS[name][0], pause)
    assert not world.planned(), f"{kind} at call {nth} of {operation} never struck"
    look(world, invoice, f"{kind} at call {nth} of {operation}, looked at again after {pause}")


def look(world, invoice, what):
    try:
        assert_true(world, invoice)
    except AssertionError as error:
        error.add_note(f"after {what}")
        raise


@pytest.mark.parametrize("name", JOURNEYS)
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "500_after", "429"])
def test_every_call_of_every_journey_is_struck(world, name, kind):
    """Calls that only read change nothing, whatever becomes of their answer: they are struck by one kind."""
    for call in calls_of(world, name) if kind == "drop_after" else changes_of(world, name):
        strike(world, name, call, kind)
    if kind == "500_after":
        assert not reconcile.compare(now=world.clock.now).findings


@pytest.mark.parametrize("name", JOURNEYS)
def test_an_answer_is_lost_until_stripe_has_forgotten_the_key(world, name):
    """Stripe carries the same key out again after 24 hours: it is looked for first (stripe.md F 26)."""
    for call in changes_of(world, name):
        strike(world, name, call, "drop_after", NEXT_DAY)
    assert not reconcile.compare(now=world.clock.now).findings


def test_a_call_that_never_arrived_is_made_under_a_new_key_a_day_later(world):
    for call in changes_of(world, "sent"):
        strike(world, "sent", call, "drop_before", NEXT_DAY)


@pytest.mark.parametrize("name", JOURNEYS)
def test_a_call_takes_longer_than_we_wait_and_is_carried_out_after_we_have_gone(world, name, held, monkeypatch):
    """We ask again while the first call still runs, which Stripe refuses (409), and once more when it is done."""
    calls = changes_of(world, name)
    monkeypatch.setattr(stripe_client, "READ_SECONDS", SECONDS_TO_WAIT)
    stripe_client._client.cache_clear()
    world.deliver = partial(held.deliver, world.sandbox)
    for call in calls:
        held.renew()
        strike(world, name, call, "slow")
        assert held.released.is_set()
