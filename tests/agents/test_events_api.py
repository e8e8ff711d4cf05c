"""`POST /v1/events`: verdicts, signed batches, and refusals that store nothing."""

import gzip
import json

import pytest

from agents.models import Agent, Device
from agents.models.keys import Environment, Scope
from metering.models import Batch, Event, Refusal
from tests.factories import SigningDevice, api_key, customer

pytestmark = pytest.mark.django_db

BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"


@pytest.fixture
def acme():
    return customer("acme")


@pytest.fixture
def key(acme):
    return api_key(acme)


@pytest.fixture
def device(acme):
    signing = SigningDevice()
    signing.enrol(acme)
    return signing


@pytest.fixture
def post(client):
    def post(body, key, content_type=BATCH, headers=()):
        headers = {"Authorization": f"Bearer {key}"} | dict(headers)
        return client.post("/v1/events", data=body, content_type=content_type, headers=headers)

    return post


def turn(event_id, **data):
    return {
        "specversion": "1.0",
        "id": event_id,
        "source": "/laptop",
        "type": "io.agentmeter.turn.completed.v1",
        "time": "2026-11-15T11:00:00Z",
        "subject": "helper",
        "data": {"turn": event_id, "outcome": "answered"} | data,
    }


def stored():
    return Event.objects.count(), Batch.objects.count(), Refusal.objects.count()


def test_a_single_event_is_accepted_and_its_repetition_is_a_success(post, key, acme):
    first = post(json.dumps(turn("a")), key, SINGLE)
    again = post(json.dumps(turn("a")), key, SINGLE)
    assert (first.status_code, again.status_code) == (200, 200)
    assert [one.json()["verdicts"][0]["verdict"] for one in (first, again)] == ["accepted", "duplicate"]
    assert Event.objects.get().customer_id == acme.pk
    assert Agent.objects.get().key == "helper"


def test_a_single_event_that_conflicts_or_is_broken_is_a_problem_that_names_the_field(post, key):
    post(json.dumps(turn("a")), key, SINGLE)
    conflict = post(json.dumps(turn("a", outcome="canceled")), key, SINGLE)
    rejected = post(json.dumps(turn("b") | {"time": "noon"}), key, SINGLE)
    assert (conflict.status_code, rejected.status_code) == (409, 422)
    assert conflict.headers["Content-Type"] == "application/problem+json"
    assert rejected.json()["errors"][0]["pointer"] == "/time"
    assert Event.objects.count() == 1


def test_one_bad_event_never_fails_its_batch(post, key):
    events = [turn("a"), turn("b") | {"id": ""}, turn("c"), turn("a")]
    answer = post(json.dumps(events), key).json()
    assert [one["verdict"] for one in answer["verdicts"]] == ["accepted", "rejected", "accepted", "duplicate"]
    assert answer["verdicts"][1]["errors"][0]["pointer"] == "/1/id"
    assert (answer["accepted"], answer["duplicate"], answer["conflict"], answer["rejected"]) == (2, 1, 0, 1)


def test_the_key_decides_the_customer_never_the_body(post, acme):
    rival = customer("rival")
    post(json.dumps([turn("a", customer="acme")]), api_key(rival))
    assert Event.objects.get().customer_id == rival.pk


def test_two_customers_may_use_the_same_ids(post, key):
    post(json.dumps([turn("a")]), key)
    assert post(json.dumps([turn("a")]), api_key(customer("rival"))).json()["accepted"] == 1


def test_what_a_test_key_sends_is_kept_apart(post, acme):
    post(json.dumps([turn("a")]), api_key(acme, environment=Environment.TEST))
    assert Event.objects.get().environment == "test"


def test_a_stranger_is_asked_for_a_key(post, client):
    assert client.post("/v1/events", data="[]", content_type=BATCH).status_code == 401
    answer = post("[]", "am_live_wrong")
    assert (answer.status_code, answer.headers["Content-Type"]) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"] == "Bearer"


def test_a_key_without_the_scope_is_refused(post, acme):
    assert post("[]", api_key(acme, scopes=[Scope.USAGE_READ])).status_code == 403


