"""Addresses of meters, of the questions about usage and of corrections, under /v1/."""

from django.urls import path

from metering.api.corrections import VoidView
from metering.api.meters import MeterArchiveView, MeterListView, MeterView
from metering.api.views import AccountView, MeterQueryView

urlpatterns = [
    path("meters", MeterListView.as_view(), name="meters"),
    path("meters/<str:key>", MeterView.as_view(), name="meter"),
    path("meters/<str:key>/archive", MeterArchiveView.as_view(), name="meter-archive"),
    path("meters/<str:key>/query", MeterQueryView.as_view(), name="meter-query"),
    path("usage/account", AccountView.as_view(), name="usage-account"),
    path("events/void", VoidView.as_view(), name="event-void"),
]
