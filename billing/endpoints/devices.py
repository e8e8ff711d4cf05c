"""Tells customers what was found wrong with their devices' chains: each finding once, whenever it is come upon."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import CharField, Exists, OuterRef, Value
from django.db.models.functions import Cast, Concat

from agents.models import DeviceFinding
from billing.endpoints.announcing import announce
from billing.models import Announcement
from billing.models.endpoints import EventType

LOOK_BACK: Final = timedelta(days=7)


def tell_findings(*, now: datetime, limit: int = 500) -> int:
    """Announce findings of the last days that were not announced yet; returns how many.

    A finding is a row committed with its cause, by a package that knows no money; that row is the outbox here, and the
    key of the announcement keeps it from being told twice.
    """
    key = Concat(Value("device-finding:"), Cast(OuterRef("pk"), CharField()))
    told = Announcement.objects.filter(customer=OuterRef("device__customer"), key=key)
    untold = DeviceFinding.objects.filter(~Exists(told), seen_at__gt=now - LOOK_BACK)
    found = list(untold.select_related("device__customer").order_by("pk")[:limit])
    return sum(_tell(one, now) for one in found)


def _tell(finding: DeviceFinding, now: datetime) -> bool:
    data = {
        "device": finding.device.key,
        "epoch": finding.epoch,
        "first": finding.first,
        "last": finding.last,
        "seen_at": finding.seen_at.isoformat(),
        "detail": finding.detail,
    }
    kind, key = EventType(f"device.{finding.kind}"), f"device-finding:{finding.pk}"
    return announce(customer=finding.device.customer, kind=kind, key=key, data=data, now=now)
