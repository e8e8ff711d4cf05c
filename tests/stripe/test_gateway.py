"""The gateway: pinned and exact on the way out, and each failure told for what it is."""

import re

import pytest
import stripe as sdk

from billing.stripe import client as stripe_client
from billing.stripe import gateway
from billing.stripe.errors import FloatInPayloadError, OutcomeUnknownError, RefusedError, TryLaterError

CONTENT = {"name": "Acme", "email": "billing@acme.example", "metadata": {"agentmeter_customer": "acme"}}


def create(key="cus:1:g1", **changes):
    return gateway.create_customer(stripe_client.connect(), params=CONTENT | changes, key=key)


def test_the_client_is_pinned_and_tells_nobody_about_itself(stripe):
    requestor = stripe_client.connect()._requestor
    assert requestor._options.stripe_version == "2026-10-28.endive"
    assert getattr(requestor._client, "_timeout", None) == (5, 30)
    assert sdk.enable_telemetry is False


def test_the_client_repeats_lost_calls_twice(settings):
    settings.STRIPE_API_KEY = "sk_test_x"
    assert stripe_client.connect()._requestor._options.max_network_retries == 2


@pytest.mark.parametrize(
    ("key", "live"), [("sk_live_x", True), ("rk_live_x", True), ("sk_test_x", False), ("rk_test_x", False)]
)
def test_the_key_tells_the_mode(settings, key, live):
    settings.STRIPE_API_KEY = key
    assert stripe_client.is_live() is live


def test_the_same_key_is_the_same_customer(stripe):
    assert create() == create()
    assert len(stripe.customers()) == 1


def test_a_float_never_leaves(stripe):
    with pytest.raises(FloatInPayloadError, match=re.escape("payload.metadata.rates[1] is the float 0.3")):
        create(metadata={"rates": ["1", 0.3]})
    assert stripe.customers() == []


def test_a_request_that_stripe_refuses_is_refused(stripe):
    with pytest.raises(RefusedError, match="400"):
        create(nonsense="x")


def test_the_same_key_for_another_request_is_refused(stripe):
    create()
    with pytest.raises(RefusedError, match="400"):
        create(name="Rival")


def test_a_limit_is_for_later(stripe):
    stripe.fault("customers.create", "429")
    with pytest.raises(TryLaterError, match="429"):
        create()


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "500_after"])
def test_no_answer_and_stripes_own_failure_leave_the_outcome_unknown(stripe, kind):
    stripe.fault("customers.create", kind)
    with pytest.raises(OutcomeUnknownError):
        create()


def test_reading_leaves_nothing_in_doubt(stripe):
    stripe.fault("customers.list", "drop_before")
    with pytest.raises(TryLaterError):
        gateway.list_customers(stripe_client.connect(), email="billing@acme.example")


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, RefusedError),
        (401, TryLaterError),
        (402, RefusedError),
        (403, TryLaterError),
        (404, RefusedError),
        (408, OutcomeUnknownError),
        (409, TryLaterError),
        (429, TryLaterError),
        (500, OutcomeUnknownError),
        (503, OutcomeUnknownError),
        (200, OutcomeUnknownError),
        (None, OutcomeUnknownError),
    ],
)
def test_every_status_has_its_meaning(status, kind, monkeypatch, settings):
    settings.STRIPE_API_KEY = "sk_test_x"
    client = stripe_client.connect()

    def fail(*_):
        raise sdk.StripeError("no", http_status=status)

    monkeypatch.setattr(client.v1.customers, "create", fail)
    with pytest.raises(kind):
        gateway.create_customer(client, params=CONTENT, key="k")


def test_pages_are_read_to_the_end(stripe):
    for number in range(105):
        create(key=f"cus:{number}:g1", metadata={"agentmeter_customer": str(number)})
    assert len(gateway.list_customers(stripe_client.connect(), email="billing@acme.example")) == 105


def test_a_customer_that_was_deleted_is_told_as_such(stripe):
    made = create()
    assert not made.deleted
    stripe.api.customers.delete(made.stripe_id)
    assert gateway.retrieve_customer(stripe_client.connect(), stripe_id=made.stripe_id).deleted
