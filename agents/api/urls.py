"""Addresses of the senders' door, mounted under /v1/."""

from django.urls import path

from agents.api.devices import DeviceListView, DeviceView
from agents.api.events import receive_events
from agents.api.reviews import ReconciliationView, ReviewListView
from agents.api.traces import receive_traces

urlpatterns = [
    path("events", receive_events, name="events"),
    path("traces", receive_traces, name="traces"),
    path("devices", DeviceListView.as_view(), name="devices"),
    path("devices/<str:key>", DeviceView.as_view(), name="device"),
    path("reviews", ReviewListView.as_view(), name="reviews"),
    path("reconciliation", ReconciliationView.as_view(), name="reconciliation"),
]
