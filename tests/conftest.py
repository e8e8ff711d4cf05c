"""Fixtures that every test may use."""

import pytest

from agents import intake
from metering import origins, partitions, rulebook, seeds
from metering.models import EventType, Meter


@pytest.fixture(autouse=True)
def _forgetful():
    """No test starts with what a process remembers of another test's rows."""
    for memory in (intake, origins, partitions, rulebook):
        memory.forget()


@pytest.fixture(autouse=True)
def _unlimited(settings):
    """The sandbox of the tests takes as many calls as come; limits have tests of their own."""
    settings.STRIPE_CALLS_PER_SECOND = settings.STRIPE_ENDPOINT_CALLS_PER_SECOND = 100_000


@pytest.fixture
def committed(transactional_db):
    """A database in which transactions really commit, with the seeded meters (another test's flush takes them away)."""
    seeds.plant(meter=Meter, event_type=EventType)
