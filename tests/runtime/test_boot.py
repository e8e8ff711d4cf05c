"""What a device writes of the clock that cannot be set."""

from dataclasses import replace

import pytest

from runtime import wire
from runtime.boot import read_boot
from runtime.wire import BadHeaderError, BatchHeader, Boot
from tests.runtime.conftest import make_events
from tests.runtime.delivery import send
from tests.runtime.service import DROP, LOSE_ACK

DIGEST = "0" * 64
PLAIN = BatchHeader(device="edge-1", epoch=1, first=1, last=1, previous=DIGEST, head=DIGEST)
STAMPED = replace(PLAIN, bootid="boot-1", boottime="12")


def test_a_moment_reads_what_it_writes():
    boot = Boot(id="boot-1", nanoseconds=2**62)
    assert Boot.from_attributes(boot.to_attributes()) == boot


@pytest.mark.parametrize(
    "attributes",
    [{}, {"bootid": "a"}, {"boottime": "1"}, {"bootid": 1, "boottime": "1"}, {"bootid": "a", "boottime": "01"}],
)
def test_half_a_moment_is_none(attributes):
    assert Boot.from_attributes(attributes) is None


def test_two_moments_of_one_boot_are_in_order():
    first, second = read_boot(), read_boot()
    assert first is not None
    assert second is not None
    assert first.id == second.id
    assert first.nanoseconds < second.nanoseconds


def test_every_spooled_event_says_when_it_was_appended(open_spool):
    moments = iter([Boot(id="boot-1", nanoseconds=5), None])
    spool = open_spool(read_boot=lambda: next(moments))
    spool.append(make_events(2))
    spool.append(make_events(1, start=2))
    batch = spool.batch()
    assert [b'"bootid":"boot-1","boottime":"5"' in body for body in batch.bodies] == [True, True, False]


def test_every_attempt_to_send_says_its_own_moment(open_spool, service, transport):
    spool = open_spool()
    spool.append(make_events(1))
    service.faults += [DROP, LOSE_ACK]
    send(spool, transport)
    headers = [BatchHeader.from_bytes(wire.from_base64url(seen[wire.BATCH_HEADER])) for seen in service.headers_seen]
    moments = [int(header.boottime or 0) for header in headers]
    assert len(moments) == 3
    assert moments == sorted(set(moments))
    assert {replace(header, bootid=None, boottime=None) for header in headers} == {
        replace(headers[0], bootid=None, boottime=None)
    }
    assert int(service.events["e-0"]["boottime"]) < moments[0]


def test_a_header_with_a_moment_is_signed_with_it_and_one_without_stays_as_it_was():
    assert BatchHeader.from_bytes(STAMPED.to_bytes()) == STAMPED
    assert BatchHeader.from_bytes(PLAIN.to_bytes()) == PLAIN
    assert b"boot" not in PLAIN.to_bytes()


@pytest.mark.parametrize(
    ("boot", "field"),
    [
        ({"bootid": "a"}, "bootid"),
        ({"boottime": "1"}, "bootid"),
        ({"bootid": "", "boottime": "1"}, "bootid"),
        ({"bootid": "a", "boottime": "-1"}, "boottime"),
        ({"bootid": "a", "boottime": 1}, "boottime"),
        ({"bootid": None, "boottime": None}, "header"),
    ],
)
def test_a_header_with_a_moment_that_cannot_be_is_refused(boot, field):
    values = {"device": "edge-1", "epoch": 1, "first": 1, "last": 1, "previous": DIGEST, "head": DIGEST} | boot
    with pytest.raises(BadHeaderError, match=f"^{field}"):
        BatchHeader.from_bytes(wire.canonical(values))
