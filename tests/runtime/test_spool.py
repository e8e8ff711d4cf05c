"""The spool: what append returned for is there after a kill, in a chain; full means refused, never dropped."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from itertools import pairwise

import pytest

from runtime import wire
from runtime.errors import (
    EventTooLargeError,
    SpoolCorruptError,
    SpoolFullError,
    SpoolLockedError,
    SpoolMismatchError,
)
from runtime.spool import RESERVED_BYTES, Role, Spool
from tests.runtime.conftest import DEVICE, make_events

WRITER = """
import sys
from pathlib import Path
from runtime.spool import Role, Spool
from tests.runtime.conftest import DEVICE, make_events
with Spool(path=Path(sys.argv[1]), device=DEVICE, epoch=1, role=Role.WRITE) as spool:
    while True:
        print(spool.append(make_events(3)), flush=True)
"""


def drain(spool, limit=500):
    """Take every batch out of the spool and return their headers with their events."""
    batches = []
    while (batch := spool.batch(limit=limit)) is not None:
        batches.append((batch.header, json.loads(batch.body)))
        spool.acknowledge(batch.header.last)
    return batches


def fill(spool, before_each=lambda: None):
    """Append until the spool refuses."""
    while True:
        before_each()
        spool.append(make_events(10, size=500))


def kill_a_writer(path, *, after):
    """Start a writer, kill it without warning once it reported some appends, return the last it reported."""
    writer = subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True)
    assert writer.stdout
    reported = [int(writer.stdout.readline()) for _ in range(after)]
    os.kill(writer.pid, signal.SIGKILL)
    reported += [int(line) for line in writer.stdout.read().splitlines() if line]
    writer.wait()
    writer.stdout.close()
    return reported[-1]


def test_events_come_out_in_order_numbered_and_chained(open_spool):
    spool = open_spool()
    assert spool.append(make_events(2)) == 2
    assert spool.append(make_events(3, start=2)) == 5

    batch = spool.batch()

    events = json.loads(batch.body)
    assert [event["sequence"] for event in events] == ["1", "2", "3", "4", "5"]
    assert [event["data"]["number"] for event in events] == [0, 1, 2, 3, 4]
    assert batch.header.previous == wire.genesis(device=DEVICE, epoch=1).hex()
    assert wire.check_chain(batch.header, events)[-1].hex() == spool.status().head


def test_a_writer_killed_again_and_again_loses_nothing_it_reported(tmp_path, open_spool):
    path = tmp_path / "spool.db"
    for round_number in range(5):
        reported = kill_a_writer(path, after=3 + 4 * round_number)
        with Spool(path=path, device=DEVICE, epoch=1, role=Role.READ) as spool:
            assert spool.status().sequence >= reported

    spool = open_spool()
    sequence = spool.status().sequence
    assert sequence % 3 == 0  # an append is all there or not at all
    batches = drain(spool)
    assert sum(len(wire.check_chain(header, events)) for header, events in batches) == sequence
    assert all(left.head == right.previous for (left, _), (right, _) in pairwise(batches))


def test_sequence_and_head_survive_a_full_drain_and_a_restart(open_spool):
    spool = open_spool()
    spool.append(make_events(4))
    head = spool.status().head
    assert spool.acknowledge(4) == 4
    assert spool.batch() is None
    spool.close()

    spool = open_spool()
    assert spool.append(make_events(1)) == 5
    assert spool.batch().header.previous == head
    assert spool.batch().header.first == 5


def test_acknowledging_twice_or_less_is_harmless_and_more_than_written_is_refused(open_spool):
    spool = open_spool()
    spool.append(make_events(4))
    spool.acknowledge(3)

    assert spool.acknowledge(3) == 0
    assert spool.acknowledge(1) == 0
    with pytest.raises(SpoolMismatchError, match="ends at 4"):
        spool.acknowledge(5)
    assert spool.batch().header.first == 4


def test_an_append_is_all_or_nothing(open_spool):
    spool = open_spool()
    spool.append(make_events(1))
    bad = [*make_events(2), make_events(1)[0] | {"data": {"share": 0.5}}]

    with pytest.raises(wire.FloatOnWireError, match="/data/share"):
        spool.append(bad)
    assert spool.status().sequence == 1
    assert spool.status().written == {wire.TURN_COMPLETED: 1}


def test_a_batch_is_bounded_in_events_and_in_bytes(open_spool):
    spool = open_spool()
    spool.append(make_events(600))
    assert [header.last - header.first + 1 for header, _ in drain(spool)] == [500, 100]

    spool.append(make_events(20, size=40_000))
    sizes = []
    while (batch := spool.batch()) is not None:
        sizes.append(len(batch.body))
        spool.acknowledge(batch.header.last)
    assert max(sizes) <= wire.MAX_BATCH_BYTES
    assert len(sizes) == 4


def test_a_batch_can_begin_later_with_the_right_previous_hash(open_spool):
    spool = open_spool()
    spool.append(make_events(5))

    later = spool.batch(first=3, limit=2)

    assert (later.header.first, later.header.last) == (3, 4)
    assert wire.check_chain(later.header, json.loads(later.body))
    assert later.header.previous == spool.batch(limit=2).header.head


def test_an_event_that_fits_into_no_batch_is_refused_when_written(open_spool):
    spool = open_spool()

    with pytest.raises(EventTooLargeError):
        spool.append(make_events(1, size=wire.MAX_BATCH_BYTES))
    assert spool.status().sequence == 0


def test_a_full_spool_refuses_and_keeps_what_it_has_and_works_again_when_drained(open_spool):
    spool = open_spool(max_bytes=600_000)
    spool.require_room()
    with pytest.raises(SpoolFullError, match="full"):
        fill(spool)

    written = spool.status().sequence
    assert written % 10 == 0
    with pytest.raises(SpoolFullError, match="deliver events first"):
        spool.require_room()
    batches = drain(spool)
    assert sum(len(events) for _, events in batches) == written
    spool.require_room()
    assert spool.append(make_events(10)) == written + 10


def test_new_work_is_refused_while_there_is_still_room_for_a_task_under_way(open_spool):
    spool = open_spool(max_bytes=RESERVED_BYTES + 100_000)
    with pytest.raises(SpoolFullError, match="deliver events first"):
        fill(spool, before_each=spool.require_room)

    assert spool.append(make_events(100, size=500))


def test_two_writers_cannot_share_a_spool(open_spool):
    open_spool()

    with pytest.raises(SpoolLockedError, match="to write"):
        open_spool()


def test_a_killed_writer_leaves_no_lock_behind(tmp_path, open_spool):
    kill_a_writer(tmp_path / "spool.db", after=1)

    assert open_spool().append(make_events(1))


def test_a_sender_and_readers_work_beside_a_writer(open_spool):
    writer, sender, reader = open_spool(), open_spool(role=Role.SEND), open_spool(role=Role.READ)
    writer.append(make_events(5))

    sender.acknowledge(sender.batch(limit=3).header.last)

    writer.append(make_events(1))
    assert (reader.status().unsent, reader.status().sequence) == (3, 6)
    with pytest.raises(SpoolLockedError, match="to send"):
        open_spool(role=Role.SEND)


def test_another_devices_or_epochs_spool_is_refused(open_spool):
    open_spool().close()

    with pytest.raises(SpoolMismatchError, match="press-7's, epoch 1"):
        open_spool(device="press-8")
    with pytest.raises(SpoolMismatchError, match="epoch 2"):
        open_spool(epoch=2)


def test_another_devices_events_are_refused(open_spool):
    with pytest.raises(SpoolMismatchError, match="source"):
        open_spool().append(make_events(1, device="press-8"))


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE event SET body = replace(body, 'answered', 'canceled') || ' ' WHERE sequence = 3",
        "DELETE FROM event WHERE sequence = 3",
        "DELETE FROM event WHERE sequence = 1",
        "DELETE FROM event",
    ],
)
def test_an_event_changed_or_deleted_on_disk_is_noticed_before_it_is_sent(tmp_path, open_spool, damage):
    spool = open_spool()
    spool.append(make_events(5))
    other = sqlite3.connect(tmp_path / "spool.db", isolation_level=None)
    other.execute(damage)
    other.close()

    with pytest.raises(SpoolCorruptError, match=r"sequence [13]"):
        spool.batch()


def test_a_file_that_is_no_spool_is_refused(tmp_path, open_spool):
    (tmp_path / "spool.db").write_bytes(b"not a database" * 500)

    with pytest.raises(SpoolCorruptError):
        open_spool()


def test_every_commit_is_synchronous_and_the_log_is_bounded(open_spool):
    """Without FULL, events that append returned for are lost in a power cut; a kill does not show it."""
    database = open_spool()._database
    found = {name: database.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")}

    assert found == {"journal_mode": "wal", "synchronous": 2}
    assert database.execute("PRAGMA journal_size_limit").fetchone()[0] == 4 * 2**20
