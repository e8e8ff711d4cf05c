"""Fixtures that every test may use."""

import pytest

from metering import seeds
from metering.models import EventType, Meter


@pytest.fixture
def committed(transactional_db):
    """A database in which transactions really commit, with the seeded meters (another test's flush takes them away)."""
    seeds.plant(meter=Meter, event_type=EventType)
