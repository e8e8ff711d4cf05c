"""Months of events move to Parquet: checked before anything is dropped, small, and never counted a second time."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import call_command
from django.db import connection
from pyarrow import parquet

from metering import archive, usage
from metering.errors import ArchiveMismatchError, NotArchivableError
from metering.event import Verdict
from metering.models import Batch, Event, EventKey
from metering.partitions import Month, months
from tests.metering.factories import ACME, LATER, RIVAL, fold_now, send, turn

pytestmark = pytest.mark.django_db
OLD, SEPTEMBER = datetime(2026, 9, 10, 12, tzinfo=UTC), Month(2026, 9)


@pytest.fixture(autouse=True)
def at_once():
    """Foreign keys are checked at once, so that a partition may be dropped in the test's own transaction."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


@pytest.fixture
def stored():
    events = [turn(id=str(uuid.uuid4()), time=OLD + timedelta(minutes=n)) for n in range(40)]
    events.append(turn(id="no uuid, ünïcode", time=OLD))
    send(*events, received_at=OLD + timedelta(hours=2))
    send(turn(time=LATER - timedelta(hours=1)), received_at=LATER)
    return events


def turns(customer=ACME):
    fold_now()
    return usage.quantity(customer_id=customer, meter="turns", starts_at=OLD, ends_at=LATER)


def test_a_month_is_written_whole_and_leaves_the_database(stored, tmp_path):
    before = turns()
    batch = Batch.objects.earliest("id")
    one = archive.archive(month=SEPTEMBER, folder=tmp_path, now=LATER)
    assert (one.content.rows, one.dropped) == (41, True)
    assert SEPTEMBER not in months()
    assert Event.objects.count() == 1
    assert turns() == before == 42
    rows = parquet.read_table(one.path).to_pylist()
    assert {row["event_id"] for row in rows} == {
        uuid.UUID(event.id).bytes if len(event.id) == 36 else event.id.encode() for event in stored
    }
    assert {row["batch_id"] for row in rows} == {batch.pk}
    (kept,) = parquet.read_table(tmp_path / "batches-2026-09.parquet").to_pylist()
    assert (kept["id"], kept["digest"], kept["event_count"]) == (batch.pk, bytes(batch.digest), 41)


def test_an_archived_event_sent_again_is_still_a_repetition(stored, tmp_path):
    fold_now()
    keys = EventKey.objects.count()
    archive.archive(month=SEPTEMBER, folder=tmp_path, now=LATER)
    again = send(*stored, received_at=LATER)
    assert {one.verdict for one in again.verdicts} == {Verdict.DUPLICATE}
    assert EventKey.objects.count() == keys


def test_an_archive_may_be_written_twice_and_stopped_before_the_drop(stored, tmp_path):
    fold_now()
    first = archive.archive(month=SEPTEMBER, folder=tmp_path, now=LATER, keep=True)
    assert Event.objects.count() == 42
    second = archive.archive(month=SEPTEMBER, folder=tmp_path, now=LATER)
    assert first.content == second.content
    assert not list(tmp_path.glob("*.draft"))


def test_a_month_that_is_needed_stays(stored, tmp_path):
    with pytest.raises(NotArchivableError, match="not folded"):
        archive.archive(month=SEPTEMBER, folder=tmp_path, now=LATER)
    fold_now()
    with pytest.raises(NotArchivableError, match="not over"):
        archive.archive(month=Month.of(LATER), folder=tmp_path, now=LATER)
    assert Event.objects.count() == 42


def test_months_go_in_their_order(stored, tmp_path):
    send(turn(time=OLD - timedelta(days=31)), received_at=OLD - timedelta(days=31))
    fold_now()
    with pytest.raises(NotArchivableError, match="older"):
        archive.archive(month=SEPTEMBER, folder=tmp_path, now=LATER)
    done = list(archive.archive_before(before=Month(2026, 10), folder=tmp_path, now=LATER))
    assert [str(one.month) for one in done] == ["2026-08", "2026-09"]


def test_nothing_is_dropped_where_the_file_does_not_read_back(stored, tmp_path, monkeypatch):
    fold_now()
    monkeypatch.setattr(archive, "read_back", lambda _path: archive.Content(40, "else"))
    with pytest.raises(ArchiveMismatchError):
        archive.archive(month=SEPTEMBER, folder=tmp_path, now=LATER)
    assert Event.objects.count() == 42


def test_a_changed_file_is_noticed(stored, tmp_path):
    fold_now()
    one = archive.archive(month=SEPTEMBER, folder=tmp_path, now=LATER, keep=True)
    table = parquet.read_table(one.path)
    parquet.write_table(table.slice(0, 40), one.path)
    assert archive.read_back(one.path) != one.content


def test_an_archived_event_takes_at_most_15_percent_of_a_typical_row(tmp_path):
    """A typical Django table takes 471 bytes an event (reference: performance, part 6)."""
    for customer in (ACME, RIVAL):
        for batch in range(5):
            at = OLD + timedelta(minutes=batch)
            send(
                *(
                    turn(str(uuid.uuid4()), id=str(uuid.uuid4()), time=at + timedelta(milliseconds=n))
                    for n in range(1000)
                ),
                received_at=at + timedelta(minutes=1),
                customer=customer,
            )
    fold_now()
    one = archive.archive(month=SEPTEMBER, folder=tmp_path, now=LATER)
    assert one.content.rows == 10_000
    each = one.size / one.content.rows
    assert each <= 0.15 * 471, each


def test_the_command_says_what_it_did(stored, tmp_path, capsys):
    fold_now()
    call_command("archive_events", "--before", "2026-10", "--out", str(tmp_path), "--keep")
    assert "2026-09: 41 events" in capsys.readouterr().out