def test_a_whole_request_that_cannot_be_read_is_told_why(post, key):
    assert post("{", key).status_code == 400
    assert post("[]", key, "text/plain").status_code == 415
    assert post(json.dumps([turn(str(n)) for n in range(1001)]), key).status_code == 413
    assert post(b"x" * (4 * 1024 * 1024 + 1), key).status_code == 413
    assert post(b"not gzip", key, headers={"Content-Encoding": "gzip"}).status_code == 400
    assert stored() == (0, 0, 0)


def test_gzip_is_understood_and_a_bomb_is_not_unpacked(post, key):
    assert post(gzip.compress(json.dumps([turn("a")]).encode()), key, headers={"Content-Encoding": "gzip"}).json()[
        "accepted"
    ]
    bomb = gzip.compress(b" " * (64 * 1024 * 1024))
    assert post(bomb, key, headers={"Content-Encoding": "gzip"}).status_code == 413


def test_a_signed_batch_moves_the_chain_and_its_evidence_is_kept(post, key, device):
    body, headers = device.batch(device.event("a"), device.event("b"))
    answer = post(body, key, headers=headers)
    assert answer.json()["device"] == {"epoch": 1, "sequence": 2}
    assert answer.json()["accepted"] == 2
    row, batch = Device.objects.get(), Batch.objects.get()
    assert (row.last_sequence, bytes(row.head)) == (2, device.head)
    assert (batch.device_id, batch.first_sequence, batch.last_sequence) == (row.pk, 1, 2)
    assert batch.signature


def test_a_batch_sent_twice_changes_nothing(post, key, device):
    body, headers = device.batch(device.event("a"), device.event("b"))
    post(body, key, headers=headers)
    before = stored()
    answer = post(body, key, headers=headers)
    assert (answer.status_code, answer.json()["duplicate"], answer.json()["device"]["sequence"]) == (200, 2, 2)
    assert stored() == before


def test_a_resend_that_goes_further_is_taken_up_where_the_chain_stood(post, key, device):
    restart = device.clone()
    events = [device.event(name) for name in "abc"]
    body, headers = device.batch(*events[:2])
    post(body, key, headers=headers)
    body, headers = restart.batch(*events)
    answer = post(body, key, headers=headers).json()
    assert (answer["duplicate"], answer["accepted"], answer["device"]["sequence"]) == (2, 1, 3)


def refused(answer, status):
    assert answer.status_code == status, answer.content
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert stored() == (0, 0, 0)
    assert not Agent.objects.exists()


def test_a_tampered_batch_is_refused_and_nothing_stored(post, key, device):
    body, headers = device.batch(device.event("a", decisions=9))
    refused(post(body.replace(b'"decisions":9', b'"decisions":1'), key, headers=headers), 422)
    refused(post(body.replace(b"[{", b'[{"x":1,'), key, headers=headers), 422)
    refused(post(b"[]", key, headers=headers), 422)


def test_a_batch_signed_by_another_key_is_refused(post, key, device):
    forger = SigningDevice()
    body, headers = forger.batch(forger.event("a"))
    refused(post(body, key, headers=headers), 403)


def test_a_device_of_another_customer_is_refused(post, device):
    body, headers = device.batch(device.event("a"))
    refused(post(body, api_key(customer("rival")), headers=headers), 403)


def test_half_a_signature_is_refused(post, key, device):
    body, headers = device.batch(device.event("a"))
    headers.popitem()
    refused(post(body, key, headers=headers), 400)


def test_a_gap_names_the_sequence_expected(post, key, device):
    device.batch(device.event("lost"))
    body, headers = device.batch(device.event("b"))
    answer = post(body, key, headers=headers)
    refused(answer, 409)
    assert answer.json()["expected"] == 1


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_cloned_device_is_noticed_whatever_it_sends(post, key, device, length):
    clone = device.clone()
    body, headers = device.batch(device.event("a"), device.event("b"))
    post(body, key, headers=headers)
    before = stored()
    body, headers = clone.batch(*(clone.event(f"other-{n}") for n in range(length)))
    answer = post(body, key, headers=headers)
    assert answer.status_code == 409
    assert stored() == before
    assert Device.objects.get().last_sequence == 2


def test_a_fault_of_ours_is_a_503_that_asks_to_try_again(post, key, client, monkeypatch):
    def broken(**_):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr("metering.ingest.record_all", broken)
    client.raise_request_exception = False
    answer = post(json.dumps([turn("a")]), key)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "disk" not in answer.content.decode()
