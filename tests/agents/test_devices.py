"""Devices: what is wrong with their chains is kept though the batch is refused, and can be resolved."""

import pytest

from agents import devices, ledger
from agents.errors import Suspicion, UnknownReviewError
from agents.models import Device, DeviceFinding
from metering.models import Event
from runtime.wire import genesis
from tests.factories import NOW, SigningDevice, api_key, customer

pytestmark = pytest.mark.django_db
BATCH = "application/cloudevents-batch+json"


@pytest.fixture
def acme():
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


def found():
    return list(DeviceFinding.objects.order_by("pk").values_list("kind", "epoch", "first", "last"))


def turns(device, *names):
    return [device.event(name) for name in names]


def test_a_gap_is_kept_once_however_often_the_batch_is_tried(post, device):
    device.batch(*turns(device, "lost-1", "lost-2"))
    for _ in range(3):
        assert post(device.clone(), device.event("c")).json()["expected"] == 1
    assert found() == [("gap", 1, 1, 2)]
    assert Device.objects.get().gap_until == 2


def test_a_gap_that_is_found_to_be_wider_is_still_one(post, device):
    device.batch(device.event("lost"))
    post(device, device.event("b"))
    post(device, device.event("c"))
    assert found() == [("gap", 1, 1, 2)]


def test_a_gap_closes_by_itself_when_what_was_missing_arrives(post, device):
    early = device.clone()
    device.batch(*turns(device, "a", "b"))
    assert post(device.clone(), device.event("c")).status_code == 409
    assert post(early, *turns(device, "a")).status_code == 200
    assert DeviceFinding.objects.get().resolved_at is None
    assert post(early, *turns(device, "b", "c")).status_code == 200
    finding = DeviceFinding.objects.get()
    assert (finding.resolved_by, Device.objects.get().gap_until) == (ledger.CHAIN, None)


def test_a_gap_that_was_filled_meanwhile_is_none(post, device, acme):
    post(device, *turns(device, "a", "b"))
    row = Device.objects.get()
    suspicion = Suspicion(row.pk, "gap", 1, 1, 2, "late")
    ledger.note(suspicions=[suspicion], now=NOW)
    assert found() == []


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_clone_is_a_fork_and_its_device_goes_into_quarantine(post, device, length):
    clone = device.clone()
    post(device, *turns(device, "a", "b"))
    answer = post(clone, *turns(device, *(f"other-{n}" for n in range(length))))
    assert answer.status_code == 409
    assert found() == [("fork", 1, 1, length)]
    assert Device.objects.get().quarantined_at is not None
    for each in (device, clone):
        refused = post(each.clone(), device.event("more"))
        assert (refused.status_code, refused.json()["title"]) == (409, "The device is in quarantine")
        assert "expected" not in refused.json()
    assert found() == [("fork", 1, 1, length)]
    assert Event.objects.count() == 2


def test_a_fork_within_what_was_received_shows_by_the_hash_where_a_batch_ended(post, device):
    post(device, *turns(device, "a"))
    clone = device.clone()
    post(device, *turns(device, "b"))
    post(device, *turns(device, "c", "d"))
    known = device.event("b")
    assert post(clone, known | {"subject": "someone else"}).status_code == 409
    assert found() == [("fork", 1, 2, 2)]


def test_a_repetition_in_other_pieces_is_none_of_this(post, device):
    early = device.clone()
    post(device, *turns(device, "a", "b", "c", "d"))
    for names in (["a"], ["b", "c"], ["d", "e"]):
        assert post(early, *turns(device, *names)).status_code == 200
    assert found() == []
    assert Device.objects.get().last_sequence == 5


def test_an_old_event_with_other_content_is_a_replay_that_counts_nothing(post, device):
    early = device.clone()
    post(device, *turns(device, "a", "b", "c"))
    answer = post(early, device.event("a", outcome="canceled"))
    assert (answer.status_code, answer.json()["conflict"]) == (200, 1)
    assert found() == [("replay", 1, 1, 1)]
    assert Device.objects.get().quarantined_at is None
    assert Event.objects.count() == 3


