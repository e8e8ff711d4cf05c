"""The door to proof: what events are counted anew to, wherever they lie, and the batches that brought them."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from metering import archive, corrections, evidence, usage
from metering.errors import MissingArchiveError
from metering.evidence import Wanted
from metering.models import Window
from metering.partitions import Month
from tests.metering.factories import ACME, DEVICE, LATER, RIVAL, compute, fold_now, seat, send, turn

pytestmark = pytest.mark.django_db
OLD, SEPTEMBER = datetime(2026, 9, 10, 12, tzinfo=UTC), Month(2026, 9)
MONTH: dict[str, Any] = {"starts_at": datetime(2026, 9, 1, tzinfo=UTC), "ends_at": datetime(2026, 10, 1, tzinfo=UTC)}


@pytest.fixture(autouse=True)
def at_once():
    """Foreign keys are checked at once, so that a partition may be dropped in the test's own transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.fixture
def stored():
    events = [turn(name=f"t{n}", id=f"e{n}", time=OLD + timedelta(minutes=n)) for n in range(5)]
    events += [compute(500, time=OLD), seat(2, time=OLD)]
    send(*events, received_at=OLD + timedelta(hours=2))
    send(turn(time=OLD), customer=RIVAL, received_at=OLD + timedelta(hours=2))
    return fold_now()


def recount(meter, folder, as_of, **bounds):
    with evidence.reading(customer_id=ACME, as_of=as_of, folder=folder) as reading:
        answer = reading.read(customer_id=ACME, meter=meter, as_of=as_of, **(MONTH | bounds))
    return [row.quantity for row in answer.rows]


def latest():
    return usage.latest_fold()


def test_events_are_counted_and_no_window_is_believed(stored, tmp_path):
    Window.objects.filter(customer_id=ACME).update(count=99)
    assert usage.quantity(customer_id=ACME, meter="turns", **MONTH) == 99
    assert recount("turns", tmp_path, latest()) == [5]


@pytest.mark.parametrize(("meter", "quantity"), [("turns", 5), ("compute-seconds", None), ("seats", None)])
def test_what_is_archived_is_counted_like_the_rest(stored, tmp_path, meter, quantity):
    before, as_of = recount(meter, tmp_path, latest()), latest()
    archive.archive(month=SEPTEMBER, folder=tmp_path, now=LATER)
    assert recount(meter, tmp_path, as_of) == before
    assert quantity is None or before == [quantity]


def test_part_of_a_quarter_of_an_hour_can_be_counted_from_an_archive(stored, tmp_path):
    archive.archive(month=SEPTEMBER, folder=tmp_path, now=LATER)
    assert recount("turns", tmp_path, latest(), starts_at=OLD, ends_at=OLD + timedelta(minutes=2)) == [2]


def test_an_archive_that_is_not_there_is_missed_by_name(stored, tmp_path):
    archive.archive(month=SEPTEMBER, folder=tmp_path, now=LATER)
    (tmp_path / "events-2026-09.parquet").unlink()
    with pytest.raises(MissingArchiveError, match="2026-09"):
        recount("turns", tmp_path, latest())


def test_an_older_fold_is_counted_as_it_was(stored, tmp_path):
    first = latest()
    corrections.void(customer_id=ACME, source=DEVICE, event_id="e0", actor="user:ada", reason="wrong", now=LATER)
    send(turn(time=OLD), received_at=LATER)
    fold_now()
    send(turn(time=OLD), turn(time=OLD), received_at=LATER)
    fold_now()
    assert [recount("turns", tmp_path, fold) for fold in (first, first + 1, first + 2)] == [[5], [5], [7]]


def select(folder, *wanted):
    with evidence.reading(customer_id=ACME, as_of=latest(), folder=folder) as reading:
        reading.select(wanted)
        return list(reading.batches()), list(reading.events())


@pytest.mark.parametrize("is_archived", [False, True])
def test_a_batch_is_given_whole_with_all_that_came_in_it(stored, tmp_path, is_archived):
    if is_archived:
        archive.archive(month=SEPTEMBER, folder=tmp_path, now=LATER)
    batches, events = select(tmp_path, Wanted("turns", **MONTH))
    assert [(one.event_count, one.fold) for one in batches] == [(7, latest())]
    assert [(one.batch_id, one.place) for one in events] == [(batches[0].id, place) for place in range(7)]
    assert [one.id for one in events][:2] == ["e0", "e1"]
    assert json.loads(events[0].data) == {"turn": "t0", "outcome": "answered", "agent": "greeter"}


def test_batches_without_anything_wanted_are_left_out(stored, tmp_path):
    later = {"starts_at": MONTH["ends_at"], "ends_at": LATER}
    assert select(tmp_path, Wanted("turns", **later)) == ([], [])
    assert len(select(tmp_path, Wanted("seats", **later))[0]) == 1, "a level has its history"
    assert select(tmp_path) == ([], [])


def test_an_event_taken_back_says_by_which_fold(stored, tmp_path):
    corrections.void(customer_id=ACME, source=DEVICE, event_id="e1", actor="user:ada", reason="wrong", now=LATER)
    fold_now()
    _, events = select(tmp_path, Wanted("turns", **MONTH))
    assert [one.voided for one in events] == [None, latest(), *[None] * 5]


def test_a_reading_leaves_nothing_behind(stored, tmp_path):
    for _ in range(2):
        assert len(select(tmp_path, Wanted("turns", **MONTH))[0]) == 1


def test_a_meter_is_written_down_as_it_is_defined():
    definition = evidence.definition(meter="compute-seconds")
    assert (definition["aggregation"], definition["scale"], definition["last_fold"]) == ("sum", "0.001", None)
