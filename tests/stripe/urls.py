"""Only the webhook's address, mounted as the service mounts it."""

from django.urls import include, path

urlpatterns = [path("webhooks/", include("billing.stripe.urls"))]
