"""Webhook endpoints over HTTP: kept by their customer, secrets shown once, what was sent and sent again."""

from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook

from billing.endpoints import delivery
from billing.models import Announcement, Delivery, Endpoint
from tests.billing.receiver import Receiver
from tests.factories import api_key

BASE = "/v1/webhook-endpoints"


@pytest.fixture
def api(client, acme):
    return Api(client, api_key(acme))


class Api:
    def __init__(self, client, key):
        self.client, self.headers = client, {"Authorization": f"Bearer {key}"}

    def ask(self, method, path="", status=200, **body):
        answer = getattr(self.client, method)(
            f"{BASE}{path}", data=body or None, content_type="application/json", headers=self.headers
        )
        assert answer.status_code == status, answer.content
        return answer.json()


def test_a_secret_is_shown_when_it_is_made_and_never_again(api):
    made = api.ask("post", status=201, url="https://hooks.example/in", types=["invoice.paid"], description="books")
    assert made["secret"].startswith("whsec_")
    shown = api.ask("get", f"/{made['id']}")
    assert shown == {name: value for name, value in made.items() if name != "secret"}
    assert api.ask("get")["endpoints"] == [shown]
    rotated = api.ask("post", f"/{made['id']}/secret", status=201)
    assert rotated["secret"] not in {made["secret"], ""}
    assert rotated["previous_secret_until"] is not None


def test_fields_are_changed_one_by_one_and_an_endpoint_is_switched_off_and_on(api):
    number = api.ask("post", status=201, url="https://hooks.example/in")["id"]
    changed = api.ask("patch", f"/{number}", types=["budget.exceeded"])
    assert (changed["url"], changed["types"]) == ("https://hooks.example/in", ["budget.exceeded"])
    off = api.ask("patch", f"/{number}", is_enabled=False)
    assert (off["is_enabled"], off["disabled_reason"]) == (False, "Switched off by the customer.")
    assert api.ask("patch", f"/{number}", is_enabled=True)["disabled_reason"] == ""
    api.ask("delete", f"/{number}")
    api.ask("get", f"/{number}", status=404)


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"description": "x"}, 400, "url: It is required."),
        ({"url": 5}, 400, "url: It is a text."),
        ({"url": "https://h.example", "types": "all"}, 400, "types: It is a list"),
        ({"url": "https://h.example", "colour": "red"}, 400, "colour: There is no such field"),
        ({"url": "https://h.example", "description": "x" * 201}, 400, "description: It is a text of at most 200"),
        ({"url": "http://127.0.0.1/"}, 422, "begins with https://"),
        ({"url": "https://10.0.0.1/"}, 422, "public Internet"),
        ({"url": "https://h.example", "types": ["nothing"]}, 422, "no type of event 'nothing'"),
    ],
)
def test_what_cannot_be_used_is_named(api, body, status, said):
    assert said in api.ask("post", status=status, **body)["detail"]
    assert not Endpoint.objects.exists()


def test_a_test_message_its_log_and_its_replay(api, settings):
    settings.WEBHOOKS_ALLOW_PRIVATE = True
    with Receiver() as receiver:
        receiver.answers = [500]
        made = api.ask("post", status=201, url=receiver.url, types=["invoice.paid"])
        message = api.ask("post", f"/{made['id']}/test", status=201)["id"]
        delivery.deliver(clock=lambda: datetime.now(UTC))
        (row,) = api.ask("get", f"/{made['id']}/deliveries")["deliveries"]
        assert (row["id"], row["type"], row["state"]) == (message, "endpoint.test", "pending")
        assert [(one["status"], one["answer"]) for one in row["attempts"]] == [(500, "thank you")]
        Delivery.objects.update(not_before=datetime.now(UTC))
        delivery.deliver(clock=lambda: datetime.now(UTC))
        api.ask("post", f"/{made['id']}/deliveries/{message}/replay", status=201)
        delivery.deliver(clock=lambda: datetime.now(UTC))
        assert len(receiver.requests) == 3
        for _, headers, body in receiver.requests:
            assert Webhook(made["secret"]).verify(body, headers)["type"] == "endpoint.test"
        assert api.ask("get", f"/{made['id']}/deliveries")["deliveries"][0]["state"] == "delivered"
        api.ask("post", f"/{made['id']}/deliveries/msg_none/replay", status=404)


def test_rival_and_a_weak_key_and_a_stranger_reach_nothing(api, client, make_customer, acme):
    number = api.ask("post", status=201, url="https://hooks.example/in")["id"]
    rival = Api(client, api_key(make_customer("rival")))
    assert rival.ask("get")["endpoints"] == []
    for method, path in (("get", ""), ("patch", ""), ("delete", ""), ("post", "/secret"), ("post", "/test")):
        rival.ask(method, f"/{number}{path}", status=404)
    weak = Api(client, api_key(acme, scopes=["invoices:read"]))
    weak.ask("get", status=403)
    assert client.get(BASE).status_code == 401
    assert not Announcement.objects.exists()
