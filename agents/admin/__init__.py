"""Those who act, readable in the admin; changes go through the package's own functions."""

from agents.admin.customers import AgentAdmin, ApiKeyAdmin, CustomerAdmin, SeatAdmin
from agents.admin.devices import DeviceAdmin, DeviceFindingAdmin
from agents.admin.traces import FeedAdmin, TraceAdmin

__all__ = [
    "AgentAdmin",
    "ApiKeyAdmin",
    "CustomerAdmin",
    "DeviceAdmin",
    "DeviceFindingAdmin",
    "FeedAdmin",
    "SeatAdmin",
    "TraceAdmin",
]
