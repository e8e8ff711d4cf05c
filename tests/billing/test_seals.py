"""Seals: the chain of a signed batch can be checked again whatever became of its events, and of its device."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import devices, intake
from agents.auth import Caller
from agents.devices import Signature
from agents.models import Device
from metering import evidence, seals
from metering.models import Batch, Event, Seal
from runtime.wire import (
    BATCH_HEADER,
    SIGNATURE_HEADER,
    Boot,
    canonical,
    compose,
    difference,
    format_time,
    presume,
    restore,
)
from tests.billing import agreement
from tests.billing.bundles import deliver, pack, proved
from tests.billing.conftest import JUNE, MAY
from tests.factories import SigningDevice

DAY = timedelta(days=1)


@pytest.fixture
def device(acme):
    device = SigningDevice()
    device.enrol(acme)
    return device


@pytest.fixture
def subscription(acme):
    return agreement.start(acme, agreement.plan(agreement.metered("1")))


def receive(customer, device, at, *documents):
    body, headers = device.batch(*documents)
    return intake.receive(
        caller=Caller(1, customer.pk, "production", frozenset()),
        body=body,
        content_type="application/cloudevents-batch+json",
        signature=Signature(headers[BATCH_HEADER], headers[SIGNATURE_HEADER]),
        received_at=at,
    )


def proven(subscription, tmp_path):
    (invoice,) = agreement.close(subscription, JUNE)
    report = proved(pack(invoice, tmp_path))
    assert (report.findings, report.remarks) == ([], [])
    return report.facts


def turn(device, name, **more):
    return device.event(name, time=format_time(MAY + DAY)) | more


def test_events_that_were_refused_or_repeated_are_still_in_the_chain(acme, device, subscription, tmp_path):
    receive(acme, device, MAY + DAY, turn(device, "a"))
    wrong = device.event("wrong", time=format_time(MAY + DAY), turn="")
    other = device.event("b2", time=format_time(MAY + DAY), turn="b")
    received = receive(
        acme, device, MAY + DAY, turn(device, "b"), wrong, other, turn(device, "c", bootid="x", boottime="7")
    )
    assert received.recorded.counts == {"accepted": 2, "duplicate": 0, "conflict": 1, "rejected": 1}
    assert proven(subscription, tmp_path)["events"] == 3


def test_a_device_that_got_another_key_is_proved_by_the_one_it_had(acme, device, subscription, tmp_path):
    deliver(acme, device, MAY + DAY, "a")
    renewed = SigningDevice(epoch=2)
    public = renewed.private_key.public_key().public_bytes_raw()
    devices.re_enrol(device=Device.objects.get(), actor="ann", reason="Stolen.", now=MAY + DAY, public_key=public)
    deliver(acme, renewed, MAY + 2 * DAY, "b")
    facts = proven(subscription, tmp_path)
    assert list(facts["device"]) == ["edge-1, epoch 1", "edge-1, epoch 2"]
    assert len(set(facts["device"].values())) == 2


@pytest.mark.parametrize(
    "more",
    [
        {"dataschema": "https://example.com/turn", "tracestate": "a=b"},
        {"subject": None},
        {"datacontenttype": "application/vnd.x+json"},
        {"time": "2026-05-02T02:00:00.123456789+02:00"},
        {"bootid": "boot", "boottime": "12"},
    ],
)
def test_attributes_that_are_not_stored_are_kept_for_the_chain(acme, device, subscription, tmp_path, more):
    event = {name: value for name, value in (turn(device, "a") | more).items() if value is not None}
    receive(acme, device, MAY + DAY, event)
    proven(subscription, tmp_path)


def test_a_request_that_nobody_signed_has_no_seal(acme, send):
    send.turns(acme, MAY)
    assert not Seal.objects.exists()
    (batch,) = evidence.batches(batch_ids=[Batch.objects.get().pk]).values()
    assert (batch.header, batch.public_key, batch.rest) == (None, None, None)


def test_a_usual_event_costs_a_seal_little(acme, device):
    deliver(acme, device, MAY + DAY, *(f"turn-{number}" for number in range(500)))
    seal = Seal.objects.get()
    assert len(seals.rest_of(seal)) == Event.objects.count() == 500
    assert len(bytes(seal.rest)) < 500 * 10


TEXT = st.text(max_size=5)
DATA = st.dictionaries(TEXT, st.none() | st.booleans() | st.integers(-9, 9) | TEXT | st.lists(TEXT, max_size=2))


@given(
    data=DATA,
    more=st.dictionaries(st.sampled_from(["bootid", "boottime", "subject", "specversion", "extra"]), TEXT),
    gone=st.sets(st.sampled_from(["subject", "datacontenttype", "data"])),
)
def test_what_was_signed_is_put_together_again(data, more, gone):
    event = compose(event_id="e", kind="turn", device="d", agent="a", time=MAY, data=data) | {"sequence": "7"} | more
    event = {name: value for name, value in event.items() if name not in gone}
    known = {"event_id": "e", "source": "urn:agentmeter:device:d", "kind": "turn", "subject": event.get("subject", "")}
    presumed = presume(**known, time=MAY, data=event.get("data", {}), sequence=7)
    assert restore(presumed=presumed, difference=difference(document=event, presumed=presumed)) == event
    assert difference(document=event, presumed={}) == [event, []]


@pytest.mark.parametrize("wrong", [None, [], {}, [[], []], [{}, {}], "text"])
def test_what_is_no_difference_is_refused(wrong):
    with pytest.raises(ValueError, match="difference"):
        restore(presumed={}, difference=wrong)


def test_a_device_writes_what_is_presumed_of_it_but_for_its_clock():
    boot = Boot(id="boot", nanoseconds=5)
    event = compose(event_id="e", kind="turn", device="d", agent="a", time=MAY, data={"turn": "t"})
    event |= {"sequence": "1"} | boot.to_attributes()
    presumed = presume(
        event_id="e",
        source="urn:agentmeter:device:d",
        kind="turn",
        subject="a",
        time=MAY,
        data={"turn": "t"},
        sequence=1,
    )
    assert difference(document=event, presumed=presumed) == [boot.to_attributes(), []]
    assert canonical(restore(presumed=presumed, difference=[boot.to_attributes(), []])) == canonical(event)
