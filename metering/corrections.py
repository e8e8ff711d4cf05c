"""Takes accepted events back: they stay as evidence, and count no more from the next fold on.

The keys of a voided event stay taken for ever, that of its unit (task, turn, decision, slice) included: whoever sends
the unit again, under whichever id, gets a duplicate or a conflict, so that nothing which was taken back on purpose
comes in again by a retry. What was recorded wrongly is recorded anew as another unit.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import IntegrityError, transaction

from metering import horizon, keys
from metering.errors import AlreadyVoidedError, ArchivedEventError, InvalidVoidError, UnknownEventError
from metering.models import Batch, Event, EventKey, Void

TEXT_LIMIT: Final = 1_000


@dataclass(frozen=True, slots=True)
class Voided:
    """A void as it stands. `fold` is the one that took the event back, null while it waits."""

    source: str
    event_id: str
    actor: str
    reason: str
    voided_at: datetime
    fold: int | None


@transaction.atomic
def void(*, customer_id: int, source: str, event_id: str, actor: str, reason: str, now: datetime) -> Voided:
    """Take one event back; `actor` says who does so, such as key:7 or user:ada.

    Raises UnknownEventError where the customer has no such event, AlreadyVoidedError, ArchivedEventError where the
    event is in an archive only, and InvalidVoidError where who or why is not said.
    """
    for name, text in (("actor", actor), ("reason", reason)):
        if not text.strip() or len(text) > TEXT_LIMIT or "\0" in text:
            raise InvalidVoidError(name, f"It is a text of 1 to {TEXT_LIMIT} characters.")
    event = _find(customer_id, source, event_id)
    row = Void(
        customer_id=customer_id,
        source=source,
        event_id=event_id,
        batch_id=event.batch_id,
        place=event.place,
        actor=actor,
        reason=reason.strip(),
        voided_at=now,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError as error:
        raise AlreadyVoidedError(event_id) from error
    return _value(row)


def find(*, customer_id: int, source: str, event_id: str) -> Voided:
    """Return the void of an event. Raises UnknownEventError where there is none."""
    row = Void.objects.filter(customer_id=customer_id, source=source, event_id=event_id).first()
    if row is None:
        raise UnknownEventError(event_id)
    return _value(row)


def _find(customer_id: int, source: str, event_id: str) -> Event:
    key = keys.event_key(customer_id=customer_id, source=source, event_id=event_id)
    taken = EventKey.objects.filter(customer_id=customer_id, key=key).values_list("batch_id", flat=True).first()
    if taken is None:
        raise UnknownEventError(event_id)
    # The time of receipt finds the partition, the batch its pages.
    received_at = Batch.objects.values_list("received_at", flat=True).get(id=taken)
    event = Event.objects.filter(
        customer_id=customer_id, batch_id=taken, received_at=received_at, source=source, event_id=event_id
    ).first()
    since = horizon.complete_since()
    # One that is stored may share a window with others that no longer are, and with which it would be made anew.
    if event is None or (since is not None and event.time < since):
        raise ArchivedEventError(event_id)
    return event


def _value(row: Void) -> Voided:
    return Voided(row.source, row.event_id, row.actor, row.reason, row.voided_at, row.fold_id)
