"""Events reach the one endpoint signed, again until taken, also after a restart, and never leave this machine."""

import json
import time

import pytest
import requests
import stripe

from billing.stripe.sandbox.errors import ConfigurationError
from billing.stripe.sandbox.webhooks import Endpoint, is_loopback
from tests.stripe_sandbox.scene import PATIENCE_SECONDS, SECRET, Receiver, add_customer, connect, open_sandbox


def wait_until_delivered(sandbox):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while requests.get(f"{sandbox.base_url}/_sandbox/health", timeout=10).json()["undelivered_events"]:
        assert time.monotonic() < deadline, "events are still undelivered"


def test_an_event_is_delivered_signed_over_its_exact_bytes(tmp_path):
    with Receiver() as receiver, open_sandbox(tmp_path / "s.sqlite3", webhook_url=receiver.url) as sandbox:
        client = connect(sandbox)
        customer = add_customer(client)
        body, signature = receiver.take()
        event = stripe.Webhook.construct_event(body, signature, SECRET, api_key="sk_test_sandbox")
        assert (event.type, event.data.object["id"]) == ("customer.created", customer.id)
        assert (event.livemode, event.api_version) == (False, "2026-10-28.endive")
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body + b" ", signature, SECRET, api_key="sk_test_sandbox")
        with pytest.raises(stripe.SignatureVerificationError):
            stripe.Webhook.construct_event(body, signature, "whsec_other", api_key="sk_test_sandbox")
        wait_until_delivered(sandbox)
        assert client.v1.events.retrieve(event.id).pending_webhooks == 0


def test_what_is_not_taken_is_sent_again_and_redirects_are_not_followed(tmp_path):
    with (
        Receiver(statuses=[500, 302]) as receiver,
        open_sandbox(tmp_path / "s.sqlite3", webhook_url=receiver.url, first_wait=0.01) as sandbox,
    ):
        add_customer(connect(sandbox))
        ids = {json.loads(receiver.take()[0])["id"] for _ in range(3)}
        assert len(ids) == 1
        wait_until_delivered(sandbox)


def test_one_event_that_fails_does_not_hold_up_the_next(tmp_path):
    with (
        Receiver(statuses=[500]) as receiver,
        open_sandbox(tmp_path / "s.sqlite3", webhook_url=receiver.url, first_wait=300) as sandbox,
    ):
        client = connect(sandbox)
        refused = add_customer(client)
        assert json.loads(receiver.take()[0])["data"]["object"]["id"] == refused.id
        taken = add_customer(client)
        assert json.loads(receiver.take()[0])["data"]["object"]["id"] == taken.id
        owed = client.v1.events.list({"delivery_success": False}).data
        assert refused.id in [event.data.object["id"] for event in owed]


def test_what_nobody_took_is_sent_after_a_restart(tmp_path):
    path = tmp_path / "s.sqlite3"
    with Receiver() as receiver:
        gone = receiver.url
    with open_sandbox(path, webhook_url=gone, first_wait=300) as sandbox:
        customer = add_customer(connect(sandbox))
    with Receiver() as receiver, open_sandbox(path, webhook_url=receiver.url) as sandbox:
        assert json.loads(receiver.take()[0])["data"]["object"]["id"] == customer.id
        wait_until_delivered(sandbox)


def test_an_update_tells_what_changed(client):
    customer = add_customer(client)
    client.v1.customers.update(customer.id, {"name": "Acme Ltd"})
    event = client.v1.events.list({"type": "customer.updated"}).data[0]
    assert event.data.previous_attributes.to_dict() == {"name": "Acme"}


def test_events_are_found_by_type_and_by_wildcard(client):
    customer = add_customer(client)
    client.v1.customers.update(customer.id, {"name": "Acme Ltd"})
    client.v1.customers.delete(customer.id)
    assert len(client.v1.events.list({"type": "customer.*"}).data) == 3
    assert len(client.v1.events.list({"types": ["customer.created", "customer.deleted"]}).data) == 2
    with pytest.raises(stripe.InvalidRequestError, match="only one of"):
        client.v1.events.list({"type": "customer.created", "types": ["customer.deleted"]})


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.example.com/stripe",
        "https://127.0.0.1/stripe",
        "http://10.0.0.1/stripe",
        "http://127.0.0.1.example.com/",
        "http://user@evil.example/",
        "file:///etc/passwd",
        "",
    ],
)
def test_an_endpoint_off_this_machine_is_refused(url):
    with pytest.raises(ConfigurationError):
        Endpoint(url=url, secret=SECRET)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_has_several_names(host):
    assert is_loopback(host=host)
    url = f"http://[{host}]:80/" if ":" in host else f"http://{host}/"
    assert Endpoint(url=url, secret=SECRET).url == url


def test_an_endpoint_needs_a_secret():
    with pytest.raises(ConfigurationError, match="secret"):
        Endpoint(url="http://127.0.0.1/", secret="")
