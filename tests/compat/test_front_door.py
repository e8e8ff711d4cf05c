"""Every kind of sender against the server as it is run: granian, which answers `POST /v1/events` before Django."""

import gzip
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import requests
from cloudevents.conversion import to_binary, to_structured
from cloudevents.http import CloudEvent
from django.db import connection
from lago_python_client import Client as LagoClient
from lago_python_client.models import Event as LagoEvent
from openmeter import Client as OpenMeterClient

from config.services import process
from metering.models import Event as Stored
from tests.factories import SigningDevice, api_key, customer

ROOT = Path(__file__).resolve().parents[2]
EVENT: dict[str, Any] = {
    "specversion": "1.0",
    "id": "a",
    "source": "/laptop",
    "type": "com.example.turn",
    "data": {"amount": 7},
}
BATCH = "application/cloudevents-batch+json"
SINGLE = "application/cloudevents+json"


@pytest.fixture(scope="module")
def url(django_db_setup, django_db_blocker, tmp_path_factory):
    """The address of a server process on the database of the tests."""
    with django_db_blocker.unblock():
        at = connection.settings_dict
    login = f"{quote(at['USER'], safe='')}:{quote(at['PASSWORD'], safe='')}"
    database = f"postgresql://{login}@{at['HOST']}:{at['PORT']}/{at['NAME']}"
    address = f"http://127.0.0.1:{process.free_port(None)}"
    command = [sys.executable, "-m", "granian", "--interface", "rsgi", "--host", "127.0.0.1", "--no-ws"]
    command += ["--port", address.rpartition(":")[2], "config.ingest.application:application"]
    with (tmp_path_factory.mktemp("front") / "log").open("wb") as log:
        server = subprocess.Popen(
            command, cwd=ROOT, env=os.environ | {"DATABASE_URL": database}, stdout=log, stderr=log
        )
        try:
            wait_for(f"{address}/healthz")
            yield address
        finally:
            server.terminate()
            server.wait(20)


def wait_for(address):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if requests.get(address, timeout=5).ok:
                return
        except requests.ConnectionError:
            time.sleep(0.05)
    pytest.fail(f"{address}: no answer within a minute")


@pytest.fixture
def acme(committed):
    return customer("acme")


@pytest.fixture
def key(acme):
    return api_key(acme)


@pytest.fixture
def post(url, key):
    def post(body, content_type=SINGLE, *, address="/v1/events", **headers):
        sent = {"Authorization": f"Bearer {key}"} | ({"Content-Type": content_type} if content_type else {}) | headers
        return requests.post(url + address, data=body, headers=sent, timeout=20)

    return post


def test_an_event_is_the_same_in_every_mode(post):
    structured = post(json.dumps(EVENT))
    batch = post(json.dumps([EVENT]), BATCH)
    packed = post(gzip.compress(json.dumps(EVENT).encode()), **{"Content-Encoding": "gzip"})
    attributes = {f"CE-{name.title()}": str(value) for name, value in EVENT.items() if name != "data"}
    binary = post(b'{"amount": 7}', "application/json", **attributes)
    verdicts = [answer.json()["verdicts"][0]["verdict"] for answer in (structured, batch, packed, binary)]
    assert verdicts == ["accepted", "duplicate", "duplicate", "duplicate"]


def test_the_sdk_of_cloudevents_is_understood(post):
    event = CloudEvent({**EVENT, "subject": "Grüße", "datacontenttype": "application/json"}, EVENT["data"])
    headers, body = to_structured(event)
    assert post(body, None, **headers).json()["accepted"] == 1
    headers, body = to_binary(CloudEvent({**event.get_attributes(), "id": "b", "subject": "robot"}, event.get_data()))
    assert post(body, None, **headers).json()["accepted"] == 1
    assert sorted(Stored.objects.values_list("subject", flat=True)) == ["Grüße", "robot"]


