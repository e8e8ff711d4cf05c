"""What the senders' side does in the background."""

from datetime import UTC, datetime

from celery import shared_task

from agents import idempotency
from agents.otlp import traces


@shared_task(name="agents.tasks.complete_traces")
def complete_traces(now: str | None = None) -> int:
    """Make usage of every trace whose time has come. Safe to run at any time, any number of times, and at once.

    `now` is an ISO 8601 time with an offset, given to look as of another time than the clock's; raises ValueError for
    anything else.
    """
    return traces.complete_due(now=datetime.now(UTC) if now is None else _instant(now))


@shared_task(name="agents.tasks.forget_traces")
def forget_traces() -> int:
    """Delete traces that became usage long ago; what they amounted to stays."""
    return traces.forget(now=datetime.now(UTC))


@shared_task(name="agents.tasks.forget_answers")
def forget_answers() -> int:
    """Delete answers to requests with an Idempotency-Key that have been kept long enough."""
    return idempotency.forget(now=datetime.now(UTC))


def _instant(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    if at.utcoffset() is None:
        raise ValueError(f"{text!r} has no offset from UTC")
    return at
