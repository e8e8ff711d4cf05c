"""The CloudEvents SDK (as pinned in requirements-dev.txt) as an outside sender: what it writes in each mode is read."""

import json

import pytest
import requests
from cloudevents.conversion import to_binary, to_json, to_structured
from cloudevents.http import CloudEvent

from metering.models import Event as Stored

ATTRIBUTES = {
    "id": "a",
    "source": "/robots/7",
    "type": "com.example.turn",
    "subject": 'Grüße "100%" 🚲',
    "time": "2026-11-20T12:00:00.123456+01:00",
    "dataschema": "https://example.com/turn",
    "taskid": "7",
}
DATA = {"amount": 7, "text": "日本", "nested": {"a": [1, True, None]}}


@pytest.fixture
def post(live_server, key):
    def post(headers, body):
        sent = {"Authorization": f"Bearer {key}", **headers}
        return requests.post(f"{live_server.url}/v1/events", data=body, headers=sent, timeout=10)

    return post


@pytest.fixture
def event():
    return CloudEvent(ATTRIBUTES, DATA)


def test_a_structured_event_is_read_as_it_was_meant(post, event):
    answer = post(*to_structured(event))
    assert (answer.status_code, answer.json()["accepted"]) == (200, 1)
    stored = Stored.objects.get()
    assert (stored.event_id, stored.source, stored.type) == ("a", "/robots/7", "com.example.turn")
    assert (stored.subject, stored.data) == (ATTRIBUTES["subject"], DATA)
    assert stored.time.isoformat() == "2026-11-20T11:00:00.123456+00:00"


def test_a_binary_event_is_the_same_event(post):
    binary = CloudEvent({**ATTRIBUTES, "datacontenttype": "application/json", "subject": "robot"}, DATA)
    headers, body = to_binary(binary)
    assert post({name: str(value) for name, value in headers.items()}, body).json()["accepted"] == 1
    assert post(*to_structured(binary)).json()["verdicts"][0]["verdict"] == "duplicate"
    assert Stored.objects.get().data == DATA


def test_events_of_the_sdk_make_a_batch(post, event):
    other = CloudEvent({**ATTRIBUTES, "id": "b"}, DATA)
    body = b"[" + b",".join(to_json(one) for one in (event, other, event)) + b"]"
    answer = post({"Content-Type": "application/cloudevents-batch+json"}, body).json()
    assert (answer["accepted"], answer["duplicate"]) == (2, 1)


def test_what_the_sdk_lets_through_is_judged_again(post):
    wrong = json.loads(to_json(CloudEvent(ATTRIBUTES, DATA))) | {"source": "not a uri", "dataschema": "relative"}
    answer = post({"Content-Type": "application/cloudevents+json"}, json.dumps(wrong))
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/source", "/dataschema"}
    assert not Stored.objects.exists()
