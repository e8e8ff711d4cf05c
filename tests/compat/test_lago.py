"""Lago's unmodified SDK (as pinned in requirements-dev.txt) sends events and reads them back."""

from datetime import UTC, datetime
from typing import Any

import pytest
from lago_python_client import Client
from lago_python_client.exceptions import LagoApiError
from lago_python_client.models import BatchEvent, Event

from metering import usage
from metering.models import Event as Stored
from tests.compat.conftest import TYPE, count
from tests.factories import api_key, customer

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
UNIX = int(NOON.timestamp())


def event(transaction_id="t1", subscription="s1", timestamp=UNIX, **given):
    values = {"code": TYPE, "precise_total_amount_cents": None, "properties": {"tokens": 12}} | given
    return Event(transaction_id=transaction_id, external_subscription_id=subscription, timestamp=timestamp, **values)


def refused(call):
    with pytest.raises(LagoApiError) as told:
        call()
    return told.value.status_code, told.value.response


def test_an_event_is_stored_for_the_customer_of_the_key(lago, acme):
    answer = lago.events.create(event())
    stored = Stored.objects.get()
    assert (stored.customer_id, stored.subject, stored.type, stored.time) == (acme.pk, "s1", TYPE, NOON)
    assert (answer.transaction_id, answer.external_subscription_id, answer.code) == ("t1", "s1", TYPE)
    assert (answer.timestamp, answer.properties) == ("2026-11-20T12:00:00.000Z", {"tokens": 12})
    assert (answer.lago_customer_id, answer.lago_subscription_id) == (None, None)


@pytest.mark.parametrize(
    ("timestamp", "milliseconds"),
    [("1795176000", 0), (1795176000, 0), ("1795176000.123", 123), ("2026-11-20T12:00:00.5Z", 500)],
)
def test_a_timestamp_is_unix_time_in_any_of_its_forms(lago, timestamp, milliseconds):
    lago.events.create(event(timestamp=timestamp))
    assert Stored.objects.get().time == NOON.replace(microsecond=milliseconds * 1000)


def test_nulls_mean_absent(lago):
    answer = lago.events.create(event(timestamp=None, properties=None))
    stored = Stored.objects.get()
    assert stored.time == stored.received_at
    assert answer.properties == {}


def test_a_precise_amount_is_kept_and_answered(lago):
    assert lago.events.create(event(precise_total_amount_cents="12.5")).precise_total_amount_cents == "12.5"
    assert Stored.objects.get().data["precise_total_amount_cents"] == "12.5"


def test_sending_again_is_a_success_and_counts_once(lago):
    first, second = lago.events.create(event()), lago.events.create(event())
    assert first.lago_id == second.lago_id
    assert Stored.objects.count() == 1


def test_other_content_under_the_same_transaction_is_refused_in_their_words(lago):
    lago.events.create(event())
    status, answer = refused(lambda: lago.events.create(event(properties={"tokens": 13})))
    assert (status, answer["status"], answer["error"]) == (422, 422, "Unprocessable Entity")
    assert answer["code"] == "validation_errors"
    assert answer["error_details"]["transaction_id"][0] == "value_already_exist"


def test_a_transaction_is_unique_to_its_subscription(lago):
    lago.events.create(event(subscription="s1"))
    lago.events.create(event(subscription="s2"))
    assert Stored.objects.count() == 2


def test_a_batch_is_stored_and_may_be_sent_again(lago):
    batch = BatchEvent(events=[event("t1"), event("t2"), event("t3")])
    assert lago.events.batch_create(batch) is None
    assert lago.events.batch_create(batch) is None
    assert Stored.objects.count() == 3


