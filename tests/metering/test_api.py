"""The HTTP questions about usage."""

import json
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, cast

import pytest
from rest_framework.exceptions import PermissionDenied
from rest_framework.test import APIRequestFactory, force_authenticate

from metering.api.views import MeterListView, MeterQueryView
from tests.metering.factories import ACME, NOON, RIVAL, fold_now, send, turn

pytestmark = pytest.mark.django_db
PERIOD = {"from": "2026-11-20T12:00:00Z", "to": "2026-11-20T13:00:00Z"}


@dataclass
class Key:
    """What the authentication puts into the request."""

    customer_id: int
    scopes: list[str] = field(default_factory=lambda: ["usage:read"])
    is_authenticated: bool = True

    def require_scope(self, scope):
        if scope not in self.scopes:
            raise PermissionDenied(scope)


def get(view, parameters=None, *, caller=None, accept="application/json", **path):
    request = APIRequestFactory().get("/", parameters or {}, HTTP_ACCEPT=accept)
    who = caller or Key(ACME)
    force_authenticate(request, user=cast("Any", who), token=cast("Any", who))
    answer = view.as_view()(request, **path)
    if hasattr(answer, "render"):
        answer.render()
    return answer


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
