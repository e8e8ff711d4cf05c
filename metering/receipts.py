"""What was received from a device, by the runs of its chain: the evidence that its ledger is read from."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Max, Q

from metering.models import Batch, Event


@dataclass(frozen=True, slots=True)
class Receipt:
    """One signed batch that brought something new: its sequences, both inclusive, and the header signed for it."""

    batch_id: int
    epoch: int
    first: int
    last: int
    header: bytes
    received_at: datetime
    event_count: int


def of_device(
    *, customer_id: int, device_id: int, epoch: int, first: int = 0, last: int | None = None, limit: int | None = None
) -> tuple[Receipt, ...]:
    """Return the batches of a device's epoch that touch the sequences from `first` to `last`, newest first."""
    met = Q(customer_id=customer_id, device_id=device_id, epoch=epoch, last_sequence__gte=first)
    if last is not None:
        met &= Q(first_sequence__lte=last)
    rows = Batch.objects.filter(met).order_by("-first_sequence", "-id")[:limit]
    return tuple(
        Receipt(
            batch_id=row.pk,
            epoch=epoch,
            first=row.first_sequence or 0,
            last=row.last_sequence or 0,
            header=bytes(row.header or b""),
            received_at=row.received_at,
            event_count=row.event_count,
        )
        for row in rows
    )


def newest_event_at(*, customer_id: int, device_id: int, epoch: int, before: int) -> datetime | None:
    """Return the latest time of an event in the last batch that ends before a sequence of an epoch, None where none."""
    earlier = Q(epoch__lt=epoch) | Q(epoch=epoch, last_sequence__lt=before)
    of_device = Batch.objects.filter(earlier, customer_id=customer_id, device_id=device_id)
    batch = of_device.order_by("-epoch", "-last_sequence").first()
    if batch is None:
        return None
    found: datetime | None = Event.objects.filter(customer_id=customer_id, batch_id=batch.pk).aggregate(at=Max("time"))[
        "at"
    ]
    return found
