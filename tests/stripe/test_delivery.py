"""Delivery: one Stripe invoice for each of ours, equal to the cent, whatever happens on the way."""

import threading

import pytest
from django.db import connection

from billing.models import OutboxMessage, StripeCustomer, StripeInvoice
from billing.models.payments import OutboxState
from billing.stripe import client as stripe_client
from billing.stripe import delivery, installation, mirror, outbox
from billing.stripe.delivery import Delivered
from billing.stripe.errors import StripeNotConfiguredError
from tests.stripe import rows

OPERATIONS = ["customers.create", "invoices.create", "invoices.add_lines", "invoices.finalize", "invoices.send"]


def message(operation):
    return OutboxMessage.objects.get(operation=operation)


def states():
    return list(OutboxMessage.objects.order_by("pk").values_list("state", flat=True))


def assert_collected_once(stripe, invoice):
    """One customer, one open invoice, our lines, our total, written to once; and our rows know all that."""
    assert set(states()) == {OutboxState.SUCCEEDED}
    (customer,) = stripe.customers()
    found = stripe.only_invoice()
    assert (found.customer, found.status, found.total, found.currency) == (customer.id, "open", 4134, "eur")
    assert found.number == invoice.number
    assert [line.amount for line in stripe.lines(found.id)] == [2900, 1234]
    assert [event["type"] for event in stripe.events("invoice.sent")] == ["invoice.sent"]
    assert StripeCustomer.objects.get().stripe_id == customer.id
    row = StripeInvoice.objects.get()
    assert (row.invoice, row.stripe_id, row.status, row.livemode) == (invoice, found.id, "open", False)
    assert row.hosted_url == found.hosted_invoice_url
    assert row.pdf_url == found.invoice_pdf


def test_one_run_takes_an_invoice_all_the_way(stripe, enqueued, clock):
    assert delivery.deliver(now=clock.now) == Delivered(sent=5)
    assert_collected_once(stripe, enqueued)
    assert delivery.deliver(now=clock.now) == Delivered()


def test_each_answer_is_kept_with_its_message(stripe, collected):
    found = stripe.only_invoice()
    expected = {"id": found.id, "status": "open", "total": "4134", "currency": "EUR", "number": "AM-000001"}
    assert message("finalize_invoice").response == expected


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "500_after", "429"])
def test_a_fault_at_any_step_still_gives_exactly_one_invoice(stripe, enqueued, deliver_all, operation, kind):
    stripe.fault(operation, kind)
    deliver_all()
    assert_collected_once(stripe, enqueued)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_an_answer_lost_for_longer_than_stripe_keeps_keys_is_looked_for_before_asking_again(
    stripe, enqueued, deliver_all, clock, operation
):
    stripe.fault(operation, "drop_after")
    delivery.deliver(now=clock.now)
    clock.turn(hours=30)
    deliver_all()
    assert_collected_once(stripe, enqueued)


@pytest.mark.parametrize("operation", OPERATIONS)
def test_a_worker_that_dies_after_the_call_leaves_no_double(
    stripe, enqueued, deliver_all, clock, monkeypatch, operation
):
    class PowerCutError(Exception):
        pass

    def cut(**found):
        if message_operation(found["claim"]) == operation:
            raise PowerCutError
        return succeed(**found)

    def message_operation(claim):
        return OPERATIONS[list(OutboxMessage.objects.order_by("pk")).index(claim.message)]

    succeed = outbox.succeed
    monkeypatch.setattr(outbox, "succeed", cut)
    with pytest.raises(PowerCutError):
        delivery.deliver(now=clock.now)
    monkeypatch.setattr(outbox, "succeed", succeed)
    assert delivery.deliver(now=clock.turn(minutes=1)) == Delivered(), "the dead worker's claim still holds"
    clock.turn(minutes=10)
    deliver_all()
    assert_collected_once(stripe, enqueued)


def test_the_answer_and_what_follows_from_it_are_recorded_together_or_not_at_all(
    stripe, enqueued, deliver_all, clock, monkeypatch
):
    def keep_and_die(**found):
        keep(**found)
        raise ZeroDivisionError

    keep = mirror.keep_invoice
    monkeypatch.setattr(mirror, "keep_invoice", keep_and_die)
    with pytest.raises(ZeroDivisionError):
        delivery.deliver(now=clock.now)
    assert message("create_invoice").state == OutboxState.SENT
    assert not StripeInvoice.objects.exists()
    monkeypatch.setattr(mirror, "keep_invoice", keep)
    clock.now += outbox.LEASE
    deliver_all()
    assert_collected_once(stripe, enqueued)


