"""The read door to single events, as they were taken in; quantities come from `usage`."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.db.models import Q

from metering import keys
from metering.models import Event, EventKey

_MOST_KEYS: Final = 1_000


@dataclass(frozen=True, slots=True)
class RecordedEvent:
    """An accepted event; `time` is when it counts, `received_at` when its request came."""

    id: str
    source: str
    type: str
    subject: str
    time: datetime
    data: Mapping[str, Any]
    received_at: datetime


def find(*, customer_id: int, identities: Sequence[tuple[str, str]]) -> RecordedEvent | None:
    """Return the first accepted event that has one of these pairs of source and id, or None."""
    by_key = {
        keys.event_key(customer_id=customer_id, source=source, event_id=event_id): (source, event_id)
        for source, event_id in identities
    }
    wanted = list(by_key)
    for start in range(0, len(wanted), _MOST_KEYS):
        some = wanted[start : start + _MOST_KEYS]
        taken = EventKey.objects.filter(customer_id=customer_id, key__in=some).values_list("key", "batch_id").first()
        if taken is not None:
            source, event_id = by_key[taken[0]]
            return _first(Q(customer_id=customer_id, batch_id=taken[1], source=source, event_id=event_id))
    return None


def newest(
    *,
    customer_id: int,
    starts_at: datetime | None = None,
    ends_at: datetime | None = None,
    received_from: datetime | None = None,
    received_to: datetime | None = None,
    id_part: str = "",
    subject_part: str = "",
    limit: int,
) -> list[RecordedEvent]:
    """Return at most `limit` accepted events, the latest time first; bounds are half-open, parts may be anywhere."""
    bounds = {
        "time__gte": starts_at,
        "time__lt": ends_at,
        "received_at__gte": received_from,
        "received_at__lt": received_to,
        "event_id__contains": id_part or None,
        "subject__contains": subject_part or None,
    }
    found = Event.objects.filter(customer_id=customer_id, **{name: one for name, one in bounds.items() if one})
    return [_value(one) for one in found.order_by("-time", "-event_id")[:limit]]


def _first(condition: Q) -> RecordedEvent | None:
    found = Event.objects.filter(condition).first()
    return None if found is None else _value(found)


def _value(one: Event) -> RecordedEvent:
    return RecordedEvent(
        id=one.event_id,
        source=one.source,
        type=one.type,
        subject=one.subject,
        time=one.time,
        data=one.data,
        received_at=one.received_at,
    )
