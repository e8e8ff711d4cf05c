"""What metering does in the background."""

from datetime import UTC, datetime, timedelta
from typing import Final

from celery import shared_task
from django.conf import settings

from metering import archive, backfill, partitions
from metering import fold as folding
from metering.partitions import Month

# A worker has other things to do: what is left is done by the next run, a few seconds later.
BACKFILL_TIME: Final = timedelta(seconds=3)


@shared_task
def fold() -> None:
    """Count what has been received since the last fold. Safe to run at any time, any number of times, and at once."""
    folding.fold_all(now=datetime.now(UTC))


@shared_task
def fill_meters() -> None:
    """Fill the windows of meters that are younger than their events, for a few seconds. Safe to run at any time."""
    until = datetime.now(UTC) + BACKFILL_TIME
    for key in backfill.incomplete():
        while backfill.step(meter=key):
            if datetime.now(UTC) > until:
                return


@shared_task
def make_partitions() -> None:
    """Make the partitions of the coming months. Ingest makes one that lacks, so this may be late without harm."""
    partitions.make_ahead(now=datetime.now(UTC))


@shared_task
def archive_events() -> None:
    """Archive the months that are older than the operator keeps; does nothing where no such time is set."""
    if not settings.EVENT_MONTHS:
        return
    now = datetime.now(UTC)
    before = Month.of(now).plus(-settings.EVENT_MONTHS)
    for _ in archive.archive_before(before=before, folder=settings.ARCHIVE_DIR, now=now):
        pass