def test_a_lost_answer_leaves_the_message_in_doubt_with_the_reason(stripe, enqueued, clock):
    stripe.fault("invoices.create", "drop_after")
    assert delivery.deliver(now=clock.now) == Delivered(sent=1, postponed=1)
    doubtful = message("create_invoice")
    assert doubtful.state == OutboxState.INDETERMINATE
    assert "OutcomeUnknownError" in doubtful.error
    assert doubtful.not_before == clock.now + outbox.FIRST_WAIT


def test_a_limit_puts_the_message_off_and_nothing_is_in_doubt(stripe, enqueued, clock):
    stripe.fault("invoices.create", "429")
    assert delivery.deliver(now=clock.now) == Delivered(sent=1, postponed=1)
    assert message("create_invoice").state == OutboxState.PENDING


def test_the_sdk_itself_repeats_a_dropped_call_with_the_same_key(stripe, enqueued, clock, monkeypatch):
    monkeypatch.setattr(stripe_client, "NETWORK_RETRIES", 2)
    stripe.fault("invoices.create", "drop_after")
    assert delivery.deliver(now=clock.now) == Delivered(sent=5)
    assert_collected_once(stripe, enqueued)


def test_a_refused_key_is_no_fault_of_the_messages(stripe, enqueued, clock, settings, deliver_all):
    settings.STRIPE_API_KEY = "sk_test_of_somebody_else"
    assert delivery.deliver(now=clock.now) == Delivered(postponed=1)
    assert "401" in message("create_customer").error
    settings.STRIPE_API_KEY = "sk_test_of_the_tests"
    deliver_all()
    assert_collected_once(stripe, enqueued)


def test_a_live_key_never_touches_what_was_begun_in_test_mode(stripe, enqueued, clock, settings):
    delivery.deliver(now=clock.now, limit=1)
    settings.STRIPE_API_KEY = "sk_live_by_mistake"
    assert delivery.deliver(now=clock.now) == Delivered(postponed=1)
    assert "test mode" in message("create_invoice").error
    assert stripe.invoices() == []


def test_without_an_account_or_a_sandbox_delivery_says_what_to_set(enqueued, clock, settings):
    settings.STRIPE_API_KEY, settings.STRIPE_API_URL = stripe_client.SANDBOX_KEY, ""
    with pytest.raises(StripeNotConfiguredError, match="STRIPE_API_KEY"):
        delivery.deliver(now=clock.now)
    assert states() == [OutboxState.PENDING] * 5


class TestBeforeFinalizing:
    """Stripe's draft is read and compared; what is not ours to the cent is never finalized."""

    def assert_stopped(self, stripe, clock, reason):
        assert delivery.deliver(now=clock.now) == Delivered(failed=1)
        stopped = message("finalize_invoice")
        assert stopped.state == OutboxState.FAILED
        assert reason in stopped.error
        assert stripe.only_invoice().status == "draft"
        assert delivery.deliver(now=clock.turn(days=2)) == Delivered(), "it waits for a person"

    @pytest.fixture
    def draft(self, stripe, enqueued, clock):
        delivery.deliver(now=clock.now, limit=3)
        return stripe.only_invoice()

    def test_another_total_stops_it(self, stripe, draft, clock):
        stripe.api.invoices.add_lines(draft.id, {"lines": [{"amount": 1, "description": "Slipped in"}]})
        self.assert_stopped(stripe, clock, "total is '41.35 EUR' there, '41.34 EUR' here")

    def test_the_same_total_from_other_lines_stops_it(self, stripe, draft, clock):
        lines = [{"amount": 50, "description": "Up"}, {"amount": -50, "description": "Down"}]
        stripe.api.invoices.add_lines(draft.id, {"lines": lines})
        self.assert_stopped(stripe, clock, "4 lines there, 2 here")

    def test_other_metadata_stops_it(self, stripe, draft, clock):
        stripe.api.invoices.update(draft.id, {"metadata": {"agentmeter_digest": "changed"}})
        self.assert_stopped(stripe, clock, "digest in metadata is 'changed' there")

    def test_a_draft_deleted_at_stripe_stops_it(self, stripe, draft, clock):
        stripe.api.invoices.delete(draft.id)
        assert delivery.deliver(now=clock.now) == Delivered(failed=1)
        assert "NotThereError" in message("finalize_invoice").error

    def test_what_somebody_finalized_by_hand_is_taken_as_done(self, stripe, draft, enqueued, clock):
        stripe.api.invoices.finalize_invoice(draft.id, {"auto_advance": False})
        assert delivery.deliver(now=clock.now) == Delivered(sent=2)
        assert_collected_once(stripe, enqueued)


