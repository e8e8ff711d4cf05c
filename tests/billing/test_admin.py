"""The admin of billing: everything can be seen, nothing can be changed, a parked period can be tried again."""

from datetime import timedelta

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from billing.models import BillingPeriod, LedgerTransaction, OutboxMessage
from tests.billing.conftest import JUNE, MAY
from tests.billing.usage import invoiced

DUE = JUNE + timedelta(hours=2)


@pytest.fixture
def operator(client, db):
    client.force_login(get_user_model().objects.create_superuser("operator"))
    return client


@pytest.fixture
def invoice(acme, subscribe, publish, send):
    publish("compute")
    period = subscribe(acme).periods.get()
    send.turns(acme, MAY, 10)
    send.fold(JUNE)
    return invoiced(period, now=DUE)


def page(operator, name, *args):
    answer = operator.get(reverse(f"admin:billing_{name}", args=args))
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize(
    "table",
    [
        "plan",
        "planversion",
        "subscription",
        "billingperiod",
        "invoice",
        "ledgertransaction",
        "outboxmessage",
        "webhookevent",
        "payment",
    ],
)
def test_every_list_is_shown_and_offers_no_change(operator, invoice, table):
    page(operator, f"{table}_changelist")
    assert operator.get(reverse(f"admin:billing_{table}_add")).status_code == 403


def test_prices_are_tables(operator, invoice, publish):
    version = publish("compute")
    for text in (
        page(operator, "planversion_change", version.pk),
        page(operator, "plan_change", version.plan_id),
    ):
        assert "up to and including" in text
        assert "and above" in text


def test_an_invoice_shows_its_formulas(operator, invoice):
    assert "10 at 0.02 = 0.2 (each)" in page(operator, "invoice_change", invoice.pk)


def test_rows_that_belong_together_are_shown_together(operator, invoice):
    page(operator, "subscription_change", invoice.period.subscription_id)
    assert "receivable" in page(operator, "ledgertransaction_change", LedgerTransaction.objects.get().pk).lower()
    page(operator, "outboxmessage_change", OutboxMessage.objects.order_by("pk")[0].pk)


def test_nothing_is_deleted(operator, invoice):
    assert operator.post(reverse("admin:billing_invoice_delete", args=[invoice.pk])).status_code == 403


def test_a_parked_period_is_tried_again(operator, acme, subscribe):
    period = subscribe(acme).periods.get()
    BillingPeriod.objects.update(status="parked", parked_reason="PriceError")
    answer = operator.post(
        reverse("admin:billing_billingperiod_changelist"),
        {"action": "try_again", "_selected_action": [period.pk]},
        follow=True,
    )
    assert "1 periods will be closed by the next run; 0 were not parked." in answer.content.decode()
    assert BillingPeriod.objects.get().status == "open"
