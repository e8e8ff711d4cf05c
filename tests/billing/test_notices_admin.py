"""The admin shows what customers were told, never a secret, and lets a person send again and lift."""

from datetime import UTC, datetime

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from billing import dunning
from billing.dunning import suspensions
from billing.endpoints import announcing, registry
from billing.models import Delivery, Endpoint, Suspension

NOW = datetime(2026, 6, 1, tzinfo=UTC)


@pytest.fixture
def operator(client, db):
    client.force_login(get_user_model().objects.create_superuser("operator"))
    return client


@pytest.fixture
def told(acme):
    endpoint = registry.add(customer=acme, url="https://hooks.example/", description="", types=[], now=NOW)
    announcing.try_endpoint(endpoint=endpoint, now=NOW)
    suspensions.suspend(customer=acme, reason="Invoice AM-1 is not paid.", now=NOW)
    return endpoint


@pytest.mark.parametrize("table", ["delivery", "endpoint", "mail", "suspension"])
def test_every_table_and_row_can_be_seen_without_secrets(operator, told, table):
    listed = operator.get(reverse(f"admin:billing_{table}_changelist"))
    assert listed.status_code == 200
    row = {"delivery": Delivery, "endpoint": Endpoint, "mail": told.customer.mails.model, "suspension": Suspension}
    shown = operator.get(reverse(f"admin:billing_{table}_change", args=[row[table].objects.order_by("pk")[0].pk]))
    assert shown.status_code == 200
    assert told.secret not in shown.content.decode() + listed.content.decode()


def act(operator, table, action, rows):
    body = {"action": action, "_selected_action": [row.pk for row in rows]}
    return operator.post(reverse(f"admin:billing_{table}_changelist"), body, follow=True)


def test_a_message_is_sent_again(operator, told):
    Delivery.objects.update(state="failed", finished_at=NOW, tries=10)
    act(operator, "delivery", "send_again", Delivery.objects.all())
    assert set(Delivery.objects.values_list("state", "tries")) == {("pending", 0)}


def test_a_suspension_is_lifted_and_it_is_said_by_whom(operator, told, acme):
    act(operator, "suspension", "lift", Suspension.objects.all())
    assert not dunning.is_suspended(customer=acme)
    assert Suspension.objects.get().lifted_reason == "Lifted by operator."