def test_a_conflict_that_was_one_before_is_no_replay(post, device):
    early = device.clone()
    batch = [device.event("a"), device.event("b", turn="a")]
    assert post(device, *batch).json()["conflict"] == 1
    post(device, device.event("c"))
    assert post(early, *batch).json()["conflict"] == 1
    assert found() == []


def test_a_clock_that_is_wrong_is_one_finding_until_it_is_resolved(post, device):
    for name in "ab":
        assert post(device, device.event(name, time="1970-01-01T00:00:01.000000Z")).status_code == 200
    assert found() == [("clock", 1, 1, 2)]


def test_re_enrolment_begins_a_new_chain_and_keeps_the_clone_out(post, device, acme):
    clone = device.clone()
    post(device, *turns(device, "a", "b"))
    post(clone, device.event("other"))
    row = Device.objects.get()
    assert devices.re_enrol(device=row, actor="ann", reason="The clone was destroyed.", now=NOW) == 2
    row.refresh_from_db()
    assert (row.last_sequence, row.quarantined_at, bytes(row.head)) == (0, None, genesis(device="edge-1", epoch=2))
    assert DeviceFinding.objects.get().resolved_by == "ann"
    renewed = SigningDevice(epoch=2)
    renewed.private_key = device.private_key
    assert post(renewed, device.event("c")).json()["device"] == {"epoch": 2, "sequence": 1}
    assert post(clone, device.event("again")).status_code == 409
    assert Device.objects.get().quarantined_at is None
    assert [one for one in found() if one[1] == 1][1:] == [("fork", 1, 2, 2)]


def test_re_enrolment_may_bring_a_new_key(post, device, acme):
    fresh = SigningDevice(epoch=2)
    public = fresh.private_key.public_key().public_bytes_raw()
    devices.re_enrol(device=Device.objects.get(), actor="ann", reason="Stolen.", now=NOW, public_key=public)
    stolen = SigningDevice(epoch=2)
    stolen.private_key = device.private_key
    assert post(stolen, device.event("a")).status_code == 403
    assert post(fresh, device.event("a")).status_code == 200


@pytest.mark.parametrize(("actor", "reason"), [("", "because"), ("ann", " ")])
def test_nothing_is_resolved_without_an_actor_and_a_reason(post, device, actor, reason):
    device.batch(device.event("lost"))
    post(device, device.event("b"))
    with pytest.raises(ValueError, match="reason"):
        ledger.resolve(finding=DeviceFinding.objects.get(), actor=actor, reason=reason, now=NOW)
    with pytest.raises(ValueError, match="reason"):
        devices.re_enrol(device=Device.objects.get(), actor=actor, reason=reason, now=NOW)


def test_a_resolved_fork_lets_the_chain_we_know_go_on(post, device):
    clone = device.clone()
    post(device, *turns(device, "a", "b"))
    post(clone, device.event("other"))
    finding = DeviceFinding.objects.get()
    ledger.resolve(finding=finding, actor="ann", reason="A restored backup, wiped since.", now=NOW)
    assert post(device, device.event("c")).status_code == 200
    with pytest.raises(UnknownReviewError):
        ledger.resolve(finding=finding, actor="ann", reason="Again.", now=NOW)


def test_a_finding_that_comes_again_after_it_was_resolved_is_a_new_one(post, device):
    device.batch(device.event("lost"))
    post(device.clone(), device.event("b"))
    ledger.resolve(finding=DeviceFinding.objects.get(), actor="ann", reason="Lost for good.", now=NOW)
    post(device.clone(), device.event("b"))
    assert DeviceFinding.objects.filter(resolved_at__isnull=True).count() == 1
    assert len(found()) == 2
