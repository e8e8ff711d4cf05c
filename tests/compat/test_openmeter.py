"""OpenMeter's unmodified SDK (as pinned in requirements-dev.txt) sends events and asks for usage."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from corehttp.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ResourceExistsError,
    ResourceNotFoundError,
)
from openmeter import Client
from openmeter.models import Event, MeterQueryRequest

from agents.models import Agent
from agents.models.keys import Environment, Scope
from metering.models import Event as Stored
from tests.compat.conftest import TYPE, count
from tests.factories import api_key

DAY = datetime(2026, 11, 20, tzinfo=UTC)
PERIOD: dict[str, Any] = {"from_parameter": DAY, "to": DAY + timedelta(days=2)}


def prompt(event_id, tokens=10, subject="customer-1", model="gpt-4o", hours=0, **changes):
    values = {
        "id": event_id,
        "source": "my-app",
        "specversion": "1.0",
        "type": TYPE,
        "subject": subject,
        "time": DAY + timedelta(hours=hours),
        "data": {"tokens": tokens, "model": model},
    }
    return Event(values | changes)


def test_a_single_event_is_stored_for_the_customer_of_the_key(openmeter, acme):
    assert openmeter.events.ingest_event(prompt("a")) is None
    stored = Stored.objects.get()
    assert (stored.customer_id, stored.subject, stored.type, stored.source) == (acme.pk, "customer-1", TYPE, "my-app")
    assert stored.time == DAY
    assert Agent.objects.get().key == "customer-1"


def test_a_batch_and_plain_json_of_one_or_many_are_stored(openmeter):
    openmeter.events.ingest_events([prompt("a"), prompt("b")])
    openmeter.events.ingest_events_json(prompt("c"))
    openmeter.events.ingest_events_json([prompt("d"), prompt("e")])
    assert sorted(Stored.objects.values_list("event_id", flat=True)) == ["a", "b", "c", "d", "e"]


def test_what_the_sdk_leaves_out_is_understood(openmeter):
    openmeter.events.ingest_event({"id": "a", "source": "my-app", "type": TYPE, "subject": "s"})
    stored = Stored.objects.get()
    assert stored.time == stored.received_at


def test_sending_again_is_a_success_and_counts_once(openmeter):
    for _ in range(2):
        openmeter.events.ingest_event(prompt("a"))
        openmeter.events.ingest_events([prompt("a"), prompt("b")])
    assert Stored.objects.count() == 2


def test_other_content_under_the_same_id_is_a_conflict(openmeter):
    openmeter.events.ingest_event(prompt("a"))
    with pytest.raises(ResourceExistsError) as told:
        openmeter.events.ingest_event(prompt("a", tokens=11))
    answer: Any = told.value.response
    assert answer.json()["errors"][0]["pointer"] == "/id"
    assert Stored.objects.count() == 1


def test_one_bad_event_is_named_and_the_others_are_stored(openmeter, tokens):
    with pytest.raises(HttpResponseError) as told:
        openmeter.events.ingest_events([prompt("a"), prompt("b", tokens="many"), prompt("c", type="")])
    answer: Any = told.value.response
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert [error["pointer"] for error in answer.json()["errors"]] == ["/1/data/tokens", "/2/type"]
    assert Stored.objects.get().event_id == "a"


def test_usage_is_counted_by_subject_and_by_group(openmeter, tokens):
    openmeter.events.ingest_events(
        [
            prompt("a", 10),
            prompt("b", 5, model="o1"),
            prompt("c", 1, subject="customer-2", hours=25),
            prompt("d", "0.25", subject="customer-2", hours=25),
        ]
    )
    count()

    def values(**given):
        rows = openmeter.meters.query_json("tokens", **PERIOD, **given).data
        return {(row.subject, *row.group_by.values()): row.value for row in rows}

    assert values() == {(None,): 16.25}
    assert values(group_by=["subject"]) == {("customer-1",): 15, ("customer-2",): 1.25}
    assert values(group_by=["model", "subject"], subject=["customer-1"]) == {
        ("customer-1", "gpt-4o"): 10,
        ("customer-1", "o1"): 5,
    }
    assert values(filter_group_by={"model": "o1"}) == {(None,): 5}
    assert values(advanced_meter_group_by_filters={"model": {"$in": ["o1", "o2"]}}) == {(None,): 5}
    assert values(subject=["nobody"]) == {}


def test_usage_comes_by_windows_of_any_zone(openmeter, tokens):
    openmeter.events.ingest_events([prompt("a", 10, hours=22), prompt("b", 5, hours=23)])
    count()

    def windows(size, zone="UTC"):
        answer = openmeter.meters.query_json("tokens", **PERIOD, window_size=size, window_time_zone=zone)
        assert answer.window_size == size
        return [(row.window_start, row.window_end - row.window_start, row.value) for row in answer.data]

    hour = timedelta(hours=1)
    assert windows("HOUR") == [(DAY + 22 * hour, hour, 10), (DAY + 23 * hour, hour, 5)]
    assert windows("DAY") == [(DAY, 24 * hour, 15)]
    assert windows("DAY", "Europe/Berlin") == [(DAY, 23 * hour, 10), (DAY + 23 * hour, 24 * hour, 5)]
    assert windows("MONTH") == [(DAY, 48 * hour, 15)]
    assert [one[2] for one in windows("MINUTE")] == [10, 5]


def test_a_question_may_be_posted(openmeter, tokens):
    openmeter.events.ingest_events([prompt("a", 10), prompt("b", 5, model="o1"), prompt("c", 2, model="o2")])
    count()
    answer = openmeter.meters.query(
        "tokens",
        MeterQueryRequest(
            from_property=DAY,
            to=DAY + timedelta(days=1),
            window_size="DAY",
            group_by=["model"],
            filter_group_by={"model": ["o1", "o2"]},
        ),
    )
    assert {row.group_by["model"]: row.value for row in answer.data} == {"o1": 5, "o2": 2}


def test_without_a_period_everything_is_counted(openmeter, tokens):
    openmeter.events.ingest_event(prompt("a", 10))
    count()
    answer = openmeter.meters.query_json("tokens")
    assert [row.value for row in answer.data] == [10]
    with pytest.raises(HttpResponseError, match="from"):
        openmeter.meters.query_json("tokens", window_size="DAY")


def test_a_quantity_has_every_digit_on_the_wire(openmeter, tokens, client, key):
    openmeter.events.ingest_events([prompt("a", "123456789012345.000000000001"), prompt("b", 1)])
    count()
    answer = client.get(
        "/api/v1/meters/tokens/query?from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z",
        headers={"Authorization": f"Bearer {key}"},
    )
    assert b'"value":123456789012346.000000000001' in answer.content


def test_usage_comes_as_csv(openmeter, tokens):
    openmeter.events.ingest_events([prompt("a", 10, model="=1+1"), prompt("b", 5, subject="customer-2")])
    count()
    text = openmeter.meters.query_csv(
        "tokens", **PERIOD, window_size="DAY", group_by=["subject", "model"], headers={"Accept": "text/csv"}
    )
    assert text.splitlines() == [
        "window_start,window_end,subject,model,value",
        "2026-11-20T00:00:00.000000Z,2026-11-21T00:00:00.000000Z,customer-1,'=1+1,10",
        "2026-11-20T00:00:00.000000Z,2026-11-21T00:00:00.000000Z,customer-2,gpt-4o,5",
    ]


def test_customers_are_those_of_the_key(openmeter, tokens, acme):
    openmeter.events.ingest_event(prompt("a", 10))
    count()
    grouped = openmeter.meters.query_json("tokens", **PERIOD, group_by=["customer_id"])
    assert [(row.customer_id, row.value) for row in grouped.data] == [("acme", 10)]
    assert len(openmeter.meters.query_json("tokens", **PERIOD, filter_customer_id=["acme"]).data) == 1
    assert openmeter.meters.query_json("tokens", **PERIOD, filter_customer_id=["rival"]).data == []


def test_a_test_key_sees_test_usage(live_server, acme, tokens):
    with Client(endpoint=live_server.url, token=api_key(acme, environment=Environment.TEST)) as test:
        test.events.ingest_event(prompt("a", 7))
        count()
        assert [row.value for row in test.meters.query_json("tokens", **PERIOD).data] == [7]


def test_meters_are_listed_as_openmeter_names_them(openmeter, tokens):
    listed = {meter.slug: meter for meter in openmeter.meters.list()}
    assert {"tokens", "turns", "decisions"} <= listed.keys()
    assert listed.keys().isdisjoint({"seats", "decision-peak"})
    found = openmeter.meters.get("tokens")
    assert found.as_dict() == listed["tokens"].as_dict()
    assert (found.aggregation, found.event_type, found.value_property) == ("SUM", TYPE, "$.tokens")
    assert found.group_by == {"subject": "$.subject", "model": "$.model"}
    assert listed["turns"].aggregation == "COUNT"


def test_events_are_listed_newest_first(openmeter):
    openmeter.events.ingest_events([prompt("a"), prompt("b", hours=1, subject="customer-2")])
    listed = openmeter.events.list(from_parameter=DAY)
    assert [one.event.id for one in listed] == ["b", "a"]
    assert listed[1].event.as_dict() == prompt("a").as_dict() | {
        "time": "2026-11-20T00:00:00.000000Z",
        "datacontenttype": "application/json",
    }
    assert [one.event.id for one in openmeter.events.list(from_parameter=DAY, subject="mer-2")] == ["b"]
    assert [one.event.id for one in openmeter.events.list(from_parameter=DAY, id="a", limit=1)] == ["a"]


def test_what_cannot_be_answered_is_told_why(openmeter, tokens, live_server, acme):
    with pytest.raises(ResourceNotFoundError):
        openmeter.meters.query_json("nothing", **PERIOD)
    with pytest.raises(ResourceNotFoundError):
        openmeter.meters.get("nothing")
    for given in (
        {"group_by": ["colour"]},
        {"window_time_zone": "Mars/Phobos", "window_size": "DAY"},
        {"advanced_meter_group_by_filters": {"model": {"$gt": "a"}}},
        {"filter_group_by": {"colour": "red"}},
    ):
        with pytest.raises(HttpResponseError) as told:
            openmeter.meters.query_json("tokens", **PERIOD, **given)
        assert told.value.status_code == 400
    with Client(endpoint=live_server.url, token="am_live_wrong") as stranger, pytest.raises(ClientAuthenticationError):
        stranger.events.ingest_event(prompt("a"))
    writer = api_key(acme, scopes=[Scope.EVENTS_WRITE])
    with Client(endpoint=live_server.url, token=writer) as unread, pytest.raises(HttpResponseError, match="may not"):
        unread.meters.list()
