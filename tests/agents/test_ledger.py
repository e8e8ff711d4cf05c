"""The ledger of devices: what was received, up to when it is complete, and what can be read of it."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import transaction

from agents import ledger
from agents.ledger import Lack
from agents.models import Device, DeviceFinding
from agents.models.keys import Scope
from metering.models import Batch
from tests.factories import NOW, SigningDevice, api_key, customer

BATCH = "application/cloudevents-batch+json"
HOUR = timedelta(hours=1)


@pytest.fixture
def acme(db):
    return customer("acme")


@pytest.fixture
def device(acme):
    signing = SigningDevice()
    signing.enrol(acme)
    return signing


@pytest.fixture
def post(client, acme):
    secret = api_key(acme)

    def post(signing, *events):
        body, headers = signing.batch(*events)
        headers["Authorization"] = f"Bearer {secret}"
        return client.post("/v1/events", data=body, content_type=BATCH, headers=headers)

    return post


@pytest.fixture
def get(client):
    return lambda address, secret: client.get(address, headers={"Authorization": f"Bearer {secret}"})


def at(hour, minute=0):
    return datetime(2026, 11, 15, hour, minute, tzinfo=UTC)


def event(device, name, hour):
    return device.event(name, time=f"2026-11-15T{hour:02}:00:00.000000Z")


def reached():
    return ledger.complete_up_to(device=Device.objects.get())


def test_a_device_is_complete_up_to_its_newest_event(post, device):
    assert reached() is None
    post(device, event(device, "a", 8), event(device, "b", 9))
    assert reached() == at(9)
    post(device, event(device, "c", 8))
    assert reached() == at(9)


def test_nothing_after_a_gap_makes_it_more_complete(post, device):
    post(device, event(device, "a", 8))
    device.batch(event(device, "lost", 9))
    post(device, event(device, "c", 10))
    assert reached() == at(8)


def test_a_fork_casts_doubt_on_what_follows_the_parting(post, device):
    post(device, event(device, "a", 8))
    clone = device.clone()
    post(device, event(device, "b", 9))
    post(clone, event(device, "other", 9))
    assert reached() == at(8)
    ledger.resolve(finding=DeviceFinding.objects.get(), actor="ann", reason="Wiped.", now=NOW)
    assert reached() == at(9)


def test_a_batch_of_which_nothing_could_be_taken_moves_the_chain_but_not_the_time(post, device):
    post(device, event(device, "a", 8))
    answer = post(device, device.event("b", outcome=["no", "name"]))
    assert answer.json()["rejected"] == 1
    assert reached() == at(8)
    assert Device.objects.get().last_sequence == 2


def test_closing_learns_which_devices_may_still_hold_usage_and_why(post, device, acme):
    for key in ("edge-2", "edge-3", "edge-4", "late", "gone"):
        SigningDevice(key).enrol(acme)
    Device.objects.filter(key="late").update(enrolled_at=NOW + HOUR)
    Device.objects.filter(key="gone").update(revoked_at=NOW)
    post(device, event(device, "a", 8))
    Device.objects.filter(key="edge-2").update(newest_event_at=at(9), gap_until=7)
    Device.objects.filter(key="edge-3").update(newest_event_at=at(9), quarantined_at=NOW)
    Device.objects.filter(key="edge-4").update(newest_event_at=NOW + HOUR)
    Device.objects.update(enrolled_at=NOW - HOUR)
    Device.objects.filter(key="late").update(enrolled_at=NOW + HOUR)
    found = [(one.device, one.complete_up_to, one.lack) for one in ledger.incomplete(customer_id=acme.pk, until=NOW)]
    assert found == [
        ("edge-1", at(8), Lack.SILENT),
        ("edge-2", at(9), Lack.GAP),
        ("edge-3", at(9), Lack.FORK),
    ]
    assert ledger.incomplete(customer_id=customer("rival").pk, until=NOW) == ()


def test_a_finding_marks_the_usage_it_touches(post, device):
    post(device, event(device, "a", 8))
    clone = device.clone()
    post(device, event(device, "b", 9))
    post(device, event(device, "c", 10))
    post(clone, event(device, "other", 9))
    first, second, third = Batch.objects.order_by("pk").values_list("pk", flat=True)
    touched = [one.batch_id for one in ledger.touched(finding=DeviceFinding.objects.select_related("device").get())]
    assert touched == [third, second]
    marks = ledger.marks(customer_id=device_customer(), batches=[first, second, third])
    assert {number: [one.kind for one in found] for number, found in marks.items()} == {
        second: ["fork"],
        third: ["fork"],
    }


def device_customer():
    return Device.objects.get().customer_id


def test_the_ledger_holds_each_run_with_its_hash(post, device):
    post(device, event(device, "a", 8), event(device, "b", 8))
    post(device, event(device, "c", 9))
    newest, oldest = ledger.ranges(device=Device.objects.get())
    assert ((oldest.first, oldest.last), (newest.first, newest.last)) == ((1, 2), (3, 3))
    assert ledger.hashes(device=Device.objects.get(), first=0, last=3)[3] == device.head


def test_devices_can_be_listed_and_looked_at(post, get, device, acme):
    secret = api_key(acme)
    post(device, event(device, "a", 8))
    clone = device.clone()
    post(device, event(device, "b", 9))
    post(clone, event(device, "other", 9))
    listed = get("/v1/devices", secret).json()
    assert [one["key"] for one in listed["devices"]] == ["edge-1"]
    assert (listed["next"], listed["devices"][0]["complete_up_to"]) == (None, "2026-11-15T08:00:00.000000Z")
    shown = get("/v1/devices/edge-1", secret).json()
    assert shown["last_sequence"] == 2
    assert shown["quarantined_at"] is not None
    assert [(one["kind"], one["first"], one["last"], one["events"]) for one in shown["findings"]] == [("fork", 2, 2, 1)]
    assert shown["ranges"][0]["head"] == device.head.hex()
    review = get("/v1/reviews", secret).json()["reviews"][0]
    assert (review["kind"], review["what"]) == ("device_fork", "device edge-1, epoch 1, 2 to 2")


def test_devices_come_a_page_at_a_time(get, acme):
    for number in range(101):
        SigningDevice(f"edge-{number:03}").enrol(acme)
    secret = api_key(acme)
    first = get("/v1/devices", secret).json()
    assert (len(first["devices"]), first["next"]) == (100, "edge-099")
    assert [one["key"] for one in get("/v1/devices?after=edge-099", secret).json()["devices"]] == ["edge-100"]


def test_devices_of_others_cannot_be_seen(get, device, acme):
    rival = api_key(customer("rival"))
    assert get("/v1/devices", rival).json()["devices"] == []
    assert get("/v1/devices/edge-1", rival).status_code == 404
    assert get("/v1/devices/edge-1", api_key(acme, scopes=[Scope.EVENTS_WRITE])).status_code == 403
    assert get("/v1/devices", "am_live_wrong").status_code == 401
    assert get("/v1/devices?page=2", api_key(acme)).status_code == 400
    assert get("/v1/devices?after=%00", api_key(acme)).status_code == 400


def test_findings_outlive_the_refused_request(committed, client):
    acme = customer("acme")
    device = SigningDevice()
    device.enrol(acme)
    device.batch(device.event("lost"))
    body, headers = device.batch(device.event("b"))
    headers["Authorization"] = f"Bearer {api_key(acme)}"
    assert client.post("/v1/events", data=body, content_type=BATCH, headers=headers).status_code == 409
    assert not transaction.get_connection().in_atomic_block
    assert (DeviceFinding.objects.count(), Batch.objects.count()) == (1, 0)
