"""The HTTP questions about usage."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from rest_framework.exceptions import PermissionDenied
from rest_framework.test import APIRequestFactory, force_authenticate

from metering.api.corrections import VoidView
from metering.api.meters import MeterArchiveView, MeterListView, MeterView
from metering.api.views import AccountView, MeterQueryView
from tests.metering.factories import ACME, NOON, RIVAL, fold_now, send, turn

pytestmark = pytest.mark.django_db
PERIOD = {"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T13:00:00Z"}


@dataclass
class Key:
    """What the authentication puts into the request."""

    customer_id: int
    scopes: list[str] = field(default_factory=lambda: ["usage:read", "meters:write", "events:write"])
    key_id: int = 7
    is_authenticated: bool = True

    def require_scope(self, scope):
        if scope not in self.scopes:
            raise PermissionDenied(scope)


def get(view, parameters=None, *, caller=None, accept="application/json", **path):
    return answer(view, APIRequestFactory().get("/", parameters or {}, HTTP_ACCEPT=accept), caller, **path)


def post(view, body=None, *, caller=None, **path):
    request = APIRequestFactory().post("/v1/meters", json.dumps(body or {}), content_type="application/json")
    return answer(view, request, caller, **path)


def problems(refusal):
    return {one["pointer"] for one in json.loads(refusal.content)["errors"]}


def answer(view, request, caller, **path):
    who = caller or Key(ACME)
    force_authenticate(request, user=cast("Any", who), token=cast("Any", who))
    reply = view.as_view()(request, **path)
    if hasattr(reply, "render"):
        reply.render()
    return reply


def query(meter="turns", *, caller=None, accept="application/json", **parameters):
    return get(MeterQueryView, {**PERIOD, **parameters}, caller=caller, accept=accept, key=meter)


@pytest.fixture
def number():
    send(turn(agent="=greeter"), turn(agent="=greeter"), turn(agent=None), turn(time=NOON - timedelta(hours=1)))
    return fold_now()


def test_the_meters_are_listed():
    listed = get(MeterListView).data["meters"]
    assert [one["key"] for one in listed] == [
        "compute-seconds",
        "decision-peak",
        "decisions",
        "finished-tasks",
        "seats",
        "tasks",
        "turns",
    ]
    assert listed[0]["aggregation"] == "sum"


def test_a_question_is_answered_with_quantities_as_text(number):
    assert query().data == {
        "meter": "turns",
        "unit": "turn",
        "from": "2026-11-20T12:00:00+00:00",
        "to": "2026-11-20T13:00:00+00:00",
        "group_by": [],
        "fold": number,
        "rows": [
            {"from": "2026-11-20T12:00:00+00:00", "to": "2026-11-20T13:00:00+00:00", "group": {}, "quantity": "3"}
        ],
    }


def test_usage_is_grouped_filtered_and_cut(number):
    rows = query(**{"from": "2026-11-20T00:00:00Z", "group_by": "agent", "window": "hour"}).data["rows"]
    assert [(row["from"][11:13], row["group"], row["quantity"]) for row in rows] == [
        ("11", {"agent": "greeter"}, "1"),
        ("12", {"agent": "=greeter"}, "2"),
        ("12", {"agent": None}, "1"),
    ]
    only = query(**{"filter[agent]": ["=greeter", "other"]}).data["rows"]
    assert [row["quantity"] for row in only] == ["2"]


def test_csv_is_given_to_who_accepts_it_and_holds_no_formula(number):
    answer = query(accept="text/csv", group_by="agent", window="day", zone="Europe/Berlin")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.content.decode().splitlines() == [
        "from,to,agent,quantity",
        "2026-11-20T13:00:00+01:00,2026-11-20T14:00:00+01:00,'=greeter,2",
        "2026-11-20T13:00:00+01:00,2026-11-20T14:00:00+01:00,,1",
    ]


def test_a_key_sees_its_own_customer_only(number):
    assert query(caller=Key(RIVAL)).data["rows"][0]["quantity"] == "0"


def test_a_key_needs_the_scope():
    assert query(caller=Key(ACME, scopes=["usage:write"])).status_code == 403
    assert get(MeterListView, caller=Key(ACME, scopes=[])).status_code == 403


@pytest.mark.parametrize(
    ("parameters", "field"),
    [
        ({"from": ""}, "from"),
        ({"from": "yesterday"}, "from"),
        ({"from": "2026-11-20T12:00:00"}, "from"),
        ({"to": "2026-11-20T13:00:00 01:00"}, "to"),
        ({"to": "2026-11-20T12:00:00Z"}, "to"),
        ({"window": "week"}, "window"),
        ({"zone": "Mars/Base"}, "zone"),
        ({"environment": "staging"}, "environment"),
        ({"environment": ["test", "production"]}, "environment"),
        ({"group_by": "mood"}, "mood"),
        ({"filter[mood]": "good"}, "mood"),
        ({"filters": "x"}, "filters"),
        ({"as_of": "-1"}, "as_of"),
        ({"as_of": "99999999"}, "as_of"),
    ],
)
def test_a_bad_parameter_is_named(parameters, field):
    answer = query(**parameters)
    assert answer.status_code == 400
    assert json.loads(answer.content)["errors"][0]["parameter"] == field


def test_an_unknown_meter_is_not_found():
    assert query("miles").status_code == 404


def test_usage_can_be_asked_as_of_a_fold(number):
    send(turn())
    fold_now()
    assert query(as_of=number).data["rows"][0]["quantity"] == "3"
    assert query().data["rows"][0]["quantity"] == "4"


def test_minutes_and_zones_of_any_offset_are_asked_for_alike(number):
    send(turn(time=NOON + timedelta(minutes=44)), turn(time=NOON + timedelta(minutes=45)))
    fold_now()
    rows = query(window="hour", zone="Asia/Kathmandu", **{"from": "2026-11-20T12:15:00Z"}).data["rows"]
    assert [(row["from"], row["to"], row["quantity"]) for row in rows] == [
        ("2026-11-20T18:00:00+05:45", "2026-11-20T18:45:00+05:45", "2")
    ]
    rows = query(window="minute").data["rows"]
    assert [(row["from"][11:16], row["quantity"]) for row in rows] == [("12:00", "3"), ("12:44", "1"), ("12:45", "1")]


def test_too_many_rows_are_refused_naming_what_to_ask_less_of(number, monkeypatch):
    monkeypatch.setattr("metering.tallies.MAX_ROWS", 1)
    refusal = query(group_by="agent")
    assert refusal.status_code == 400
    assert json.loads(refusal.content)["errors"][0]["parameter"] == "group_by"
    assert query(window="minute", to="2027-11-20T13:00:00Z").status_code == 400


TOKENS = {
    "key": "tokens",
    "name": "Tokens",
    "unit": "token",
    "event_type": "com.example.tokens",
    "aggregation": "peak",
    "value_field": "n",
    "scale": "0.5",
    "window_seconds": 300,
    "statistic": "p95",
    "dimensions": ["agent"],
    "filters": [{"field": "kind", "operator": "in", "values": ["out"]}],
}


def test_a_meter_is_defined_shown_and_archived():
    made = post(MeterListView, TOKENS)
    assert (made.status_code, made["Location"]) == (201, "/v1/meters/tokens")
    shown = get(MeterView, key="tokens").data
    assert TOKENS.items() <= shown.items()
    assert shown["backfill"] == {"done": 0, "events": shown["backfill"]["events"], "is_complete": True}
    assert "tokens" in [one["key"] for one in get(MeterListView).data["meters"]]
    ended = post(MeterArchiveView, key="tokens")
    assert (ended.status_code, ended.data["is_archived"]) == (200, True)
    assert "tokens" not in [one["key"] for one in get(MeterListView).data["meters"]]
    assert get(MeterView, key="tokens").data["is_archived"]
    assert post(MeterArchiveView, key="tokens").status_code == 409
    assert post(MeterArchiveView, key="miles").status_code == 404


def test_a_meter_that_makes_no_sense_is_refused_by_its_fields():
    refusal = post(MeterListView, TOKENS | {"aggregation": "count", "unit": "", "mood": 1})
    assert refusal.status_code == 422
    assert problems(refusal) == {"/value_field", "/unit", "/mood", "/scale", "/window_seconds", "/statistic"}
    assert get(MeterView, key="tokens").status_code == 404
    assert post(MeterListView, [TOKENS]).status_code == 400
    assert post(MeterListView, TOKENS | {"key": "turns"}).status_code == 409


def test_only_a_key_with_the_scope_defines_meters_and_takes_events_back():
    reader = Key(ACME, scopes=["usage:read"])
    assert post(MeterListView, TOKENS, caller=reader).status_code == 403
    assert post(MeterArchiveView, caller=reader, key="turns").status_code == 403
    assert post(VoidView, {"source": "a", "id": "b", "reason": "c"}, caller=reader).status_code == 403


def test_an_event_is_taken_back_once_and_saying_so_again_changes_nothing():
    event = turn()
    send(event)
    fold_now()
    body = {"source": event.source, "id": event.id, "reason": "a test of ours"}
    made = post(VoidView, body)
    assert made.status_code == 201
    assert {name: made.data[name] for name in ("actor", "reason", "fold")} == {
        "actor": "key:7",
        "reason": "a test of ours",
        "fold": None,
    }
    again = post(VoidView, body)
    assert (again.status_code, again.data) == (200, made.data)
    assert post(VoidView, body | {"reason": "another"}).status_code == 409
    assert post(VoidView, body, caller=Key(ACME, key_id=8)).status_code == 409
    assert post(VoidView, body, caller=Key(RIVAL)).status_code == 404
    fold_now()
    assert query().data["rows"][0]["quantity"] == "0"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"reason": " "}, "/reason"),
        ({"reason": "x" * 1001}, "/reason"),
        ({"id": 5}, "/id"),
        ({"source": "\0"}, "/source"),
        ({"id": "\ud800"}, "/id"),
        ({"customer": 1}, "/customer"),
    ],
)
def test_a_void_that_cannot_be_is_refused_by_its_field(changes, pointer):
    event = turn()
    send(event)
    refusal = post(VoidView, {"source": event.source, "id": event.id, "reason": "mistake"} | changes)
    assert refusal.status_code == 422
    assert problems(refusal) == {pointer}


def test_a_customer_can_ask_what_became_of_its_events(number):
    send(turn())
    found = get(AccountView, PERIOD).data
    assert (found["accepted"], found["counted"], found["pending"]) == (4, 3, 1)
    assert get(AccountView, PERIOD, caller=Key(RIVAL)).data["accepted"] == 0
    assert get(AccountView, {**PERIOD, "window": "day"}).status_code == 400
    assert get(AccountView, PERIOD, caller=Key(ACME, scopes=[])).status_code == 403
