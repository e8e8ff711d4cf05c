"""What metering does in the background."""

from datetime import UTC, datetime, timedelta
from typing import Final

from celery import shared_task

from metering import backfill
from metering import fold as folding

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