@pytest.mark.parametrize(
    ("body", "content_type", "headers", "status"),
    [
        (b"{", SINGLE, {}, 400),
        (b"{}", "text/plain", {}, 415),
        (b"{}", "application/json", {}, 415),
        (b"{}", "application/json", {"ce-id": "%ff"}, 400),
        (b"{}", SINGLE, {}, 422),
        (b"[" * 100_000, BATCH, {}, 400),
        (json.dumps(EVENT).replace("7", "1e400").encode(), SINGLE, {}, 422),
        (json.dumps(EVENT | {"data": {"a": "x" * 2_000_000}}).encode(), SINGLE, {}, 422),
        (json.dumps(EVENT | {"data": {"a": "\0"}}).encode(), SINGLE, {}, 422),
        (json.dumps(EVENT | {"id": "\ud800"}).encode(), SINGLE, {}, 422),
        (b" " * (4 * 1024 * 1024 + 1), BATCH, {}, 413),
        (gzip.compress(b" " * (64 * 1024 * 1024)), BATCH, {"Content-Encoding": "gzip"}, 413),
        (b"no gzip", BATCH, {"Content-Encoding": "gzip"}, 400),
        (b"[]", BATCH, {"Authorization": "Bearer am_live_wrong"}, 401),
    ],
)
def test_what_cannot_be_taken_in_is_a_problem_and_stores_nothing(post, body, content_type, headers, status):
    answer = post(body, content_type, **headers)
    assert (answer.status_code, answer.headers["Content-Type"]) == (status, "application/problem+json")
    assert answer.json()["status"] == status
    assert not Stored.objects.exists()


def test_a_bad_event_of_a_batch_is_told_where_it_is(post):
    events = [EVENT, EVENT | {"id": "\ud800"}, EVENT | {"id": "b", "time": "noon"}, EVENT | {"id": "c", "data": [1]}]
    answer = post(json.dumps(events), BATCH)
    assert answer.status_code == 200
    assert [[each["pointer"] for each in one.get("errors", [])] for one in answer.json()["verdicts"]] == [
        [],
        ["/1/id"],
        ["/2/time"],
        ["/3/data"],
    ]


def test_a_signed_event_counts_when_it_happened(post, acme):
    device = SigningDevice()
    device.enrol(acme)
    body, headers = device.batch(device.event("a", time="1970-01-01T00:00:10.000000Z"))
    answer = post(body, BATCH, **headers).json()
    assert answer["device"] == {"epoch": 1, "sequence": 1}
    assert Stored.objects.get().time.isoformat() == answer["received_at"].replace("Z", "+00:00")


def test_another_method_or_address_is_a_problem(url, key):
    headers = {"Authorization": f"Bearer {key}"}
    wrong = requests.get(f"{url}/v1/events", headers=headers, timeout=20)
    assert (wrong.status_code, wrong.headers["Allow"]) == (405, "POST")
    for address in ("/v1/nothing", "/v1/meters/%00"):
        missing = requests.get(url + address, headers=headers, timeout=20)
        assert (missing.status_code, missing.headers["Content-Type"]) == (404, "application/problem+json")


def test_the_sdks_of_other_services_work(url, key):
    openmeter: Any
    with OpenMeterClient(endpoint=url, token=key) as openmeter:
        openmeter.events.ingest_event({"id": "a", "source": "my-app", "type": "prompt", "subject": "s"})
        openmeter.events.ingest_events([{"id": "b", "source": "my-app", "type": "prompt", "subject": "s"}])
        assert "turns" in {meter.slug for meter in openmeter.meters.list()}
    event = LagoEvent(
        transaction_id="t 1/2",
        external_subscription_id="s",
        code="prompt",
        timestamp=None,
        precise_total_amount_cents=None,
        properties=None,
    )
    lago: Any = LagoClient(api_key=key, api_url=url)
    assert lago.events.create(event).transaction_id == "t 1/2"
    assert lago.events.find("t%201%2F2").code == "prompt"
    assert Stored.objects.count() == 3


def test_a_request_with_an_idempotency_key_is_done_once(post):
    meter = {"key": "prompts", "name": "Prompts", "unit": "prompt", "event_type": "prompt", "aggregation": "count"}
    given = {"address": "/v1/meters", "Idempotency-Key": "k1"}
    first, again = (post(json.dumps(meter), "application/json", **given) for _ in range(2))
    assert (first.status_code, again.status_code) == (201, 201)
    assert (first.content, first.headers["Location"]) == (again.content, again.headers["Location"])
    assert again.headers["Idempotency-Replayed"] == "true"


def test_the_document_and_its_page_are_served(url):
    assert requests.get(f"{url}/v1/schema?format=json", timeout=20).json()["openapi"] == "3.1.1"
    assert requests.get(f"{url}/v1/docs", timeout=20).ok
