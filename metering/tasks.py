"""What metering does in the background."""

from datetime import UTC, datetime

from celery import shared_task

from metering import fold as folding


@shared_task
def fold() -> None:
    """Count what has been received since the last fold. Safe to run at any time, any number of times, and at once."""
    folding.fold_all(now=datetime.now(UTC))
