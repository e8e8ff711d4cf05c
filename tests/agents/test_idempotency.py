"""A request with an Idempotency-Key is done once, however often it is sent, and whatever fails in between."""

import json
import threading
from datetime import timedelta

import pytest
import requests
from django.db import connection
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from django.views.decorators.csrf import csrf_exempt

from agents import idempotency
from agents.errors import MalformedRequestError
from agents.models import Agent, IdempotentRequest
from tests.factories import NOW, api_key, customer


@csrf_exempt
def make_agent(request: HttpRequest) -> HttpResponse:
    """Make an agent; a body can ask for a refusal, a fault, or a wait."""
    asked = json.loads(request.body)
    owner = asked["owner"]
    Agent.objects.create(customer_id=owner, key=str(Agent.objects.count()), name="made", first_seen_at=NOW)
    if asked.get("fault"):
        raise RuntimeError("disk on fire")
    if asked.get("wait"):
        entered.set()
        leave.wait(10)
    status = asked.get("status", 201)
    headers = {"Content-Type": "text/plain; charset=utf-8", "Location": "/v1/agents/1"}
    return HttpResponse(f"made {Agent.objects.count()}", status=status, headers=headers)


entered, leave = threading.Event(), threading.Event()
urlpatterns = [
    path("v1/agents", make_agent),
    path("v1/others", make_agent),
    path("", include("config.urls")),
]
pytestmark = [pytest.mark.django_db, pytest.mark.urls(__name__)]


@pytest.fixture
def acme():
    return customer("acme")


@pytest.fixture
def post(client, acme):
    client.raise_request_exception = False
    secret = api_key(acme)

    def post(key="k1", *, address="/v1/agents", who=None, **asked):
        body = json.dumps({"owner": acme.pk} | asked)
        headers = {"Authorization": f"Bearer {who or secret}"} | ({"Idempotency-Key": key} if key else {})
        return client.post(address, data=body, content_type="application/json", headers=headers)

    return post


def test_a_repetition_gets_the_answer_of_the_first(post):
    first, again = post(), post()
    assert (first.status_code, first.content) == (again.status_code, again.content) == (201, b"made 1")
    for name in ("Content-Type", "Location"):
        assert first.headers[name] == again.headers[name]
    assert "Idempotency-Replayed" not in first.headers
    assert again.headers["Idempotency-Replayed"] == "true"
    assert Agent.objects.count() == 1


def test_without_a_key_each_request_is_its_own(post):
    post(None)
    post(None)
    assert Agent.objects.count() == 2
    assert not IdempotentRequest.objects.exists()


def test_a_key_quoted_and_bare_is_the_same(post):
    post("k1")
    assert post('"k1"').headers["Idempotency-Replayed"] == "true"


def test_a_key_with_another_body_is_refused(post):
    post()
    answer = post(status=200)
    assert (answer.status_code, answer.headers["Content-Type"]) == (422, "application/problem+json")
    assert Agent.objects.count() == 1


def test_a_key_belongs_to_its_address_and_its_customer(post):
    post()
    post(address="/v1/others")
    post(address="/v1/agents?x=1")
    post(who=api_key(customer("rival")))
    assert Agent.objects.count() == 4


def test_a_refusal_is_kept_like_a_success(post):
    assert [post(status=409).content for _ in range(2)] == [b"made 1", b"made 1"]
    assert Agent.objects.count() == 1


@pytest.mark.parametrize("asked", [{"fault": True}, {"status": 503}])
def test_a_fault_of_ours_undoes_what_was_done_and_may_be_tried_again(post, asked):
    assert post(**asked).status_code == 503
    assert not Agent.objects.exists()
    assert post().status_code == 201


@pytest.mark.parametrize("key", ["", '""', "x" * 256, "a b", "schlüssel", '"open'])
def test_a_key_that_is_none_is_refused(key):
    with pytest.raises(MalformedRequestError):
        idempotency.read_key(key)


def test_a_quoted_key_may_hold_quotes():
    assert idempotency.read_key(r'"a \"b\" \\"') == r'a "b" ' + "\\"


def test_a_malformed_key_is_told_to_the_sender(post):
    answer = post("a b")
    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")


def test_events_need_no_key(post):
    answer = post(address="/v1/events")
    assert answer.status_code == 415
    assert not IdempotentRequest.objects.exists()


def test_a_stranger_is_asked_for_a_key(post):
    assert post(address="/v1/meters", who="am_live_wrong").status_code == 401
    assert not IdempotentRequest.objects.exists()


def test_answers_are_forgotten_after_thirty_days(post):
    post()
    done = IdempotentRequest.objects.get().done_at
    assert idempotency.forget(now=done + timedelta(days=30)) == 0
    assert idempotency.forget(now=done + timedelta(days=30, seconds=1)) == 1


def test_while_the_first_is_under_way_a_second_is_told_to_wait(committed, live_server):
    entered.clear()
    leave.clear()
    acme = customer("acme")
    headers = {"Authorization": f"Bearer {api_key(acme)}", "Idempotency-Key": "k1"}
    body = json.dumps({"owner": acme.pk, "wait": True})
    answers = []

    def send():
        answers.append(requests.post(f"{live_server.url}/v1/agents", data=body, headers=headers, timeout=20))

    first = threading.Thread(target=send)
    first.start()
    assert entered.wait(10)
    send()
    leave.set()
    first.join(10)
    send()
    assert [one.status_code for one in answers] == [409, 201, 201]
    assert Agent.objects.count() == 1
    connection.close()
