"""A signed event put together again from what is stored of it, so that its chain can be checked for ever.

A store keeps an event's id, source, type, subject, time and data, not its bytes. `presume` writes the document that a
device most likely chained; `difference` is what the true one had otherwise; `restore` makes the true one of both.
"""

from collections.abc import Mapping
from datetime import datetime

from runtime.wire.event import format_time

MOVED = "device_time"  # where an event that was placed at another time keeps what its device had said


def presume(
    *,
    event_id: str,
    source: str,
    kind: str,
    subject: str,
    time: datetime,
    data: Mapping[str, object],
    sequence: int,
) -> dict[str, object]:
    """Return the document that an event's device most likely chained, by what was stored of it."""
    told = {name: value for name, value in data.items() if name != MOVED}
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": source,
        "type": kind,
        "subject": subject,
        "time": data.get(MOVED) or format_time(time),
        "datacontenttype": "application/json",
        "data": told,
        "sequence": str(sequence),
    }


def difference(*, document: Mapping[str, object], presumed: Mapping[str, object]) -> list[object]:
    """Return what must be set in `presumed`, and the names to be taken out of it, to make `document` of it."""
    other = {name: value for name, value in document.items() if name not in presumed or presumed[name] != value}
    return [other, [name for name in presumed if name not in document]]


def restore(*, presumed: Mapping[str, object], difference: object) -> dict[str, object]:
    """Return the document again. Raises ValueError where `difference` is not what the function of its name makes."""
    match difference:
        case [dict(other), list(gone)]:
            return {name: value for name, value in presumed.items() if name not in gone} | other
    raise ValueError("a difference is an object of what to set and a list of what to take out")
