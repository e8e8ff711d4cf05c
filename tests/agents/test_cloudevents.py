"""The CloudEvents parser lets through what can be counted once, and names every fault of the rest."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agents import cloudevents
from agents.errors import MalformedRequestError, RequestTooLargeError, UnsupportedContentTypeError
from metering.event import Malformed, UsageEvent
from tests.factories import NOW

EVENT = {
    "specversion": "1.0",
    "id": "e1",
    "source": "/robots/7",
    "type": "com.example.turn",
    "time": "2026-11-15T12:00:00+01:00",
    "data": {"amount": 1},
}


def parse(environment="live", **changes):
    event = {name: value for name, value in (EVENT | changes).items() if value != "absent"}
    document = cloudevents.decode(body=json.dumps(event).encode(), content_type=cloudevents.SINGLE)[0]
    return cloudevents.parse(document=document, index=0, environment=environment, received_at=NOW)


def pointers(parsed):
    assert isinstance(parsed, Malformed)
    return [problem.pointer for problem in parsed.errors]


def test_a_sound_event_keeps_its_instant_and_its_data():
    event = parse()
    assert isinstance(event, UsageEvent)
    assert event.time == datetime(2026, 11, 15, 11, tzinfo=UTC)
    assert event.data == {"amount": 1}
    assert event.environment == "production"


@pytest.mark.parametrize("name", ["id", "source", "type", "specversion"])
@pytest.mark.parametrize("value", ["absent", "", 7, None])
def test_a_required_attribute_is_never_invented(name, value):
    assert pointers(parse(**{name: value})) == [f"/{name}"]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("specversion", "0.3"),
        ("source", "not a uri"),
        ("time", "2026-11-15T12:00:00"),
        ("time", "2026-02-30T12:00:00Z"),
        ("time", "yesterday"),
        ("dataschema", "relative/path"),
        ("datacontenttype", "text/plain"),
        ("data", [1]),
        ("data_base64", "AAAA"),
        ("sequence", 7),
        ("sequence", "0"),
        ("Upper", "x"),
        ("waytoolongextensionname", "x"),
        ("fraction", 0.5),
        ("object", {}),
        ("id", "x" * 257),
    ],
)
def test_a_broken_attribute_is_named(name, value):
    parsed = parse(**{name: value}) if name != "fraction" else parse(fraction=[0.5])
    assert f"/{name}" in pointers(parsed)


def test_all_faults_are_told_at_once():
    assert pointers(parse(id="absent", time="now", data=3)) == ["/id", "/time", "/data"]


def test_null_means_absent():
    assert isinstance(parse(subject=None, data=None, dataschema=None), UsageEvent)


def test_a_number_with_a_fraction_keeps_every_digit():
    body = b'{"specversion":"1.0","id":"e","source":"/s","type":"t","data":{"a":0.10000000000000000000001,"b":12e2}}'
    document = cloudevents.decode(body=body, content_type=cloudevents.SINGLE)[0]
    event = cloudevents.parse(document=document, index=0, environment="live", received_at=NOW)
    assert isinstance(event, UsageEvent)
    assert event.data == {"a": "0.10000000000000000000001", "b": "1200"}
    assert event.time == NOW


def test_what_a_test_key_sends_is_test_usage():
    assert parse(environment="test").environment == "test"
    assert parse(data={"environment": "test"}).environment == "test"
    assert pointers(parse(data={"environment": "staging"})) == ["/data/environment"]


@pytest.mark.parametrize("body", [b"", b"{", b"[NaN]", b"\xff", b"[" * 100_000, b"nul"])
def test_what_is_not_json_is_refused_as_a_whole(body):
    with pytest.raises(MalformedRequestError):
        cloudevents.decode(body=body, content_type=cloudevents.BATCH)


def test_a_lone_surrogate_is_a_fault_of_its_event():
    document = json.loads('{"specversion":"1.0","id":"\\ud800","source":"/s","type":"t"}')
    parsed = cloudevents.parse(document=document, index=0, environment="live", received_at=NOW)
    assert isinstance(parsed, Malformed)


def test_limits_and_content_types():
    with pytest.raises(UnsupportedContentTypeError):
        cloudevents.decode(body=b"{}", content_type="text/plain")
    with pytest.raises(RequestTooLargeError):
        cloudevents.decode(body=json.dumps([0] * 1001).encode(), content_type=cloudevents.BATCH)
    assert cloudevents.decode(body=b"[]", content_type=cloudevents.BATCH + "; charset=utf-8") == []


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=8,
)


@given(document=JSON | st.builds(lambda changes: EVENT | changes, st.dictionaries(st.sampled_from([*EVENT]), JSON)))
def test_no_document_breaks_the_parser(document):
    parsed = cloudevents.parse(document=document, index=0, environment="live", received_at=NOW)
    assert isinstance(parsed, UsageEvent | Malformed)
