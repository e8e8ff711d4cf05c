"""What billing does in the background."""

from datetime import UTC, datetime

from celery import shared_task

from billing import credits, mails, periods, recognition, recurring_grants, rehearsals, runs, top_ups
from billing.dunning import reminders
from billing.endpoints import delivery, devices
from billing.models import Rehearsal


@shared_task(name="billing.tasks.close_periods")
def close_periods(now: str | None = None) -> None:
    """Find every period that is due, and ask the workers to invoice them. Safe at any time, any number of times.

    `now` is an ISO 8601 time with an offset, given to close as of another time than the clock's; raises PeriodError
    for anything else.
    """
    clock = datetime.now(UTC)
    runs.start(as_of=clock if now is None else periods.instant(text=now), now=clock)
    for chunk_id in runs.to_send(now=clock):
        close_chunk.delay(chunk_id)


@shared_task(name="billing.tasks.close_chunk")
def close_chunk(chunk_id: int) -> None:
    """Invoice some of the periods that a run has found; done twice, or by two at once, nothing happens twice."""
    finished = runs.work(chunk_id=chunk_id, now=datetime.now(UTC))
    if finished is not None and runs.has_more(run=finished):
        close_periods.delay(now=finished.as_of.isoformat())


@shared_task(name="billing.tasks.keep_credits")
def keep_credits(now: str | None = None) -> None:
    """Give recurring grants, book expired ones away, and write the top-ups that are due. Safe at any time and at once.

    `now` as in close_periods.
    """
    at = datetime.now(UTC) if now is None else periods.instant(text=now)
    recurring_grants.grant_due(now=at)
    credits.expire_due(now=at)
    top_ups.due(now=at)


@shared_task(name="billing.tasks.recognise_revenue")
def recognise_revenue(now: str | None = None) -> None:
    """Earn the deferred revenue of every day that is over. Safe at any time, any number of times, and at once.

    `now` as in close_periods.
    """
    recognition.recognise(now=datetime.now(UTC) if now is None else periods.instant(text=now))


@shared_task(name="billing.tasks.rehearse")
def rehearse(rehearsal_id: int) -> None:
    """Do a back-test that was asked for; done twice, the second does nothing. The row says how far it is."""
    rehearsals.run(rehearsal=Rehearsal.objects.select_related("version").get(pk=rehearsal_id), now=datetime.now(UTC))


@shared_task(name="billing.tasks.dun")
def dun(now: str | None = None) -> None:
    """Remind of what is not paid, suspend who does not pay, and lift what is settled. Safe at any time and at once.

    `now` as in close_periods.
    """
    reminders.dun(now=datetime.now(UTC) if now is None else periods.instant(text=now))


@shared_task(name="billing.tasks.send_mails")
def send_mails() -> None:
    """Send the mails that were written; safe to run beside itself."""
    mails.send_due(now=datetime.now(UTC))


@shared_task(name="billing.tasks.tell_findings")
def tell_findings() -> None:
    """Announce what was found wrong with devices; safe to run beside itself."""
    devices.tell_findings(now=datetime.now(UTC))


@shared_task(name="billing.tasks.deliver_webhooks")
def deliver_webhooks() -> None:
    """Send customers' endpoints what they are to be told; safe to run beside itself."""
    delivery.deliver(clock=lambda: datetime.now(UTC))
