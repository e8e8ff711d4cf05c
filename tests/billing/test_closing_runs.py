"""Runs over many periods: cut into chunks, done by any number of workers, with counts that are right whatever dies."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import DatabaseError, connection

from agents.models import Device
from billing import closing, due, invoicing, ledger, runs
from billing.models import BillingPeriod, CloseChunk, CloseRun, Invoice
from billing.models.subscriptions import PeriodStatus
from tests.billing.agreement import metered, plan, start
from tests.billing.conftest import JUNE, MAY
from tests.threads import at_once

GRACE = timedelta(hours=2)
DUE, CLOCK = JUNE + GRACE, datetime(2026, 11, 1, tzinfo=UTC)


@pytest.fixture
def customers(make_customer, send, monkeypatch):
    """Seven customers on one plan with a turn each in May; chunks of three."""
    monkeypatch.setattr(runs, "CHUNK", 3)
    version = plan(metered("1.00"))
    made = [make_customer(f"customer-{number}") for number in range(7)]
    for customer in made:
        start(customer, version)
        send.turns(customer, MAY)
    send.fold(JUNE)
    return made


def begin(as_of=DUE):
    run = runs.start(as_of=as_of, now=CLOCK)
    assert run is not None
    return run


def do(run):
    return list(runs.work_through(run_id=run.pk, clock=lambda: CLOCK))


def test_a_run_is_cut_into_chunks_and_its_counts_are_their_sums(customers):
    run = begin()
    assert (run.found, [len(one.periods) for one in run.chunks.order_by("number")]) == (7, [3, 3, 1])
    first = run.chunks.get(number=1)
    assert runs.work(chunk_id=first.pk, now=CLOCK) is None
    assert runs.progress(run=run) == runs.Progress(found=7, closed=3, parked=0, waiting=0)
    assert do(run) == [2, 3]
    run.refresh_from_db()
    assert (run.closed, run.parked, run.waiting, run.finished_at) == (7, 0, 0, CLOCK)
    assert Invoice.objects.count() == 7
    assert set(Invoice.objects.values_list("issued_at", flat=True)) == {DUE}


def test_parked_and_waiting_periods_are_counted(customers, monkeypatch):
    parked, waiting = (customers[number].subscriptions.get().periods.get().pk for number in (0, 1))
    Device.objects.create(
        customer=customers[1], key="edge", public_key=bytes(32), head=bytes(32), enrolled_at=MAY, newest_event_at=MAY
    )
    book = invoicing._book_claim

    def fail_for_one(invoice, now):
        if invoice.customer == customers[0]:
            raise RuntimeError("the disk is full")
        book(invoice, now)

    monkeypatch.setattr(invoicing, "_book_claim", fail_for_one)
    run = begin()
    do(run)
    run.refresh_from_db()
    assert (run.found, run.closed, run.parked, run.waiting) == (7, 5, 1, 1)
    assert due.found(now=DUE) == [waiting]
    assert BillingPeriod.objects.get(status=PeriodStatus.PARKED).pk == parked


def test_what_waits_is_looked_at_again_after_a_while_only(customers):
    for customer in customers:
        Device.objects.create(
            customer=customer, key="edge", public_key=bytes(32), head=bytes(32), enrolled_at=MAY, newest_event_at=MAY
        )
    do(begin())
    assert runs.start(as_of=DUE + timedelta(minutes=5), now=CLOCK) is None
    assert begin(DUE + timedelta(minutes=11)).found == 7


def test_a_chunk_done_again_changes_nothing(customers):
    run = begin()
    do(run)
    for chunk in run.chunks.all():
        assert runs.work(chunk_id=chunk.pk, now=CLOCK) is None
    assert (Invoice.objects.count(), CloseRun.objects.get().closed) == (7, 7)


def test_a_chunk_of_a_worker_that_died_in_the_middle_is_finished_by_another(customers):
    run = begin()
    chunk = run.chunks.get(number=1)
    closing.attend(period_id=chunk.periods[0], now=DUE)
    do(run)
    run.refresh_from_db()
    assert (Invoice.objects.count(), run.closed) == (7, 7)


def test_what_an_unfinished_run_has_found_is_left_to_it(customers):
    begin()
    assert runs.start(as_of=DUE, now=CLOCK) is None


def test_nothing_due_makes_no_run(db):
    assert runs.start(as_of=DUE, now=CLOCK) is None
    assert not CloseRun.objects.exists()


def test_workers_are_asked_once_and_again_after_a_while(customers):
    begin()
    chosen = runs.to_send(now=CLOCK)
    assert len(chosen) == 3
    assert runs.to_send(now=CLOCK + timedelta(minutes=9)) == []
    runs.work(chunk_id=chosen[0], now=CLOCK)
    assert runs.to_send(now=CLOCK + timedelta(minutes=11)) == chosen[1:]


def test_a_run_is_bounded_and_says_that_there_is_more(customers, monkeypatch):
    monkeypatch.setattr(runs, "MOST_CHUNKS", 2)
    run = begin()
    assert run.found == 6
    do(run)
    assert runs.has_more(run=run)
    do(begin())
    assert Invoice.objects.count() == 7
    assert not runs.has_more(run=CloseRun.objects.latest("pk"))


def test_the_command_closes_all_and_says_so(customers):
    out = StringIO()
    call_command("close", now=DUE, stdout=out)
    assert "7 closed, 0 parked, 0 waiting" in out.getvalue()
    assert Invoice.objects.count() == 7
    out = StringIO()
    call_command("close", now=DUE, stdout=out)
    assert out.getvalue() == ""


def test_the_command_finishes_what_was_left_and_goes_on_for_those_months_behind(customers):
    begin()
    call_command("close", now=datetime(2026, 8, 1, tzinfo=UTC) + GRACE)
    assert Invoice.objects.count() == 21
    assert not CloseRun.objects.filter(finished_at=None).exists()


@pytest.mark.parametrize("text", ["soon", "2026-06-01T02:00:00"])
def test_the_command_refuses_what_is_no_instant(db, text):
    with pytest.raises(CommandError, match="--now"):
        call_command("close", "--now", text)


def test_the_command_refuses_no_workers(db):
    with pytest.raises(CommandError, match="--workers"):
        call_command("close", workers=0)


@pytest.mark.usefixtures("committed")
def test_two_workers_at_once_make_one_invoice_each_period(customers):
    run = begin()
    at_once(*[lambda: do(run)] * 2, *[lambda: closing.close_due(now=DUE)] * 2)
    do(run)
    numbers = Invoice.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == [f"AM-{number:06}" for number in range(1, 8)]
    run.refresh_from_db()
    assert run.closed == 7
    assert sum(one.amount.amount for one in ledger.trial_balance()) == 0


@pytest.mark.usefixtures("committed")
def test_a_chunk_is_one_workers_until_its_connection_ends(customers):
    """As the connection of a worker that is killed does."""
    run = begin()
    chunk = run.chunks.get(number=1)
    seen = []

    def hold_and_leave():
        with runs._locked(chunk.pk) as is_ours:
            seen.append(is_ours)
            at_once(lambda: runs.work(chunk_id=chunk.pk, now=CLOCK))
            seen.append(CloseChunk.objects.get(pk=chunk.pk).done_at is not None)
            connection.connection.close()

    with pytest.raises(DatabaseError):
        at_once(hold_and_leave)
    assert seen == [True, False]
    do(run)
    assert not CloseChunk.objects.filter(done_at=None).exists()
