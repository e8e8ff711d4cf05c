"""`POST /v1/events` in binary mode, and what an unreadable request is told."""

import gzip
import json

import pytest

from metering.models import Event
from tests.factories import SigningDevice, api_key, customer

pytestmark = pytest.mark.django_db

HEADERS = {
    "ce-specversion": "1.0",
    "ce-id": "a",
    "ce-source": "/laptop",
    "ce-type": "com.example.turn",
    "ce-subject": "Gr%C3%BC%C3%9Fe",
}
EVENT = {
    "specversion": "1.0",
    "id": "a",
    "source": "/laptop",
    "type": "com.example.turn",
    "subject": "Grüße",
    "data": {"amount": 7},
}


@pytest.fixture
def post(client):
    key = api_key(customer())

    def post(body, content_type="application/json", **headers):
        given = {"Authorization": f"Bearer {key}"} | {name.replace("_", "-"): value for name, value in headers.items()}
        return client.post("/v1/events", data=body, content_type=content_type, headers=given)

    return post


def test_an_event_in_headers_is_taken_in_and_recognised_in_every_mode(post):
    first = post(b'{"amount": 7}', **HEADERS)
    again = post(json.dumps(EVENT), "application/cloudevents+json; charset=utf-8")
    batch = post(json.dumps([EVENT]), "application/cloudevents-batch+json")
    assert (first.status_code, first.json()["accepted"]) == (200, 1)
    assert again.json()["verdicts"][0]["verdict"] == batch.json()["verdicts"][0]["verdict"] == "duplicate"
    assert Event.objects.count() == 1


def test_other_content_under_the_same_id_conflicts_in_every_mode(post):
    post(b'{"amount": 7}', **HEADERS)
    assert post(b'{"amount": 8}', **HEADERS).status_code == 409


def test_a_fault_in_a_header_is_named_as_in_json(post):
    answer = post(b"{}", **HEADERS | {"ce-time": "noon", "ce-id": ""})
    assert answer.status_code == 422
    assert {error["pointer"] for error in answer.json()["errors"]} == {"/time", "/id"}


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "status"),
    [
        (b"{}", "application/json", {}, 415),
        (b"{}", "text/plain", HEADERS, 415),
        (b"{}", "application/json; charset=latin1", HEADERS, 415),
        (b"{", "application/json", HEADERS, 400),
        (b"{}", "application/json", HEADERS | {"ce-subject": "%ff"}, 400),
        (b"{}", "application/json", HEADERS | {"ce-datacontenttype": "application/json"}, 400),
        (b"{}", "application/json", HEADERS | {"Content-Encoding": "br"}, 400),
        (b"x" * (4 * 1024 * 1024 + 1), "application/json", HEADERS, 413),
    ],
)
def test_an_unreadable_request_is_told_why_and_stores_nothing(post, body, content_type, headers, status):
    answer = post(body, content_type, **headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert not Event.objects.exists()


def test_gzip_is_unpacked_in_binary_mode(post):
    assert post(gzip.compress(b'{"amount": 7}'), Content_Encoding="gzip", **HEADERS).status_code == 200


def test_a_signed_event_of_a_device_whose_clock_never_ran_counts_when_it_happened(client):
    acme = customer()
    key, device = api_key(acme), SigningDevice()
    device.enrol(acme)
    body, headers = device.batch(device.event("a", time="1970-01-01T00:00:10.000000Z"))
    answer = client.post(
        "/v1/events",
        data=body,
        content_type="application/cloudevents-batch+json",
        headers={"Authorization": f"Bearer {key}", **headers},
    ).json()
    assert answer["accepted"] == 1
    assert Event.objects.get().time.isoformat() == answer["received_at"].replace("Z", "+00:00")
