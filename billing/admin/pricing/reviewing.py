"""The page of a version's history: who changed what, from what to what, and when."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render

from billing import history
from billing.admin.pricing.pages import context, require
from billing.history import Edit
from billing.models import PlanVersion
from billing.rating.numbers import text_of


def review(request: HttpRequest, pk: int) -> HttpResponse:
    """Show every edit of a version and its rate cards, the newest first."""
    require(request, "billing.view_planversion")
    version = get_object_or_404(PlanVersion.objects.select_related("plan"), pk=pk)
    page = context(request, f"History of {version.plan.name}, version {version.number}")
    page |= {"version": version, "edits": [_shown(edit) for edit in history.edits(version=version)]}
    return render(request, "admin/pricing/history.html", page)


def _shown(edit: Edit) -> dict[str, Any]:
    """Return an edit as the page shows it, every value as a text."""
    changes = [(one.subject, one.field, _text(one.before), _text(one.after)) for one in edit.changes]
    return {"at": edit.at, "actor": edit.actor, "changes": changes}


def _text(value: object) -> str:
    match value:
        case None:
            return ""
        case Decimal():
            return text_of(value)
        case datetime():
            return value.astimezone(UTC).isoformat(timespec="seconds")
        case dict() | list() | bool():
            return json.dumps(value, ensure_ascii=False)
        case _:
            return str(value)