def test_an_invoice_paid_before_it_was_sent_is_not_sent(stripe, enqueued, clock):
    delivery.deliver(now=clock.now, limit=4)
    stripe.pay(stripe.only_invoice().id)
    assert delivery.deliver(now=clock.now) == Delivered(sent=1)
    assert message("send_invoice").response["status"] == "paid"
    assert stripe.events("invoice.sent") == []
    assert StripeInvoice.objects.get().status == "paid"


def test_a_customer_deleted_at_stripe_parks_its_invoices_and_no_others(stripe, enqueued, clock, rival):
    delivery.deliver(now=clock.now, limit=1)
    stripe.api.customers.delete(StripeCustomer.objects.get().stripe_id)
    outbox.enqueue_invoice(invoice=rows.issued_invoice(rival, "AM-000002"), now=clock.now)
    assert delivery.deliver(now=clock.now) == Delivered(sent=5, parked=1)
    parked = OutboxMessage.objects.get(state=OutboxState.PENDING, operation="create_invoice")
    assert "was deleted at Stripe" in parked.error
    assert StripeCustomer.objects.get(customer=enqueued.customer).broken_at == clock.now
    assert delivery.deliver(now=clock.turn(days=2)) == Delivered(), "it waits for a person, and nobody is made again"
    assert stripe.only_invoice().number == "AM-000002"
    assert len(stripe.customers()) == 1


def test_a_refused_message_stops_its_invoice_and_no_other(stripe, acme, enqueued, clock):
    stripe.api.invoices.create(
        {"customer": stripe.api.customers.create({"email": "x@example.com"}).id, "number": "AM-000001"}
    )
    outbox.enqueue_invoice(invoice=rows.issued_invoice(acme, "AM-000002"), now=clock.now)
    assert delivery.deliver(now=clock.now) == Delivered(sent=5, failed=1)
    refused = OutboxMessage.objects.get(state=OutboxState.FAILED)
    assert refused.key == f"{installation.token()}:inv:AM-000001:create_invoice:g1"
    assert "already in use" in refused.error
    assert StripeInvoice.objects.get().invoice.number == "AM-000002"


def test_two_invoices_of_one_name_at_stripe_are_a_finding_and_not_a_choice(stripe, enqueued, clock):
    stripe.fault("invoices.create", "drop_after")
    delivery.deliver(now=clock.now)
    twin = {
        "customer": stripe.customers()[0].id,
        "metadata": {"agentmeter_installation": installation.token(), "agentmeter_invoice": "AM-000001"},
    }
    stripe.api.invoices.create(twin)
    assert delivery.deliver(now=clock.turn(minutes=1)) == Delivered(failed=1)
    assert "Stripe holds 2 objects for invoice AM-000001" in message("create_invoice").error


def test_a_run_ends_early_where_stripe_itself_is_in_trouble(stripe, enqueued, acme, clock):
    delivery.deliver(now=clock.now, limit=1)
    for number in range(2, 6):
        outbox.enqueue_invoice(invoice=rows.issued_invoice(acme, f"AM-00000{number}"), now=clock.now)
    for _ in range(5):
        stripe.fault("invoices.create", "drop_before")
    assert delivery.deliver(now=clock.now) == Delivered(postponed=3)
    assert OutboxMessage.objects.filter(attempts=0, operation="create_invoice").count() == 2


def test_a_run_sends_no_more_than_its_limit(stripe, enqueued, clock):
    assert delivery.deliver(now=clock.now, limit=2) == Delivered(sent=2)


def test_the_longest_invoice_that_stripe_takes_is_compared_line_by_line(stripe, acme, clock):
    outbox.enqueue_invoice(invoice=rows.issued_invoice(acme, amounts=["0.01"] * 250), now=clock.now)
    assert delivery.deliver(now=clock.now) == Delivered(sent=5)
    assert stripe.only_invoice().total == 250


@pytest.mark.django_db(transaction=True)
def test_workers_beside_each_other_send_every_message_once(stripe, acme, rival, clock):
    for number, customer in enumerate([acme, rival, acme, rival], start=1):
        outbox.enqueue_invoice(invoice=rows.issued_invoice(customer, f"AM-00000{number}"), now=clock.now)
    results, failures = [], []

    def work():
        try:
            results.append(delivery.deliver(now=clock.now))
        except Exception as error:  # noqa: BLE001 a thread's failure is the test's
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(timeout=60)
    results.append(delivery.deliver(now=clock.now))
    assert not failures
    assert sum(result.sent for result in results) == 2 + 4 * 4
    assert set(OutboxMessage.objects.values_list("state", "attempts")) == {(OutboxState.SUCCEEDED, 1)}
    assert sorted(found.number for found in stripe.invoices()) == [f"AM-00000{number}" for number in range(1, 5)]
    assert {found.status for found in stripe.invoices()} == {"open"}
    assert len(stripe.customers()) == 2
