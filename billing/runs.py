"""Runs: all periods that are due, cut into chunks of work for any number of workers, with progress that can be seen.

A worker does one chunk at a time and holds a lock on it that ends with its connection, so that a chunk of a worker that
was killed is free at once. A chunk that is done twice changes nothing the second time: each period is claimed by a
conditional UPDATE.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction
from django.db.models import Q, Sum

from billing import closing, due, reviews
from billing.models import BillingPeriod, CloseChunk, CloseRun
from billing.models.subscriptions import PeriodStatus
from metering import usage

CHUNK: Final = 50
MOST_CHUNKS: Final = 400  # in one run; what is left over is found by the next
# A worker that was asked and has not done its chunk by then is asked again: whoever has it keeps it.
ASK_AGAIN: Final = timedelta(minutes=10)
LOOK_AGAIN: Final = timedelta(minutes=10)  # at a period that waits
_LOCK: Final = "SELECT pg_try_advisory_lock(hashtext('billing.close_chunk'), %s)"
_UNLOCK: Final = "SELECT pg_advisory_unlock(hashtext('billing.close_chunk'), %s)"


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is, in periods; `waiting` ones are left for a later run."""

    found: int
    closed: int
    parked: int
    waiting: int

    @property
    def done(self) -> int:
        """How many of those found have been attended to."""
        return self.closed + self.parked + self.waiting


def start(*, as_of: datetime, now: datetime) -> CloseRun | None:
    """Find what is due as of a time and cut it into chunks; None where nothing is. `now` is the clock's.

    Usage is folded and drafts whose review is over are issued first. What an unfinished run has found is left to it.
    """
    usage.catch_up(now=as_of)
    reviews.issue_due(now=as_of)
    taken = set(_unfinished())
    due_now = due.found(now=as_of, looked_before=as_of - LOOK_AGAIN)
    found = [pk for pk in (*due_now, *closing.late_periods()) if pk not in taken]
    if not found:
        return None
    with transaction.atomic():
        chosen = found[: CHUNK * MOST_CHUNKS]
        run = CloseRun.objects.create(as_of=as_of, started_at=now, found=len(chosen))
        CloseChunk.objects.bulk_create(
            CloseChunk(run=run, number=number, periods=list(ids))
            for number, ids in enumerate(_batched(chosen, CHUNK), start=1)
        )
    return run


def to_send(*, now: datetime) -> list[int]:
    """Return the chunks that a worker is to be asked to do, and note that it was: new ones, and those long undone."""
    overdue = Q(sent_at=None) | Q(sent_at__lt=now - ASK_AGAIN)
    with transaction.atomic():
        waiting = CloseChunk.objects.select_for_update(skip_locked=True).filter(overdue, done_at=None)
        chosen = list(waiting.order_by("run_id", "number").values_list("pk", flat=True))
        CloseChunk.objects.filter(pk__in=chosen).update(sent_at=now)
    return chosen


def work(*, chunk_id: int, now: datetime) -> CloseRun | None:
    """Do a chunk; return its run where that was the last of it, else None: it goes on, or another worker is on it."""
    with _locked(chunk_id) as is_ours:
        chunk = CloseChunk.objects.select_related("run").get(pk=chunk_id)
        if not is_ours or chunk.done_at is not None:
            return None
        for period_id in chunk.periods:
            closing.attend(period_id=period_id, now=chunk.run.as_of)
        counts = _counts(chunk.periods, chunk.run.as_of)
        CloseChunk.objects.filter(pk=chunk_id, done_at=None).update(done_at=now, **counts)
    return _finish(chunk.run_id, now)


def has_more(*, run: CloseRun) -> bool:
    """Whether a finished run has brought up more that is due: customers may be months behind."""
    known = {period_id for chunk in run.chunks.all() for period_id in chunk.periods}
    return any(period_id not in known for period_id in due.found(now=run.as_of))


def work_through(*, run_id: int, clock: Callable[[], datetime]) -> Iterator[int]:
    """Do each chunk of a run that is left and that nobody else is on; yield its number after each."""
    number: int | None = 0
    while number is not None:
        left = CloseChunk.objects.filter(run_id=run_id, done_at=None, number__gt=number).order_by("number")
        chunk = left.first()
        number = None if chunk is None else chunk.number
        if chunk is not None:
            work(chunk_id=chunk.pk, now=clock())
            yield chunk.number


def is_finished(*, run_id: int) -> bool:
    """Whether nothing is left of a run."""
    return CloseRun.objects.filter(pk=run_id, finished_at__isnull=False).exists()


def progress(*, run: CloseRun) -> Progress:
    """Return how far a run is: the sums of the chunks that are done."""
    sums = CloseChunk.objects.filter(run=run).aggregate(
        closed=Sum("closed", default=0), parked=Sum("parked", default=0), waiting=Sum("waiting", default=0)
    )
    return Progress(found=run.found, **sums)


def unfinished() -> list[CloseRun]:
    """Return the runs that are not finished, the oldest first."""
    return list(CloseRun.objects.filter(finished_at=None).order_by("pk"))


def _unfinished() -> Iterator[int]:
    for chunk in CloseChunk.objects.filter(done_at=None).values_list("periods", flat=True):
        yield from chunk


def _counts(periods: Sequence[int], as_of: datetime) -> dict[str, int]:
    """Return what the periods are: all were due when they were found, so that it does not matter who closed them."""
    rows = BillingPeriod.objects.filter(pk__in=periods)
    parked = rows.filter(status=PeriodStatus.PARKED).count()
    waiting = (due.openings(now=as_of) | due.closings(now=as_of)).filter(pk__in=periods).count()
    return {"parked": parked, "waiting": waiting, "closed": len(periods) - parked - waiting}


def _finish(run_id: int, now: datetime) -> CloseRun | None:
    """Close the books of a run once no chunk is left; one conditional UPDATE decides whose that is."""
    run = CloseRun.objects.get(pk=run_id)
    if CloseChunk.objects.filter(run=run, done_at=None).exists():
        return None
    sums = progress(run=run)
    counts = {"closed": sums.closed, "parked": sums.parked, "waiting": sums.waiting}
    if CloseRun.objects.filter(pk=run_id, finished_at=None).update(finished_at=now, **counts) != 1:
        return None
    reviews.issue_due(now=run.as_of)  # those of the run that are merged
    run.refresh_from_db()
    return run


@contextmanager
def _locked(chunk_id: int) -> Iterator[bool]:
    """Hold a chunk as long as the connection lives; false where another worker does."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [chunk_id % 2**31])
        is_ours = bool(cursor.fetchone()[0])
    try:
        yield is_ours
    finally:
        if is_ours:
            with connection.cursor() as cursor:
                cursor.execute(_UNLOCK, [chunk_id % 2**31])


def _batched(ids: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for start_at in range(0, len(ids), size):
        yield ids[start_at : start_at + size]
