"""What billing does in the background."""

from datetime import UTC, datetime

from celery import shared_task

from billing import closing
from billing.errors import PeriodError


@shared_task(name="billing.tasks.close_periods")
def close_periods(now: str | None = None) -> None:
    """Invoice every period that is due. Safe to run at any time, any number of times, and at once.

    `now` is an ISO 8601 time with an offset, given to close as of another time than the clock's; raises PeriodError
    for anything else.
    """
    closing.close_due(now=datetime.now(UTC) if now is None else _instant(now))


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise PeriodError(f"{text!r} is no ISO 8601 time") from None
    if at.utcoffset() is None:
        raise PeriodError(f"{text!r} has no offset from UTC")
    return at
