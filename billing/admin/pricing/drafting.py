"""The pages on which a version is drafted: the form, its rows as they come and go, and its worked examples."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST
from django_htmx.http import HttpResponseClientRedirect

from billing import approvals, catalog, drafts
from billing.admin.pricing import documents, examples
from billing.admin.pricing.entries import Tree, add_row, nest, remove_row
from billing.admin.pricing.form import DraftForm, Fault
from billing.admin.pricing.pages import address, context, require
from billing.errors import PlanDocumentError, PlanVersionConflictError, PriceError
from billing.models import Plan, PlanVersion
from billing.models.catalog import VersionStatus
from metering import usage

ASIDE: Final = frozenset({"csrfmiddlewaretoken", "action", "seen"})
ROWS: Final = {"add": add_row, "remove": remove_row}


def new(request: HttpRequest) -> HttpResponse:
    """Show and take the form of a version that does not exist yet; `?copy=` starts with the content of another."""
    require(request, "billing.add_planversion")
    if request.method == "POST":
        return _take(request, version=None)
    copied = request.GET.get("copy", "")
    tree = documents.tree_of(drafts.document_of(_version(copied))) if copied.isdecimal() else _blank()
    return _show(request, tree, version=None)


def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Show and take the form of a draft."""
    require(request, "billing.change_planversion")
    version = _version(pk)
    if version.status != VersionStatus.DRAFT:
        messages.error(request, "A published version never changes: copy it as a draft.")
        return redirect(address("change", pk))
    if request.method == "POST":
        return _take(request, version=version)
    return _show(request, documents.tree_of(drafts.document_of(version)), version=version)


@require_POST
def example(request: HttpRequest, at: int) -> HttpResponse:
    """Work the examples of one rate card out from the form as it stands, saved or not."""
    require(request, "billing.change_planversion")
    worked = examples.work(tree=_tree(request), at=at, meters=_dimensions())
    return render(request, "admin/pricing/_examples.html", {"worked": worked})


def _take(request: HttpRequest, version: PlanVersion | None) -> HttpResponse:
    """Do what the pressed button says: add or remove a row, show the form again, or save."""
    tree = _tree(request)
    verb, _, name = request.POST.get("action", "show").partition(":")
    if verb in ROWS:
        ROWS[verb](tree, name)
    elif verb == "save":
        try:
            saved = _save(request, tree, version)
        except (PlanDocumentError, PriceError) as error:
            return _show(request, tree, version=version, fault=Fault.of(error))
        except PlanVersionConflictError as error:
            return _show(request, tree, version=version, fault=Fault(detail=str(error)))
        messages.success(request, f"Version {saved.number} of {saved.plan.name} is saved as a draft.")
        return _lead(request, address("draft", saved.pk))
    return _show(request, tree, version=version)


@transaction.atomic
def _save(request: HttpRequest, tree: Tree, version: PlanVersion | None) -> PlanVersion:
    """Keep the form as a draft. Raises PlanDocumentError, PriceError and PlanVersionConflictError."""
    if version is not None:
        held = PlanVersion.objects.select_for_update().select_related("plan").get(pk=version.pk)
        if approvals.digest_of(held) != request.POST.get("seen"):
            raise PlanVersionConflictError("Somebody saved this draft meanwhile; open it anew to see what changed.")
        tree["plan"], number = held.plan.key, held.number
    else:
        plan = Plan.objects.filter(key=str(tree.get("plan", "")).strip()).first()
        number = drafts.next_number(plan=plan) if plan else 1
    return catalog.import_plan(document=documents.document_of(tree, number=number), now=datetime.now(UTC))


def _show(request: HttpRequest, tree: Tree, *, version: PlanVersion | None, fault: Fault | None = None) -> HttpResponse:
    form = DraftForm(tree=tree, meters=_meters(), fault=fault or Fault())
    page = context(request, f"Draft of {version.plan.name}, version {version.number}" if version else "New version")
    page |= {
        "form": form,
        "version": version,
        "seen": (request.POST.get("seen") or approvals.digest_of(version)) if version else "",
        "worked": [examples.work(tree=tree, at=at, meters=_dimensions()) for at in range(len(form.cards))],
        "pending": approvals.pending(version=version) if version else None,
    }
    part = request.headers.get("HX-Request") == "true"
    return render(request, "admin/pricing/_form.html" if part else "admin/pricing/draft.html", page)


def _lead(request: HttpRequest, to: str) -> HttpResponse:
    """Lead to another page; a script would take a redirect's page for a part of this one."""
    return HttpResponseClientRedirect(to) if request.headers.get("HX-Request") == "true" else redirect(to)


def _tree(request: HttpRequest) -> Tree:
    return nest({name: value for name, value in request.POST.items() if name not in ASIDE and isinstance(value, str)})


def _blank() -> Tree:
    return {"currencies": "EUR", "interval": "month", "rate_cards": [{"rounding": "none", "billed": "arrears"}]}


def _version(pk: int | str) -> PlanVersion:
    return get_object_or_404(PlanVersion.objects.select_related("plan"), pk=pk)


def _meters() -> dict[str, str]:
    return {meter.key: f"{meter.name} ({meter.unit})" for meter in usage.meters()}


def _dimensions() -> Mapping[str, tuple[str, ...]]:
    return {meter.key: tuple(meter.dimensions) for meter in usage.meters()}
