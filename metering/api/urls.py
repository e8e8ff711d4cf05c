"""Addresses of the questions about usage, under /v1/."""

from django.urls import path

from metering.api.views import MeterListView, MeterQueryView

urlpatterns = [
    path("meters", MeterListView.as_view(), name="meters"),
    path("meters/<str:key>/query", MeterQueryView.as_view(), name="meter-query"),
]
