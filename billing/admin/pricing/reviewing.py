"""The page of a version's history: who changed what, from what to what, and when."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from billing import history
from billing.admin.pricing.pages import context, require
from billing.models import PlanVersion


def review(request: HttpRequest, pk: int) -> HttpResponse:
    """Show every edit of a version and its rate cards, the newest first."""
    require(request, "billing.view_planversion")
    version = get_object_or_404(PlanVersion.objects.select_related("plan"), pk=pk)
    page = context(request, f"History of {version.plan.name}, version {version.number}")
    page |= {"version": version, "edits": history.edits(version=version)}
    return render(request, "admin/pricing/history.html", page)
