"""Customers with a month to close, each with the usage of five charges, and the workers that close them."""

import multiprocessing
import time
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import closing, ledger, runs
from billing.models import BillingPeriod, CloseRun, Invoice, InvoiceLine, OutboxMessage
from billing.models.subscriptions import PeriodStatus
from metering import usage
from tests.bench import beside as beside_us
from tests.bench import closes, cycles, past

AS_OF = cycles.FEBRUARY + timedelta(hours=2)


def prepare(*, customers: int) -> None:
    """Put so many customers on a plan of five charges, and send their usage of January."""
    version = closes.prepare()
    changes = cycles.subscribe(version, range(customers))
    list(cycles.to_close(version, changes, cycles.MONTH))  # opens their periods
    for change in changes:
        past.use(change.subscription.customer, 1)
    usage.catch_up(now=cycles.FEBRUARY)


def questions(*, periods: int) -> float:
    """Return how many statements one close sends to the database, of so many on average."""
    due = BillingPeriod.objects.filter(status=PeriodStatus.OPEN, ends_at=cycles.FEBRUARY)
    chosen = list(due.order_by("pk").values_list("pk", flat=True)[:periods])
    with CaptureQueriesContext(connection) as captured:
        for period_id in chosen:
            closing.attend(period_id=period_id, now=AS_OF)
    return len(captured) / periods


def close(*, periods: int, beside: int) -> float:
    """Close so many periods, with `beside` other processes helping this one; return the seconds it took.

    The others are started before the clock: they wait for the run as a worker waits for its next task.
    """
    runs.MOST_CHUNKS = periods // runs.CHUNK  # type: ignore[misc]
    run = runs.start(as_of=AS_OF, now=_clock())
    assert run is not None
    assert run.found == periods, run.found
    context = multiprocessing.get_context("spawn")
    ready, go = context.Semaphore(0), context.Event()
    others = [context.Process(target=beside_us.work, args=(run.pk, ready, go)) for _ in range(beside)]
    for one in others:
        one.start()
    for _ in others:
        ready.acquire()
    began = time.perf_counter()
    go.set()
    while not runs.is_finished(run_id=run.pk):
        for _ in runs.work_through(run_id=run.pk, clock=_clock):
            pass
        time.sleep(0.01)
    seconds = time.perf_counter() - began
    for one in others:
        one.join()
    return seconds


def stripe_calls() -> float:
    """Return how many requests an invoice makes to Stripe, its customer's among them."""
    return OutboxMessage.objects.count() / Invoice.objects.count()


def check() -> None:
    """Refuse a measurement of something else: all closed, five charges each, and the ledger balanced."""
    issued = Invoice.objects.count()
    assert InvoiceLine.objects.count() == 5 * issued
    assert not CloseRun.objects.exclude(parked=0, waiting=0).exists()
    assert sum(one.amount.amount for one in ledger.trial_balance()) == 0


def _clock() -> datetime:
    return datetime.now(UTC)
