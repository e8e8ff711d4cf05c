"""`POST /v1/traces` and what of it can be read: answers, errors, reviews, reconciliation."""

import gzip
import json

import pytest
from django.db import OperationalError
from google.protobuf import json_format
from google.rpc.status_pb2 import Status
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from agents.models import Span
from agents.models.keys import Scope
from agents.otlp import arrivals, wire
from tests.factories import api_key, customer
from tests.otlp import factories as make
from tests.otlp.test_wire import as_json, faulty

pytestmark = pytest.mark.django_db
PROTOBUF = "application/x-protobuf"
JSON = "application/json"


@pytest.fixture
def acme():
    return customer("acme")


@pytest.fixture
def key(acme):
    return api_key(acme)


@pytest.fixture
def post(client):
    client.raise_request_exception = False

    def post(body, key, content_type=PROTOBUF, headers=()):
        headers = {"Authorization": f"Bearer {key}"} | dict(headers)
        return client.post("/v1/traces", data=body, content_type=content_type, headers=headers)

    return post


@pytest.fixture
def get(client):
    return lambda address, key: client.get(address, headers={"Authorization": f"Bearer {key}"})


def run():
    return make.export(*make.pydantic_ai(make.trace_id()))


def status_of(answer):
    if answer.headers["Content-Type"] == PROTOBUF:
        return Status.FromString(answer.content)
    assert answer.headers["Content-Type"] == JSON
    return json_format.Parse(answer.content, Status())


def test_protobuf_is_answered_with_an_empty_success(post, key):
    answer = post(run().SerializeToString(), key)
    assert (answer.status_code, answer.headers["Content-Type"], answer.content) == (200, PROTOBUF, b"")
    assert Span.objects.count() == 4


def test_json_is_answered_in_json(post, key):
    answer = post(json.dumps(as_json(run())), key, JSON)
    assert (answer.status_code, answer.headers["Content-Type"], answer.json()) == (200, JSON, {})
    assert Span.objects.count() == 4


def test_gzip_is_understood_and_a_bomb_is_not_unpacked(post, key):
    packed = {"Content-Encoding": "gzip"}
    assert post(gzip.compress(run().SerializeToString()), key, headers=packed).status_code == 200
    bomb = gzip.compress(bytes(wire.MAX_BYTES + 1))
    answer = post(bomb, key, headers=packed)
    assert (answer.status_code, status_of(answer).code) == (413, 3)
    assert post(b"not gzip", key, headers=packed).status_code == 400


def test_an_empty_export_is_a_success(post, key):
    assert post(b"", key, headers={"Content-Type": PROTOBUF}).status_code == 200
    assert post("{}", key, JSON).status_code == 200


def test_what_cannot_be_taken_is_a_partial_success(post, key):
    answer = post(make.export("x", faulty()).SerializeToString(), key)
    partial = ExportTraceServiceResponse.FromString(answer.content).partial_success
    assert (answer.status_code, partial.rejected_spans, Span.objects.count()) == (200, 4, 1)
    assert "trace_id" in partial.error_message


@pytest.mark.parametrize("content_type", [PROTOBUF, JSON])
def test_errors_are_told_as_a_status_in_the_form_of_the_request(post, key, acme, content_type):
    unreadable = post(b"\xff\xff", key, content_type)
    assert (unreadable.status_code, status_of(unreadable).code) == (400, 3)
    stranger = post(b"", "am_live_wrong", content_type)
    assert (stranger.status_code, status_of(stranger).code) == (401, 16)
    assert stranger.headers["WWW-Authenticate"] == "Bearer"
    reader = post(b"", api_key(acme, scopes=[Scope.USAGE_READ]), content_type)
    assert (reader.status_code, status_of(reader).code) == (403, 7)
    assert "events:write" in status_of(reader).message


def test_another_content_type_is_refused_in_json(post, key):
    answer = post(b"", key, "text/plain")
    assert (answer.status_code, status_of(answer).code) == (415, 3)


@pytest.mark.parametrize("fault", [RuntimeError("disk on fire"), OperationalError("the server closed the connection")])
def test_a_fault_of_ours_is_a_503_that_exporters_retry(post, key, monkeypatch, fault):
    def broken(**_):
        raise fault

    monkeypatch.setattr(arrivals, "store", broken)
    answer = post(run().SerializeToString(), key)
    assert (answer.status_code, answer.headers["Retry-After"], status_of(answer).code) == (503, "5", 14)
    assert str(fault) not in answer.content.decode()


def test_too_many_spans_are_refused_whole(post, key, monkeypatch):
    monkeypatch.setattr(wire, "MAX_SPANS", 3)
    assert post(run().SerializeToString(), key).status_code == 413
    assert Span.objects.count() == 0


def test_the_key_decides_the_customer(post, key, acme):
    rival = customer("rival")
    post(run().SerializeToString(), api_key(rival))
    assert set(Span.objects.values_list("trace__customer", flat=True)) == {rival.pk}


def test_reviews_show_what_waits_at_ones_own_customer(get, key, acme):
    scope, sent = make.pydantic_ai(make.trace_id())
    make.send(acme, scope, sent[:-1])
    make.complete(arrivals.MAX_AGE)
    answer = get("/v1/reviews", key).json()
    assert (len(answer["reviews"]), answer["more"]) == (1, False)
    assert answer["reviews"][0]["kind"] == "incomplete_trace"
    assert answer["reviews"][0]["since"] == "2026-11-16T12:00:00.000000Z"
    assert get("/v1/reviews", api_key(customer("rival"))).json()["reviews"] == []
    assert get("/v1/reviews", api_key(acme, scopes=[Scope.EVENTS_WRITE])).status_code == 403
    assert get("/v1/reviews?state=all", key).status_code == 400


def test_a_fault_is_logged_without_what_was_sent(post, key, monkeypatch, capsys):
    def broken(**_):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr(arrivals, "store", broken)
    post(run().SerializeToString(), key)
    logged = capsys.readouterr()
    assert "disk on fire" in logged.out + logged.err
    assert make.SECRET not in logged.out + logged.err
    assert key not in logged.out + logged.err
