"""Addresses of the compatible doors, mounted under /api/v1/."""

from django.urls import path

from agents.compat.events import batch, event, events
from agents.compat.meters import meter, meters, query

urlpatterns = [
    path("events", events),
    path("events/batch", batch),
    path("events/<path:transaction_id>", event),
    path("meters", meters),
    path("meters/<str:slug>", meter),
    path("meters/<str:slug>/query", query),
]
