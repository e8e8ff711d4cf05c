"""Addresses of the Stripe side, under /webhooks/."""

from django.urls import path

from billing.stripe import views

urlpatterns = [path("stripe", views.receive_webhook, name="stripe-webhook")]
