"""Tables of those who act."""

from agents.models.customers import Customer, Member
from agents.models.devices import Agent, Device, DeviceFinding
from agents.models.feeds import Feed
from agents.models.idempotency import IdempotentRequest
from agents.models.keys import ApiKey
from agents.models.seats import Seat
from agents.models.traces import Span, Trace

__all__ = [
    "Agent",
    "ApiKey",
    "Customer",
    "Device",
    "DeviceFinding",
    "Feed",
    "IdempotentRequest",
    "Member",
    "Seat",
    "Span",
    "Trace",
]
