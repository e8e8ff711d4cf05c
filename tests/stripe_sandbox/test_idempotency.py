"""A key is answered once: again the same, never anew, for a day."""

import threading

import pytest
import requests
import stripe

from tests.stripe_sandbox.scene import (
    API_KEY,
    PATIENCE_SECONDS,
    add_customer,
    add_open,
    connect,
    open_sandbox,
    with_card,
)


def post(sandbox, path, body, key):
    headers = {"Authorization": f"Bearer {API_KEY}", "Idempotency-Key": key}
    return requests.post(f"{sandbox.base_url}/v1/{path}", data=body, headers=headers, timeout=PATIENCE_SECONDS)


def test_a_repeated_key_replays_the_same_bytes_and_does_nothing(client, sandbox):
    first = post(sandbox, "customers", {"name": "Acme"}, "one")
    again = post(sandbox, "customers", {"name": "Acme"}, "one")
    assert (again.status_code, again.content) == (200, first.content)
    assert "Idempotent-Replayed" not in first.headers
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(client.v1.customers.list().data) == 1


def test_a_key_with_other_parameters_is_refused(client):
    client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "one"})
    with pytest.raises(stripe.IdempotencyError) as caught:
        client.v1.customers.create({"name": "Rival"}, {"idempotency_key": "one"})
    assert caught.value.http_status == 400


def test_a_key_for_another_url_is_refused(client):
    customer = client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "one"})
    with pytest.raises(stripe.IdempotencyError):
        client.v1.customers.update(customer.id, {"name": "Acme"}, {"idempotency_key": "one"})


def test_a_failed_validation_is_not_kept(client):
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.create({"nmae": "Acme"}, {"idempotency_key": "one"})
    assert client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "one"}).name == "Acme"


def test_a_refusal_after_execution_began_is_kept(sandbox, client):
    invoice = add_open(client, add_customer(client, **with_card("pm_card_chargeDeclined")), 4200)
    first = post(sandbox, f"invoices/{invoice.id}/pay", {}, "pay-one")
    again = post(sandbox, f"invoices/{invoice.id}/pay", {}, "pay-one")
    assert (first.status_code, again.status_code, again.content) == (402, 402, first.content)
    assert client.v1.invoices.retrieve(invoice.id).attempt_count == 1


def test_a_500_is_replayed_byte_for_byte_with_the_header_that_says_so(sandbox, client):
    fault = {"operation": "customers.create", "kind": "500_after", "should_retry": False}
    requests.post(f"{sandbox.base_url}/_sandbox/faults", json=fault, timeout=10)
    first, again = (post(sandbox, "customers", {"name": "Acme"}, "one") for _ in range(2))
    assert (first.status_code, again.status_code, again.content) == (500, 500, first.content)
    assert first.headers["Stripe-Should-Retry"] == "false"
    assert again.headers["Idempotent-Replayed"] == "true"
    assert len(client.v1.customers.list().data) == 1


def test_neither_a_limit_nor_a_conflict_nor_a_dropped_call_is_kept(sandbox, client):
    for kind in ("429", "drop_before"):
        fault = {"operation": "customers.create", "kind": kind}
        requests.post(f"{sandbox.base_url}/_sandbox/faults", json=fault, timeout=10)
        with pytest.raises((stripe.RateLimitError, stripe.APIConnectionError)):
            client.v1.customers.create({"name": "Acme"}, {"idempotency_key": kind})
        made = client.v1.customers.create({"name": "Acme"}, {"idempotency_key": kind})
        assert "Idempotent-Replayed" not in made.last_response.headers


def test_a_key_is_forgotten_after_a_day_and_then_carried_out_again(client, clock):
    first = client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "one"})
    clock.now += 86_399
    assert client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "one"}).id == first.id
    clock.now += 1
    assert client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "one"}).id != first.id


def test_a_key_in_use_is_a_conflict_that_is_not_kept(tmp_path):
    held, release = threading.Event(), threading.Event()

    def hold(_seconds):
        held.set()
        release.wait(PATIENCE_SECONDS)

    with open_sandbox(tmp_path / "sandbox.sqlite3", hold=hold) as sandbox:
        fault = {"operation": "customers.create", "kind": "slow"}
        requests.post(f"{sandbox.base_url}/_sandbox/faults", json=fault, timeout=10)
        answers = []
        slow = threading.Thread(target=lambda: answers.append(post(sandbox, "customers", {"name": "Acme"}, "one")))
        slow.start()
        assert held.wait(PATIENCE_SECONDS)
        meanwhile = post(sandbox, "customers", {"name": "Acme"}, "one")
        release.set()
        slow.join()
        assert (meanwhile.status_code, meanwhile.json()["error"]["code"]) == (409, "idempotency_key_in_use")
        assert answers[0].status_code == 200
        assert post(sandbox, "customers", {"name": "Acme"}, "one").content == answers[0].content


def test_many_callers_with_one_key_make_one_customer(client, sandbox):
    answers = []
    callers = [
        threading.Thread(target=lambda: answers.append(post(sandbox, "customers", {"name": "Acme"}, "one").status_code))
        for _ in range(8)
    ]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert set(answers) <= {200, 409}
    assert len(client.v1.customers.list().data) == 1


def test_the_key_is_on_the_event_it_caused(client):
    client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "cus:acme:g1"})
    assert client.v1.events.list().data[0].request.idempotency_key == "cus:acme:g1"


def test_a_key_longer_than_255_characters_is_refused(client):
    with pytest.raises(stripe.InvalidRequestError, match="255"):
        client.v1.customers.create({"name": "Acme"}, {"idempotency_key": "k" * 256})


def test_keys_survive_a_restart(tmp_path):
    path = tmp_path / "sandbox.sqlite3"
    made = []
    for _ in range(2):
        with open_sandbox(path) as sandbox:
            made.append(connect(sandbox).v1.customers.create({"name": "Acme"}, {"idempotency_key": "one"}).id)
    assert made[0] == made[1]
