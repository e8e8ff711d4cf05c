"""Parking: a period that cannot be closed is set aside with its reason; a person lets it go on, and says why."""

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from billing.errors import InterventionError
from billing.models import BillingPeriod, Intervention
from billing.models.closes import InterventionKind
from billing.models.subscriptions import PeriodStatus


@dataclass(frozen=True, slots=True)
class Parked:
    """A period that could not be closed, and why; it waits for a person."""

    period_id: int
    reason: str


def park(*, period_id: int, reason: str) -> Parked | None:
    """Set a period aside; None where it is no longer open."""
    period = BillingPeriod.objects.filter(pk=period_id, status=PeriodStatus.OPEN)
    return Parked(period_id, reason) if period.update(status=PeriodStatus.PARKED, parked_reason=reason) else None


def retry(*, period_id: int) -> bool:
    """Open a parked period, so that it is closed again within the bounds; returns whether it was parked."""
    return _open(period_id, is_released=False)


@transaction.atomic
def release(*, period_id: int, by: str, reason: str, now: datetime) -> None:
    """Open a parked period, so that it is closed whatever it comes to; `by` says who takes that upon them.

    Raises InterventionError where it is not parked, or who or why is missing.
    """
    was_parked_for = BillingPeriod.objects.values_list("parked_reason", flat=True).get(pk=period_id)
    if not _open(period_id, is_released=True):
        raise InterventionError(f"Period {period_id} is not parked.")
    note(period_id=period_id, kind=InterventionKind.RELEASE, by=by, reason=reason, detail=was_parked_for, now=now)


def note(*, period_id: int, kind: InterventionKind, by: str, reason: str, detail: str, now: datetime) -> None:
    """Keep what a person did to a period. Raises InterventionError where who or why is missing."""
    if not by.strip() or not reason.strip():
        raise InterventionError("An intervention needs somebody who does it, and a reason.")
    Intervention.objects.create(period_id=period_id, kind=kind, actor=by, reason=reason, detail=detail, at=now)


def _open(period_id: int, *, is_released: bool) -> bool:
    parked = BillingPeriod.objects.filter(pk=period_id, status=PeriodStatus.PARKED)
    return parked.update(status=PeriodStatus.OPEN, parked_reason="", is_released=is_released) == 1
