"""Many at once: each event is still accepted exactly once."""

import threading
import time
from datetime import timedelta

import pytest
from django.db import connection, transaction

from metering import fold, usage
from metering.models import Batch, Event, EventKey, Fold, Window
from tests.metering.factories import ACME, LATER, NOON, decision, fold_now, send, turn, verdicts
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("committed")


def turns_counted():
    return usage.quantity(customer_id=ACME, meter="turns", starts_at=NOON, ends_at=NOON + timedelta(hours=1))


def test_identical_requests_at_once_accept_each_event_once():
    events = [turn() for _ in range(50)]
    replies = at_once(*[lambda: send(*events)] * 6)
    counts = [reply.counts["accepted"] for reply in replies]
    assert sorted(counts) == [0, 0, 0, 0, 0, 50]
    assert all(reply.counts["accepted"] + reply.counts["duplicate"] == 50 for reply in replies)
    assert (Event.objects.count(), EventKey.objects.count(), Batch.objects.count()) == (50, 50, 1)


def test_overlapping_requests_in_opposite_orders_do_not_deadlock():
    """A third request holds the event in the middle until both wait for it: unsorted, each would then hold the
    other's last event."""
    first, middle, last = turn(), turn(), turn()
    entered, leave = threading.Event(), threading.Event()

    def wait_and_send(*events):
        entered.wait(20)
        return send(*events)

    replies = at_once(
        lambda: _send_and_undo(middle, entered, leave),
        lambda: wait_and_send(first, middle, last),
        lambda: wait_and_send(last, middle, first),
        lambda: _leave_when_waiting(leave, sessions=2),
    )
    assert sorted(reply.counts["accepted"] for reply in replies[1:3]) == [0, 3]
    assert sum(reply.counts["duplicate"] for reply in replies[1:3]) == 3


def test_one_unit_under_many_ids_at_once_is_counted_once():
    replies = at_once(*[lambda: send(decision("t", 1))] * 6)
    assert sorted(verdicts(reply)[0] for reply in replies) == ["accepted"] + ["conflict"] * 5
    assert Event.objects.count() == 1


def test_a_request_that_fails_leaves_nothing():
    def send_and_fail():
        with transaction.atomic():
            send(turn())
            raise RuntimeError("power cut")

    with pytest.raises(RuntimeError, match="power cut"):
        send_and_fail()
    assert (Event.objects.count(), EventKey.objects.count(), Batch.objects.count()) == (0, 0, 0)


def test_a_repetition_waits_for_a_request_that_has_not_ended_and_takes_over_where_it_failed():
    event, entered, leave = turn(), threading.Event(), threading.Event()

    def repeat():
        entered.wait(20)
        return verdicts(send(event))

    replies = at_once(
        lambda: _send_and_undo(event, entered, leave), repeat, lambda: _leave_when_waiting(leave, sessions=1)
    )
    assert replies[1] == ["accepted"]
    assert Event.objects.count() == 1


def _send_and_undo(event, entered, leave):
    """A request that holds its keys until told to leave, and then fails."""
    with transaction.atomic():
        send(event)
        entered.set()
        leave.wait(20)
        transaction.set_rollback(True)


def _leave_when_waiting(leave, *, sessions):
    """Let the holder go once so many sessions wait for a lock, which is what the test is about."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    deadline = time.monotonic() + 20
    found = 0
    while found < sessions and time.monotonic() < deadline:
        with connection.cursor() as cursor:
            cursor.execute(waiting)
            found = cursor.fetchone()[0]
    leave.set()
    assert found == sessions


def test_a_batch_that_commits_after_a_fold_began_later_ones_is_counted_exactly_once():
    began, leave = threading.Event(), threading.Event()

    def commit_late():
        with transaction.atomic():
            send(turn())
            began.set()
            leave.wait(20)

    def fold_meanwhile():
        began.wait(20)
        try:
            send(turn(), turn())
            first = fold_now()
            assert turns_counted() == 2
            return first
        finally:
            leave.set()

    _, first = at_once(commit_late, fold_meanwhile)
    second = fold_now()
    assert turns_counted() == 3
    assert second > first
    assert Batch.objects.order_by("id").values_list("fold_id", flat=True)[0] == second
    assert fold.check() == []


def test_folds_at_once_count_each_batch_once():
    for _ in range(8):
        send(turn())
    at_once(*[fold_now] * 4)
    assert turns_counted() == 8
    assert sum(Fold.objects.values_list("batches", flat=True)) == 8
    assert fold.check() == []


def test_a_fold_that_crashes_leaves_nothing_and_the_next_counts_all(monkeypatch):
    send(turn())
    whole = fold._add

    def crash(rules, batches):
        whole(rules, batches)
        raise RuntimeError("power cut")

    monkeypatch.setattr(fold, "_add", crash)
    with pytest.raises(RuntimeError, match="power cut"):
        fold.fold(now=LATER)
    assert (Fold.objects.count(), Window.objects.count(), Batch.objects.filter(fold=None).count()) == (0, 0, 1)
    monkeypatch.undo()
    fold_now()
    assert turns_counted() == 1
