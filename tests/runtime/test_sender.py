"""The sender: everything arrives once, whatever the network does; nothing is forgotten that was not committed."""

import json
import random
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from runtime import wire
from runtime.errors import DeliveryGaveUpError, DeliveryRefusedError, SequenceGapError, SpoolCorruptError
from runtime.patience import Patience
from runtime.spool import Role
from runtime.transport import Transport
from tests.runtime.conftest import make_events
from tests.runtime.delivery import HTML, Waits, patience, problem, send
from tests.runtime.service import DROP, LOSE_ACK


def test_everything_is_delivered_signed_and_chained_and_leaves_the_spool(open_spool, service, transport):
    spool = open_spool()
    spool.append(make_events(7))

    delivered = send(spool, transport, limit=3)

    assert (delivered.batches, delivered.events, delivered.accepted) == (3, 7, 7)
    assert len(service.events) == 7
    assert service.hashes[-1].hex() == spool.status().head
    assert spool.batch() is None
    assert send(spool, transport).batches == 0


def test_a_request_is_what_the_wire_says(open_spool, service, transport):
    spool = open_spool()
    spool.append(make_events(1))
    send(spool, transport)

    (seen,) = service.headers_seen
    assert seen["path"] == "/v1/events"
    assert seen["Content-Type"] == "application/cloudevents-batch+json"
    assert seen["Authorization"] == "Bearer am_live_key"
    assert "=" not in seen[wire.BATCH_HEADER] + seen[wire.SIGNATURE_HEADER]


