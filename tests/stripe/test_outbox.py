"""The outbox: what is written, once; what is due, in order; who holds it, alone."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing.models import OutboxMessage, StripeCustomer
from billing.models.payments import OutboxState
from billing.stripe import installation, outbox
from billing.stripe.errors import NothingToCollectError
from tests import factories
from tests.stripe import rows

pytestmark = pytest.mark.django_db
NOW = rows.ISSUED


def enqueue(invoice):
    outbox.enqueue_invoice(invoice=invoice, now=NOW)
    return list(OutboxMessage.objects.order_by("pk"))


def key(name):
    return f"{installation.token()}:{name}"


def request_of(name):
    return json.loads(OutboxMessage.objects.get(key=key(name)).request)


def hold(message_id, now=NOW):
    claim = outbox.claim(message_id=message_id, now=now)
    assert claim is not None
    return claim


def finish(message_id):
    assert outbox.succeed(claim=hold(message_id), response={}, now=NOW)


def test_an_invoice_becomes_five_messages_with_keys_from_our_own_rows(invoice):
    assert [message.key for message in enqueue(invoice)] == [
        key(f"cus:{invoice.customer_id}:g1"),
        key("inv:AM-000001:create_invoice:g1"),
        key("inv:AM-000001:add_lines:g1"),
        key("inv:AM-000001:finalize_invoice:g1"),
        key("inv:AM-000001:send_invoice:g1"),
    ]


def test_enqueuing_twice_writes_nothing_twice(invoice):
    assert len(enqueue(invoice)) == len(enqueue(invoice)) == 5


def test_a_customer_is_created_once_for_all_its_invoices(acme, invoice):
    enqueue(invoice)
    enqueue(rows.issued_invoice(acme, "AM-000002"))
    assert OutboxMessage.objects.filter(operation="create_customer").count() == 1


def test_a_customer_known_at_stripe_is_not_created_again(acme, invoice):
    StripeCustomer.objects.create(customer=acme, stripe_id="cus_known", livemode=False)
    enqueue(invoice)
    assert not OutboxMessage.objects.filter(operation="create_customer").exists()


def test_the_messages_vanish_with_the_transaction_that_wrote_them(invoice):
    with transaction.atomic():
        outbox.enqueue_invoice(invoice=invoice, now=NOW)
        transaction.set_rollback(True)
    assert not OutboxMessage.objects.exists()


def test_the_draft_is_explicit_about_everything_that_an_account_setting_could_change(invoice):
    enqueue(invoice)
    assert request_of("inv:AM-000001:create_invoice:g1") == {
        "auto_advance": False,
        "automatic_tax": {"enabled": False},
        "collection_method": "send_invoice",
        "currency": "eur",
        "days_until_due": 14,
        "metadata": {
            "agentmeter_installation": installation.token(),
            "agentmeter_invoice": "AM-000001",
            "agentmeter_digest": invoice.digest,
        },
        "number": "AM-000001",
        "pending_invoice_items_behavior": "exclude",
    }


def test_lines_carry_whole_cents_their_period_and_what_was_counted(invoice):
    enqueue(invoice)
    first, second = request_of("inv:AM-000001:add_lines:g1")["lines"]
    assert first == {
        "amount": 2900,
        "description": "Turns (12.5 × turn)",
        "metadata": {"agentmeter_line": "1", "meter": "turns", "quantity": "12.5", "unit": "turn"},
        "period": {"start": int(rows.OCTOBER.timestamp()), "end": int(rows.NOVEMBER.timestamp())},
    }
    assert second["amount"] == 1234


def test_a_currency_without_cents_is_sent_in_whole_units(db):
    customer = factories.customer("nippon", currency="JPY")
    enqueue(rows.issued_invoice(customer, "AM-000009", amounts=["1200"]))
    assert request_of("inv:AM-000009:add_lines:g1")["lines"][0]["amount"] == 1200


def test_the_address_fills_the_two_lines_that_stripe_prints(invoice):
    enqueue(invoice)
    address = request_of(f"cus:{invoice.customer_id}:g1")["address"]
    assert address == {"line1": "1 Main Street", "line2": "10115 Berlin", "country": "DE"}


@pytest.mark.parametrize("values", [{"prepaid": Decimal("41.34")}, {"status": "void"}])
def test_an_invoice_with_nothing_to_collect_is_refused(acme, values):
    with pytest.raises(NothingToCollectError):
        outbox.enqueue_invoice(invoice=rows.issued_invoice(acme, **values), now=NOW)


def test_the_database_refuses_to_change_what_a_message_asks(invoice):
    enqueue(invoice)
    with pytest.raises(IntegrityError, match="is fixed"), transaction.atomic():
        OutboxMessage.objects.filter(operation="create_invoice").update(request="{}")


def test_the_database_refuses_to_change_the_stripe_id_that_completes_a_request(acme):
    StripeCustomer.objects.create(customer=acme, stripe_id="cus_known", livemode=False)
    with pytest.raises(IntegrityError, match="is fixed"), transaction.atomic():
        StripeCustomer.objects.update(stripe_id="cus_other")


def test_each_message_waits_for_the_one_before(invoice):
    messages = [message.pk for message in enqueue(invoice)]
    for message_id in messages:
        assert outbox.due(now=NOW, limit=10) == [message_id]
        finish(message_id)
    assert outbox.due(now=NOW, limit=10) == []


def test_a_failed_message_holds_back_its_own_invoice_only(acme, invoice):
    enqueue(invoice)
    enqueue(rows.issued_invoice(acme, "AM-000002"))
    customer, first, second = OutboxMessage.objects.filter(operation__startswith="create").order_by("pk")
    finish(customer.pk)
    assert outbox.fail(claim=hold(first.pk), reason="no", now=NOW)
    assert outbox.due(now=NOW + timedelta(days=9), limit=10) == [second.pk]


def test_a_message_is_claimed_by_one_worker(invoice):
    message = enqueue(invoice)[0]
    assert outbox.claim(message_id=message.pk, now=NOW) is not None
    assert outbox.claim(message_id=message.pk, now=NOW) is None
    assert outbox.due(now=NOW, limit=10) == []


def test_a_worker_that_died_loses_its_claim_and_cannot_record_anything_any_more(invoice):
    message = enqueue(invoice)[0]
    lost = hold(message.pk)
    later = NOW + outbox.LEASE
    held = hold(message.pk, later)
    assert held.may_be_done
    assert not outbox.succeed(claim=lost, response={}, now=later)
    assert not outbox.fail(claim=lost, reason="late", now=later)
    assert outbox.succeed(claim=held, response={}, now=later)


def test_waiting_doubles_up_to_an_hour():
    waits = [outbox.wait(attempt=attempt).total_seconds() for attempt in (1, 2, 3, 10, 11, 500)]
    assert waits == [5, 10, 20, 2560, 3600, 3600]


def test_what_never_reached_stripe_is_pending_again_and_what_may_have_stays_in_doubt(invoice):
    message = enqueue(invoice)[0]
    outbox.postpone(claim=hold(message.pk), reason="429", now=NOW)
    message.refresh_from_db()
    assert message.state == OutboxState.PENDING
    later = NOW + timedelta(minutes=1)
    outbox.indeterminate(claim=hold(message.pk, later), reason="no answer", now=later)
    later += timedelta(minutes=1)
    doubtful = hold(message.pk, later)
    assert doubtful.may_be_done
    outbox.postpone(claim=doubtful, reason="429", now=later)
    message.refresh_from_db()
    assert message.state == OutboxState.INDETERMINATE
    assert message.first_sent_at == NOW
