"""From when on events are stored: what was received before lies in archives only, and in windows."""

from datetime import datetime

from metering import partitions
from metering.judging import MAX_AHEAD
from metering.models import Batch


def stored_since() -> datetime | None:
    """Return the time of receipt from which on every event is stored; null where nothing was archived yet."""
    months = partitions.months()
    first = Batch.objects.order_by("id").values_list("received_at", flat=True).first()
    if first is None or not months:
        return None
    oldest = months[0].starts_at
    return oldest if first < oldest else None


def complete_since() -> datetime | None:
    """Return from which time of use on every event is stored; null where nothing was archived yet.

    An event may be received a little before the time that it states.
    """
    since = stored_since()
    return None if since is None else since + MAX_AHEAD