def test_a_netrc_file_does_not_replace_the_key(open_spool, service, transport, tmp_path, monkeypatch):
    (tmp_path / "netrc").write_text("default login someone password else\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    spool = open_spool()
    spool.append(make_events(1))
    send(spool, transport)

    assert service.headers_seen[0]["Authorization"] == "Bearer am_live_key"


def test_a_lost_answer_leads_to_the_same_events_again_which_count_once(open_spool, service, transport):
    spool = open_spool()
    spool.append(make_events(4))
    service.faults.append(LOSE_ACK)

    delivered = send(spool, transport)

    assert service.firsts == [1, 1]
    assert (delivered.accepted, delivered.duplicate, delivered.retries) == (0, 4, 1)
    assert len(service.events) == 4


def test_a_sender_that_died_before_it_heard_the_answer_begins_at_the_same_event(open_spool, service, transport):
    spool = open_spool()
    spool.append(make_events(4))
    service.faults.append(LOSE_ACK)
    with pytest.raises(DeliveryGaveUpError):
        send(spool, transport, patience=patience(attempts=1))
    spool.append(make_events(2, start=4))
    spool.close()

    delivered = send(open_spool(role=Role.SEND), transport)

    assert service.firsts == [1, 1]
    assert (delivered.accepted, delivered.duplicate) == (2, 4)


@pytest.mark.parametrize("seed", range(3))
def test_on_a_bad_network_every_event_arrives_exactly_once(open_spool, service, transport, seed):
    chance = random.Random(seed)
    service.faults.extend(chance.choices([None, DROP, LOSE_ACK, (503, {}, ""), HTML], k=60))
    spool = open_spool()
    written = 0
    for _ in range(6):
        written = spool.append(make_events(chance.randint(1, 40), start=written))
        send(spool, transport, limit=chance.choice((5, 17, 500)), patience=patience(attempts=70))

    assert sorted(event["data"]["number"] for event in service.events.values()) == list(range(written))
    assert service.hashes[-1].hex() == spool.status().head
    assert spool.status().unsent == 0


def test_waits_grow_with_jitter_up_to_a_ceiling_and_end(open_spool, service, transport):
    spool, waits = open_spool(), Waits()
    spool.append(make_events(1))
    service.faults.extend([DROP] * 6)
    highest = Patience(attempts=6, base_seconds=1, ceiling_seconds=5, sleep=waits, draw=lambda _low, high: high)

    with pytest.raises(DeliveryGaveUpError, match="after 6 attempts"):
        send(spool, transport, patience=highest)

    assert waits.seconds == [1, 2, 4, 5, 5]
    assert spool.status().unsent == 1
    drawn = [Waits() for _ in range(2)]
    for waits in drawn:
        patience(waits=waits).wait(attempt=6, answer="", at_least=None)
    assert drawn[0].seconds != drawn[1].seconds


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_service_that_asks_to_wait_gets_the_wait(open_spool, service, transport, status):
    spool, waits = open_spool(), Waits()
    spool.append(make_events(1))
    service.faults.append((status, {"Retry-After": "42"}, ""))

    assert send(spool, transport, patience=patience(waits=waits)).accepted == 1
    assert waits.seconds == [42]


def test_a_wait_may_be_given_as_a_date_and_nonsense_is_ignored(open_spool, service, transport):
    spool, waits = open_spool(), Waits()
    spool.append(make_events(1))
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    service.faults.extend([(503, {"Retry-After": later}, ""), (503, {"Retry-After": "soon"}, "")])

    send(spool, transport, patience=patience(waits=waits, base_seconds=0.1))

    assert 90 < waits.seconds[0] <= 100
    assert waits.seconds[1] < 1


def test_too_long_a_wait_ends_patience_and_says_how_long(open_spool, service, transport):
    spool = open_spool()
    spool.append(make_events(1))
    service.faults.append(problem(429, headers={"Retry-After": "86400"}, title="Quota"))

    with pytest.raises(DeliveryGaveUpError, match=r"86400 seconds.*Quota"):
        send(spool, transport)


def test_a_service_that_expects_a_later_event_gets_it(open_spool, service, transport):
    spool = open_spool()
    spool.append(make_events(5))
    first = spool.batch(limit=2)
    service.hashes += wire.check_chain(first.header, json.loads(first.body))
    service.faults.append(problem(409, title="Sequence gap", expected=3))

    assert send(spool, transport).accepted == 3
    assert service.firsts == [3]
    assert spool.status().unsent == 0


@pytest.mark.parametrize(
    ("expected", "why"), [(1, "are gone"), (2, "are gone"), (9, "only written 5"), (3, "refuses a batch from there")]
)
def test_a_gap_that_the_spool_cannot_fill_stops_and_keeps_everything(open_spool, service, transport, expected, why):
    spool = open_spool()
    spool.append(make_events(5))
    spool.acknowledge(2)
    service.faults.append(problem(409, title="Sequence gap", expected=expected))

    with pytest.raises(SequenceGapError, match=why):
        send(spool, transport)
    assert spool.status().unsent == 3


def test_a_service_that_never_settles_on_a_sequence_is_not_asked_for_ever(open_spool, service, transport):
    spool = open_spool()
    spool.append(make_events(5))
    service.faults.extend([problem(409, expected=3), problem(409, expected=4)])

    with pytest.raises(SequenceGapError, match="expects sequence 4"):
        send(spool, transport)


def test_a_fork_is_a_refusal(open_spool, service, transport):
    spool = open_spool()
    spool.append(make_events(2))
    service.faults.append(problem(409, title="Fork"))

    with pytest.raises(DeliveryRefusedError, match="Fork"):
        send(spool, transport)


@pytest.mark.parametrize("verdict", ["conflict", "rejected"])
def test_events_that_will_not_be_billed_are_counted_and_explained(open_spool, service, transport, verdict):
    spool = open_spool()
    spool.append(make_events(3))
    service.verdict = verdict

    delivered = send(spool, transport)

    assert (delivered.accepted, getattr(delivered, verdict)) == (2, 1)
    assert delivered.reasons == (f"e-0 {verdict}: /x bad",)
    assert spool.status().unsent == 0


def test_a_damaged_spool_is_not_sent(open_spool, service, transport):
    spool = open_spool()
    spool.append(make_events(3))
    spool._database.execute("DELETE FROM event WHERE sequence = 2")

    with pytest.raises(SpoolCorruptError, match="sequence 2"):
        send(spool, transport)
    assert service.headers_seen == []


def test_nobody_listening_is_reported_after_the_last_attempt(open_spool, service):
    spool = open_spool()
    spool.append(make_events(1))
    silent = Transport(url="http://127.0.0.1:1", api_key="k")

    with pytest.raises(DeliveryGaveUpError, match="ConnectionError"):
        send(spool, silent, patience=patience(attempts=2))
    silent.close()
