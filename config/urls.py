"""Addresses: the API under /v1/, compatible doors under /api/v1/, Stripe's webhooks, the portal, the admin."""

from django.contrib import admin
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.generic import RedirectView
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from config.errors import problem


def healthz(_request: HttpRequest) -> HttpResponse:
    """Answer 200 while the database answers, else 503; load balancers and the demo wait for it."""
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    except DatabaseError as error:
        return problem(error)
    return HttpResponse("ok\n", content_type="text/plain")


handler404 = "config.errors.answer_missing"

urlpatterns = [
    path("", RedirectView.as_view(pattern_name="portal:overview")),
    path("healthz", healthz),
    path("api/v1/", include("agents.compat.urls")),
    path("v1/schema", SpectacularAPIView.as_view(), name="schema"),
    path("v1/docs", SpectacularSwaggerView.as_view(url_name="schema"), name="docs"),
    path("v1/", include("agents.api.urls")),
    path("v1/", include("metering.api.urls")),
    path("v1/", include("billing.api.urls")),
    path("webhooks/", include("billing.stripe.urls")),
    path("portal/", include("billing.portal.urls")),
    path("admin/", admin.site.urls),
]
