"""Faults strike the nth call of an operation, once, before or after it took effect."""

import pytest
import requests
import stripe

from tests.stripe_sandbox.scene import add_customer, add_draft, add_open, with_card


@pytest.fixture
def plan(sandbox):
    def post(**fault):
        return requests.post(f"{sandbox.base_url}/_sandbox/faults", json=fault, timeout=10)

    return post


def test_a_drop_before_does_nothing_and_the_same_key_then_succeeds(client, plan):
    draft = add_draft(client, add_customer(client), 4200)
    plan(operation="invoices.finalize", nth=1, kind="drop_before")
    with pytest.raises(stripe.APIConnectionError):
        client.v1.invoices.finalize_invoice(draft.id, None, {"idempotency_key": "fin"})
    assert client.v1.invoices.retrieve(draft.id).status == "draft"
    assert client.v1.invoices.finalize_invoice(draft.id, None, {"idempotency_key": "fin"}).status == "open"


def test_a_drop_after_has_done_everything_and_the_same_key_replays_it(client, plan):
    draft = add_draft(client, add_customer(client), 4200)
    plan(operation="invoices.finalize", nth=1, kind="drop_after")
    with pytest.raises(stripe.APIConnectionError):
        client.v1.invoices.finalize_invoice(draft.id, None, {"idempotency_key": "fin"})
    assert client.v1.invoices.retrieve(draft.id).status == "open"
    again = client.v1.invoices.finalize_invoice(draft.id, None, {"idempotency_key": "fin"})
    assert again.status == "open"
    assert again.last_response.headers["Idempotent-Replayed"] == "true"


def test_a_500_after_has_done_everything_and_stays_a_500_for_its_key(client, plan):
    invoice = add_open(client, add_customer(client, **with_card()), 4200)
    plan(operation="invoices.pay", kind="500_after")
    for _ in range(2):
        with pytest.raises(stripe.APIError) as caught:
            client.v1.invoices.pay(invoice.id, None, {"idempotency_key": "pay"})
        assert caught.value.http_status == 500
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


def test_a_rate_limit_does_nothing_and_is_not_kept(client, plan):
    plan(operation="customers.create", kind="429", should_retry=False)
    with pytest.raises(stripe.RateLimitError) as caught:
        client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "one"})
    assert (caught.value.headers or {})["Stripe-Should-Retry"] == "false"
    assert client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "one"}).name == "Acme"


def test_the_nth_call_is_struck_and_no_other(client, plan, sandbox):
    plan(operation="customers.create", nth=3, kind="429")
    outcomes = []
    for _ in range(4):
        try:
            outcomes.append(add_customer(client).name)
        except stripe.RateLimitError:
            outcomes.append("429")
    assert outcomes == ["Acme", "Acme", "429", "Acme"]
    assert requests.get(f"{sandbox.base_url}/_sandbox/faults", timeout=10).json() == {"faults": []}


def test_the_calls_of_each_operation_are_counted(client, sandbox):
    add_customer(client)
    add_customer(client)
    client.v1.customers.list()
    counted = requests.get(f"{sandbox.base_url}/_sandbox/calls", timeout=10).json()
    assert counted == {"calls": {"customers.create": 2, "customers.list": 1}}


def test_two_faults_for_one_call_strike_one_after_the_other(client, plan):
    plan(operation="customers.create", kind="drop_before")
    plan(operation="customers.create", kind="429")
    with pytest.raises(stripe.APIConnectionError):
        add_customer(client)
    with pytest.raises(stripe.RateLimitError):
        add_customer(client)
    assert add_customer(client).name == "Acme"


def test_planned_faults_can_be_dropped(client, plan, sandbox):
    plan(operation="customers.create", kind="429")
    requests.delete(f"{sandbox.base_url}/_sandbox/faults", timeout=10)
    assert add_customer(client).name == "Acme"


@pytest.mark.parametrize(
    ("fault", "param"),
    [
        ({"operation": "invoices.explode", "kind": "429"}, "operation"),
        ({"operation": "invoices.pay", "kind": "meteor"}, "kind"),
        ({"operation": "invoices.pay", "kind": "429", "nth": 0}, "nth"),
        ({"operation": "invoices.pay", "kind": "429", "nth": True}, "nth"),
        ({"operation": "invoices.pay", "kind": "slow", "seconds": -1}, "seconds"),
        ({"operation": "invoices.pay", "kind": "429", "should_retry": "no"}, "should_retry"),
        ({"operation": "invoices.pay", "kind": "429", "when": "now"}, "when"),
    ],
)
def test_a_fault_that_means_nothing_is_refused(plan, fault, param):
    answer = plan(**fault)
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, param)


@pytest.mark.parametrize("body", ["[]", "{", ""])
def test_a_fault_must_be_a_json_object(sandbox, body):
    url = f"{sandbox.base_url}/_sandbox/faults"
    headers = {"Content-Type": "application/json"}
    assert requests.post(url, data=body, headers=headers, timeout=10).status_code == 400
    assert requests.post(url, data="{}", timeout=10).status_code == 400


def test_health_is_answered_without_a_key(sandbox):
    health = requests.get(f"{sandbox.base_url}/_sandbox/health", timeout=10)
    assert (health.status_code, health.json()["status"]) == (200, "ok")
    assert requests.get(f"{sandbox.base_url}/_sandbox/elsewhere", timeout=10).status_code == 404
