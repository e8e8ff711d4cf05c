"""The page on which a draft is proposed by one person and published, or turned down, by another."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from billing import approvals
from billing.admin.pricing.pages import address, context, require
from billing.errors import ApprovalError
from billing.models import Approval, PlanVersion
from billing.models.rehearsals import RehearsalState


def publish(request: HttpRequest, pk: int) -> HttpResponse:
    """Show where a version stands on its way to publication, and take the next step."""
    require(request, "billing.change_planversion")
    version = get_object_or_404(PlanVersion.objects.select_related("plan"), pk=pk)
    if request.method == "POST":
        _step(request, version)
        return redirect(address("publish", pk))
    pending = approvals.pending(version=version)
    page = context(request, f"Publish {version.plan.name}, version {version.number}")
    page |= {
        "version": version,
        "pending": pending,
        "is_edited": pending is not None and pending.digest != approvals.digest_of(version),
        "is_own": pending is not None and pending.proposer_id == request.user.pk,
        "history": version.approvals.select_related("proposer", "approver").order_by("-pk"),
        "rehearsal": version.rehearsals.filter(state=RehearsalState.DONE).order_by("-pk").first(),
    }
    return render(request, "admin/pricing/publish.html", page)


def _step(request: HttpRequest, version: PlanVersion) -> None:
    step = STEPS.get(request.POST.get("action", ""), _nothing)
    try:
        messages.success(request, step(request, version, datetime.now(UTC)))
    except ApprovalError as error:
        messages.error(request, str(error))


def _propose(request: HttpRequest, version: PlanVersion, now: datetime) -> str:
    approvals.propose(version=version, proposer=_user(request), reason=request.POST.get("text", ""), now=now)
    return "Proposed. A second person can publish it now."


def _approve(request: HttpRequest, version: PlanVersion, now: datetime) -> str:
    approval = _pending(version)
    approvals.approve(approval=approval, approver=_user(request), answer=request.POST.get("text", ""), now=now)
    return "Published."


def _refuse(request: HttpRequest, version: PlanVersion, now: datetime) -> str:
    approval = _pending(version)
    approvals.refuse(approval=approval, approver=_user(request), answer=request.POST.get("text", ""), now=now)
    return "Turned down."


def _withdraw(request: HttpRequest, version: PlanVersion, now: datetime) -> str:
    approvals.withdraw(approval=_pending(version), by=_user(request), now=now)
    return "Withdrawn."


def _nothing(request: HttpRequest, version: PlanVersion, now: datetime) -> str:
    del request, version, now
    raise ApprovalError("There is no such step.")


STEPS: Final[Mapping[str, Callable[[HttpRequest, PlanVersion, datetime], str]]] = MappingProxyType(
    {"propose": _propose, "approve": _approve, "refuse": _refuse, "withdraw": _withdraw}
)


def _pending(version: PlanVersion) -> Approval:
    """Return the proposal that waits. Raises ApprovalError for none: somebody else may have been faster."""
    approval = approvals.pending(version=version)
    if approval is None:
        raise ApprovalError("Nothing is proposed; it may have been decided just now.")
    return approval


def _user(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101 the admin lets nobody in without signing in
    return request.user
