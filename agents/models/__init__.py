"""Tables of those who act."""

from agents.models.customers import Customer, Member
from agents.models.devices import Agent, Device
from agents.models.keys import ApiKey
from agents.models.seats import Seat

__all__ = ["Agent", "ApiKey", "Customer", "Device", "Member", "Seat"]