def test_the_faults_of_a_batch_are_told_by_place_and_field(lago, tokens):
    lago.events.create(event("t1"))
    batch = BatchEvent(
        events=[
            event("t1", properties={"tokens": 1}),
            event("t2", properties={"tokens": "many"}),
            event("", code="", subscription="", timestamp="noon"),
            event("t4"),
        ]
    )
    status, answer = refused(lambda: lago.events.batch_create(batch))
    details = {
        place: {name: codes[0] for name, codes in found.items()} for place, found in answer["error_details"].items()
    }
    assert (status, answer["code"]) == (422, "validation_errors")
    assert details == {
        "0": {"transaction_id": "value_already_exist"},
        "1": {"properties": "value_is_invalid"},
        "2": {
            "transaction_id": "value_is_invalid",
            "external_subscription_id": "value_is_mandatory",
            "code": "value_is_invalid",
            "timestamp": "value_is_invalid",
        },
    }
    assert sorted(Stored.objects.values_list("event_id", flat=True)) == ["t1", "t4"]


def test_a_batch_of_nothing_or_of_too_much_is_refused(lago):
    assert refused(lambda: lago.events.batch_create(BatchEvent(events=[])))[1]["code"] == "no_events"
    many = BatchEvent(events=[event(str(number)) for number in range(1001)])
    assert refused(lambda: lago.events.batch_create(many))[1]["code"] == "too_many_events"


def test_usage_is_counted_by_subscription(lago, tokens, acme):
    lago.events.batch_create(BatchEvent(events=[event("t1"), event("t2", "s2", properties={"tokens": "0.5"})]))
    count()
    found = usage.read(
        customer_id=acme.pk, meter="tokens", starts_at=NOON, ends_at=NOON.replace(hour=13), group_by=["subject"]
    )
    assert {row.group["subject"]: str(row.quantity) for row in found.rows} == {"s1": "12", "s2": "0.5"}


def test_an_event_is_found_by_its_transaction(lago, live_server):
    sent = lago.events.create(event("t 1/2"))
    lago.events.create(event("t2", "s2"))
    assert lago.events.find("t2").external_subscription_id == "s2"
    found = lago.events.find("t%201%2F2")
    assert (found.lago_id, found.timestamp, found.properties) == (sent.lago_id, sent.timestamp, sent.properties)
    status, answer = refused(lambda: lago.events.find("nothing"))
    assert (status, answer["code"]) == (404, "event_not_found")
    rival: Any = Client(api_key=api_key(customer("rival")), api_url=live_server.url)
    assert refused(lambda: rival.events.find("t2"))[0] == 404


def test_a_stranger_is_told_in_their_words(live_server, committed):
    stranger: Any = Client(api_key="am_live_wrong", api_url=live_server.url)
    for call in (
        lambda: stranger.events.create(event()),
        lambda: stranger.events.batch_create(BatchEvent(events=[event()])),
        lambda: stranger.events.find("t1"),
    ):
        status, answer = refused(call)
        assert (status, answer["status"], answer["error"]) == (401, 401, "Unauthorized")


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/api/v1/events/batch", b"{", 400),
        ("/api/v1/events/batch", b"[]", 422),
        ("/api/v1/events/batch", b'{"events": 7}', 422),
        ("/api/v1/events/batch", b'{"events": [7, null, [], {}]}', 422),
        ("/api/v1/events", b'{"event": {', 400),
        ("/api/v1/events", b'{"event": {}}', 422),
        ("/api/v1/events", b'{"event": {"transaction_id": 7, "timestamp": true, "properties": []}}', 422),
        ("/api/v1/events", b'{"event": {"timestamp": 1e400}}', 422),
    ],
)
def test_what_no_sdk_would_send_is_refused_in_json(client, key, path, body, status):
    answer = client.post(path, data=body, content_type="application/json", headers={"Authorization": f"Bearer {key}"})
    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert not Stored.objects.exists()


def test_a_fault_of_ours_asks_to_try_again(client, key, monkeypatch):
    def broken(**_):
        raise RuntimeError("disk on fire")

    monkeypatch.setattr("metering.ingest.record_all", broken)
    answer = client.post(
        "/api/v1/events",
        data=b'{"event": {"transaction_id": "t1"}}',
        content_type="application/json",
        headers={"Authorization": f"Bearer {key}"},
    )
    assert (answer.status_code, answer.headers["Retry-After"], answer.json()["error"]) == (
        503,
        "5",
        "Service Unavailable",
    )
