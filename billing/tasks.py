"""What billing does in the background."""

from datetime import UTC, datetime

from celery import shared_task

from billing import closing, credits, recurring_grants, rehearsals, top_ups
from billing.errors import PeriodError
from billing.models import Rehearsal


@shared_task(name="billing.tasks.close_periods")
def close_periods(now: str | None = None) -> None:
    """Invoice every period that is due. Safe to run at any time, any number of times, and at once.

    `now` is an ISO 8601 time with an offset, given to close as of another time than the clock's; raises PeriodError
    for anything else.
    """
    closing.close_due(now=datetime.now(UTC) if now is None else _instant(now))


@shared_task(name="billing.tasks.keep_credits")
def keep_credits(now: str | None = None) -> None:
    """Give recurring grants, book expired ones away, and write the top-ups that are due. Safe at any time and at once.

    `now` as in close_periods.
    """
    at = datetime.now(UTC) if now is None else _instant(now)
    recurring_grants.grant_due(now=at)
    credits.expire_due(now=at)
    top_ups.due(now=at)


@shared_task(name="billing.tasks.rehearse")
def rehearse(rehearsal_id: int) -> None:
    """Do a back-test that was asked for; done twice, the second does nothing. The row says how far it is."""
    rehearsals.run(rehearsal=Rehearsal.objects.select_related("version").get(pk=rehearsal_id), now=datetime.now(UTC))


def _instant(text: str) -> datetime:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise PeriodError(f"{text!r} is no ISO 8601 time") from None
    if at.utcoffset() is None:
        raise PeriodError(f"{text!r} has no offset from UTC")
    return at
