"""The door: what Stripe is answered, by the wall clock."""

import pytest

from billing.models import WebhookEvent
from tests.stripe.conftest import EVENT, signed

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.stripe.urls"), pytest.mark.usefixtures("secret")]


def post(client, body, signature):
    headers = {"Stripe-Signature": signature}
    return client.post("/webhooks/stripe", data=body, content_type="application/json", headers=headers)


def test_200_means_committed(client, wall_clock):
    body, signature = signed(EVENT, at=wall_clock)
    assert post(client, body, signature).status_code == 200
    assert WebhookEvent.objects.count() == 1
    assert post(client, body, signature).status_code == 200, "we have it already: that is no error"
    assert WebhookEvent.objects.count() == 1


def test_400_for_what_is_not_stripes(client, wall_clock):
    body, signature = signed(EVENT, at=wall_clock, secret="whsec_of_somebody_else")
    assert post(client, body, signature).status_code == 400
    assert post(client, body, "").status_code == 400
    assert not WebhookEvent.objects.exists()


def test_503_while_no_secret_is_set_so_that_stripe_comes_again(client, settings, wall_clock):
    body, signature = signed(EVENT, at=wall_clock)
    settings.STRIPE_WEBHOOK_SECRET = ""
    assert post(client, body, signature).status_code == 503


def test_nothing_but_post(client):
    assert client.get("/webhooks/stripe").status_code == 405
