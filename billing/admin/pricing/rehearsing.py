"""The page on which a version is tried on every customer's past: asked for, watched, and read as tables and a chart."""

from datetime import UTC, datetime
from typing import Any, Final

from django.contrib.auth.models import User
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from billing import rehearsals, tasks
from billing.admin.pricing.pages import address, context, require
from billing.models import PlanVersion, Rehearsal, RehearsalResult
from billing.models.rehearsals import RehearsalState
from billing.money import Money
from billing.rehearsals import Bar, Summary

MOST_PERIODS: Final = 36
USUAL_PERIODS: Final = 12
UNPRICED_SHOWN: Final = 20


def rehearse(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the newest rehearsal of a version, with its progress while it runs; a POST asks for another one."""
    require(request, "billing.change_planversion")
    version = get_object_or_404(PlanVersion.objects.select_related("plan"), pk=pk)
    if request.method == "POST":
        _start(version, request)
        return redirect(address("rehearse", pk))
    rehearsal = version.rehearsals.order_by("-pk").first()
    page = context(request, f"Back-test of {version.plan.name}, version {version.number}")
    page |= {"version": version, "rehearsal": rehearsal, "usual": USUAL_PERIODS, "most": MOST_PERIODS}
    page |= _found(rehearsal) if rehearsal else {}
    part = request.headers.get("HX-Request") == "true"
    return render(request, "admin/pricing/_rehearsal.html" if part else "admin/pricing/rehearse.html", page)


def _start(version: PlanVersion, request: HttpRequest) -> None:
    text = request.POST.get("periods", "")
    periods = min(max(int(text), 1), MOST_PERIODS) if text.isdecimal() else USUAL_PERIODS
    assert isinstance(request.user, User)  # noqa: S101 the admin lets nobody in without signing in
    with transaction.atomic():
        rehearsal = rehearsals.request(version=version, periods=periods, by=request.user, now=datetime.now(UTC))
        transaction.on_commit(lambda: tasks.rehearse.delay(rehearsal.pk))


def _found(rehearsal: Rehearsal) -> dict[str, Any]:
    if rehearsal.state != RehearsalState.DONE:
        return {"is_waiting": rehearsal.state in {RehearsalState.WAITING, RehearsalState.RUNNING}}
    unpriced = rehearsals.unpriced(rehearsal=rehearsal)
    return {
        "summaries": [_shown(summary) for summary in rehearsals.summaries(rehearsal=rehearsal)],
        "unpriced": unpriced[:UNPRICED_SHOWN],
        "unpriced_number": unpriced.count(),
        "is_current": rehearsals.is_current(rehearsal=rehearsal),
    }


def _shown(summary: Summary) -> dict[str, Any]:
    """Return a summary as the page shows it: `chart` is for the script, `rows` say the same as a table."""
    labels, customers = [_label(bar) for bar in summary.bars], [bar.customers for bar in summary.bars]
    return {
        "currency": summary.currency,
        "customers": summary.customers,
        "before": summary.before,
        "after": summary.after,
        "change": summary.change,
        "percent": summary.percent,
        "chart": {"labels": labels, "customers": customers},
        "chart_id": f"bars-{summary.currency}",
        "rows": list(zip(labels, customers, strict=True)),
        "winners": [_person(result) for result in summary.winners],
        "losers": [_person(result) for result in summary.losers],
    }


def _person(result: RehearsalResult) -> dict[str, Any]:
    before, after = (Money(amount, result.currency) for amount in (result.before, result.after))
    return {"name": result.customer.name, "before": before, "after": after, "change": after - before}


def _label(bar: Bar) -> str:
    if bar.from_percent is None:
        return f"below {bar.to_percent} %"
    if bar.to_percent is None:
        return f"from {bar.from_percent:+} %"
    return f"{_signed(bar.from_percent)} to {_signed(bar.to_percent)} %"


def _signed(percent: int) -> str:
    return f"{percent:+}" if percent else "0"
