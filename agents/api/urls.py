"""Addresses of the senders' door, mounted under /v1/."""

from django.urls import path

from agents.api.events import receive_events

urlpatterns = [path("events", receive_events, name="events")]
