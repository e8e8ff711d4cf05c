"""Events reach the endpoint as badly as Stripe's do: twice, late, out of order, not at all, or forged."""

import json

import pytest
import requests
import stripe

from tests.stripe_sandbox.scene import (
    SECRET,
    Clock,
    Receiver,
    add_customer,
    add_draft,
    connect,
    open_sandbox,
    until,
)


class Endpoint:
    """A sandbox with an endpoint, and what a test does to the deliveries between them."""

    def __init__(self, sandbox, receiver, clock):
        self.sandbox, self.receiver, self.clock = sandbox, receiver, clock
        self.client = connect(sandbox)

    def plan(self, **disorder):
        answer = requests.post(f"{self.sandbox.base_url}/_sandbox/deliveries", json=disorder, timeout=10)
        assert answer.status_code == 200, answer.text

    def take(self):
        body, signature = self.receiver.take()
        return json.loads(body), signature, body

    def types(self, count):
        return [self.take()[0]["type"] for _ in range(count)]

    def undelivered(self):
        return requests.get(f"{self.sandbox.base_url}/_sandbox/health", timeout=10).json()["undelivered_events"]


@pytest.fixture
def endpoint(tmp_path):
    clock = Clock()
    with (
        Receiver() as receiver,
        open_sandbox(tmp_path / "s.sqlite3", webhook_url=receiver.url, clock=clock, first_wait=0.01) as sandbox,
    ):
        yield Endpoint(sandbox, receiver, clock)


def fits(body, signature):
    return stripe.WebhookSignature.verify_header(body, signature, SECRET, 300)


def test_a_duplicate_is_the_same_event_twice(endpoint):
    endpoint.plan(kind="duplicate", type="customer.created")
    add_customer(endpoint.client)
    (first, *_), (second, *_) = endpoint.take(), endpoint.take()
    assert first == second


def test_a_twin_is_the_same_change_under_another_event_id(endpoint):
    endpoint.plan(kind="twin")
    add_customer(endpoint.client)
    (first, *_), (second, *_) = endpoint.take(), endpoint.take()
    assert first["id"] != second["id"]
    assert {**first, "id": ""} == {**second, "id": ""}


def test_reordering_tells_the_later_event_first(endpoint):
    endpoint.plan(kind="reorder", type="customer.created")
    customer = add_customer(endpoint.client)
    endpoint.client.v1.customers.update(customer.id, {"name": "Acme Ltd"})
    assert endpoint.types(2) == ["customer.updated", "customer.created"]
    until(lambda: endpoint.undelivered() == 0)


def test_a_delayed_event_comes_once_its_time_has_passed(endpoint):
    endpoint.plan(kind="delay", type="customer.created", seconds=3600)
    customer = add_customer(endpoint.client)
    endpoint.client.v1.customers.update(customer.id, {"name": "Acme Ltd"})
    assert endpoint.types(1) == ["customer.updated"]
    assert endpoint.undelivered() == 1
    advanced = requests.post(f"{endpoint.sandbox.base_url}/_sandbox/clock", json={"advance": 3600}, timeout=10).json()
    event, signature, _ = endpoint.take()
    assert event["type"] == "customer.created"
    assert signature.startswith(f"t={advanced['now']},")


def test_a_missing_event_never_comes_and_is_listed_as_undelivered(endpoint):
    endpoint.plan(kind="missing", type="customer.created")
    customer = add_customer(endpoint.client)
    endpoint.client.v1.customers.update(customer.id, {"name": "Acme Ltd"})
    assert endpoint.types(1) == ["customer.updated"]
    until(lambda: endpoint.undelivered() == 1)
    (owed,) = endpoint.client.v1.events.list({"delivery_success": False}).data
    assert (owed.type, owed.pending_webhooks) == ("customer.created", 1)


@pytest.mark.parametrize("kind", ["wrong_secret", "unsigned"])
def test_a_forged_event_does_not_fit_and_the_true_one_comes_when_it_is_refused(endpoint, kind):
    endpoint.receiver.statuses[:] = [400]
    endpoint.plan(kind=kind)
    add_customer(endpoint.client)
    _, signature, body = endpoint.take()
    with pytest.raises(stripe.SignatureVerificationError):
        fits(body, signature)
    _, signature, again = endpoint.take()
    assert again == body
    assert fits(body, signature)


@pytest.mark.parametrize(("kind", "off"), [("stale", -301), ("future", 301)])
def test_a_signature_may_be_too_old_or_from_the_future(endpoint, kind, off):
    endpoint.plan(kind=kind)
    add_customer(endpoint.client)
    _, signature, body = endpoint.take()
    assert signature.startswith(f"t={endpoint.clock.now + off},")
    assert stripe.WebhookSignature.verify_header(body, signature, SECRET), "it is signed by the right secret"


def test_while_secrets_are_rotated_one_of_two_signatures_fits(endpoint):
    endpoint.plan(kind="rotated")
    add_customer(endpoint.client)
    _, signature, body = endpoint.take()
    assert signature.count("v1=") == 2
    assert fits(body, signature)


def test_an_unknown_type_comes_besides(endpoint):
    endpoint.plan(kind="unknown_type")
    add_customer(endpoint.client)
    assert endpoint.types(2) == ["invoice.invented", "customer.created"]


def test_an_event_may_say_that_it_is_live(endpoint):
    endpoint.plan(kind="livemode")
    add_customer(endpoint.client)
    assert endpoint.take()[0]["livemode"] is True


def test_the_nth_event_of_its_type_is_struck_and_no_other(endpoint):
    endpoint.plan(kind="duplicate", type="customer.created", nth=2)
    first, second = add_customer(endpoint.client), add_customer(endpoint.client)
    ids = [endpoint.take()[0]["data"]["object"]["id"] for _ in range(3)]
    assert ids == [first.id, second.id, second.id]
    listed = requests.get(f"{endpoint.sandbox.base_url}/_sandbox/deliveries", timeout=10).json()
    assert listed == {"deliveries": []}


def test_the_plans_can_be_dropped(endpoint):
    endpoint.plan(kind="missing")
    requests.delete(f"{endpoint.sandbox.base_url}/_sandbox/deliveries", timeout=10)
    add_customer(endpoint.client)
    assert endpoint.types(1) == ["customer.created"]


@pytest.mark.parametrize(
    ("plan", "param"),
    [({"kind": "lost"}, "kind"), ({"kind": "delay", "seconds": -1}, "seconds"), ({"kind": "twin", "when": 1}, "when")],
)
def test_a_plan_that_means_nothing_is_refused(sandbox, plan, param):
    answer = requests.post(f"{sandbox.base_url}/_sandbox/deliveries", json=plan, timeout=10)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


def test_time_passes_on_command_and_keys_are_pruned_by_it(client, sandbox):
    """The same key is carried out again after 24 hours (stripe.md C6)."""
    first = client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "one"})
    before = requests.get(f"{sandbox.base_url}/_sandbox/clock", timeout=10).json()["now"]
    after = requests.post(f"{sandbox.base_url}/_sandbox/clock", json={"advance": 86_400}, timeout=10).json()["now"]
    assert after - before == 86_400
    again = client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "one"})
    assert (again.id != first.id, again.created) == (True, after)
    draft = add_draft(client, again, 100)
    assert draft.created == after
