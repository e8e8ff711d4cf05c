"""The invariants of collection, each by its number in the catalogue of what a billing engine must never break."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing import claims, ledger, money
from billing.errors import MoneyError
from billing.models import (
    BillingProfile,
    LedgerEntry,
    OutboxMessage,
    Payment,
    Refund,
    StripeCustomer,
    StripeInvoice,
    WebhookEvent,
)
from billing.models.invoices import InvoiceStatus
from billing.models.ledger import Account
from billing.models.payments import OutboxState
from billing.money import Money
from billing.stripe import client as stripe_client
from billing.stripe import content, delivery, gateway, installation, outbox, webhooks
from billing.stripe.delivery import Delivered
from billing.stripe.errors import (
    BadSignatureError,
    FloatInPayloadError,
    ModeError,
    UntimelyError,
)
from tests import factories
from tests.stripe import rows
from tests.stripe.conftest import EVENT, signed


def message(operation, **values):
    return OutboxMessage.objects.get(operation=operation, **values)


def take(stripe, clock, *types):
    """Receive what Stripe tells, of some types where given, and act on it."""
    for event in stripe.events():
        if not types or event["type"] in types:
            body, signature = signed(event, at=clock.now)
            webhooks.receive(body=body, signature=signature, now=clock.now)
    return webhooks.apply_pending(now=clock.now, limit=1000)


def cash():
    return ledger.balance(account=Account.CASH, currency="EUR").amount


class TestMoney:
    def test_1_no_float_leaves_and_every_amount_is_a_whole_number_of_smallest_units(self, acme, settings):
        settings.STRIPE_API_KEY = "sk_test_x"
        with pytest.raises(FloatInPayloadError):
            gateway.create_customer(stripe_client.connect(), params={"balance": 0.3}, key="k")
        invoice = rows.issued_invoice(acme, amounts=["0.10", "0.20", "-0.05"])
        told = content.lines_content(invoice)["lines"]
        assert [line["amount"] for line in told] == [10, 20, -5]
        assert "." not in content.encode({"amounts": [line["amount"] for line in told]})

    @pytest.mark.parametrize(("currency", "amount", "units"), [("EUR", "12.34", 1234), ("JPY", "1234", 1234)])
    def test_4_the_amount_sent_is_the_amount_stored_in_the_steps_of_its_currency(self, db, currency, amount, units):
        customer = factories.customer("of-" + currency.lower(), currency=currency)
        invoice = rows.issued_invoice(customer, amounts=[amount])
        (line,) = content.lines_content(invoice)["lines"]
        assert line["amount"] == units
        assert money.from_minor_units(line["amount"], currency).amount == Decimal(amount)

    def test_4_half_a_smallest_unit_is_never_sent(self, db):
        invoice = rows.issued_invoice(factories.customer("nippon", currency="JPY"), amounts=["1.5"])
        with pytest.raises(MoneyError):
            content.lines_content(invoice)

    def test_6_an_invoice_is_in_one_currency_and_never_below_nothing(self, acme):
        invoice = rows.issued_invoice(acme)
        profile = BillingProfile(customer=acme)
        assert content.draft_content(invoice, profile, installation="x")["currency"] == "eur"
        assert "currency" not in content.lines_content(invoice)["lines"][0]
        with pytest.raises(IntegrityError, match="violates check constraint"), transaction.atomic():
            rows.draft_invoice(acme, "below", [Decimal("-1.00")])


class TestIntents:
    def test_25_no_mutation_without_a_committed_intent(self, stripe, invoice, clock):
        with transaction.atomic():
            outbox.enqueue_invoice(invoice=invoice, now=clock.now)
            transaction.set_rollback(True)
        assert delivery.deliver(now=clock.now) == Delivered()
        assert stripe.customers() == stripe.invoices() == []
        outbox.enqueue_invoice(invoice=invoice, now=clock.now)
        delivery.deliver(now=clock.now)
        caused = {event["request"]["idempotency_key"] for event in stripe.events()} - {None}
        assert caused <= set(OutboxMessage.objects.values_list("key", flat=True))

    def test_25_the_same_bytes_go_under_the_same_key_and_nobody_can_change_them(self, stripe, enqueued, clock):
        stripe.fault("invoices.create", "500_after")
        delivery.deliver(now=clock.now)
        with pytest.raises(IntegrityError, match="is fixed"), transaction.atomic():
            OutboxMessage.objects.filter(operation="create_invoice").update(request="{}")
        delivery.deliver(now=clock.turn(minutes=1))
        assert len(stripe.invoices()) == 1

    def test_25_keys_name_the_installation_which_is_made_once(self, enqueued):
        token = installation.token()
        assert installation.token() == token
        assert all(key.startswith(f"{token}:") for key in OutboxMessage.objects.values_list("key", flat=True))
        assert json.loads(message("create_invoice").request)["metadata"][content.INSTALLATION] == token

    @pytest.mark.parametrize("operation", ["customers.create", "invoices.create", "invoices.finalize"])
    def test_26_what_was_done_is_found_after_a_day_and_not_asked_again(self, stripe, enqueued, clock, operation):
        stripe.fault(operation, "drop_after")
        delivery.deliver(now=clock.now)
        clock.turn(hours=25)
        delivery.deliver(now=clock.now)
        assert (len(stripe.customers()), len(stripe.invoices())) == (1, 1)
        assert not OutboxMessage.objects.filter(generation__gt=1).exists()

    @pytest.mark.parametrize("operation", ["customers.create", "invoices.create", "invoices.finalize"])
    def test_26_what_was_not_done_is_asked_after_a_day_under_a_new_key(self, stripe, enqueued, clock, operation):
        stripe.fault(operation, "drop_before")
        delivery.deliver(now=clock.now)
        delivery.deliver(now=clock.turn(hours=25))
        renewed = OutboxMessage.objects.get(generation=2)
        origin = renewed.origin
        assert origin is not None
        assert renewed.key == origin.key.removesuffix("g1") + "g2"
        assert origin.state == OutboxState.SUPERSEDED
        assert renewed.request == origin.request
        assert stripe.only_invoice().status == "open"
        assert set(OutboxMessage.objects.exclude(pk=origin.pk).values_list("state", flat=True)) == {"succeeded"}

    @pytest.mark.parametrize("kind", ["drop_before", "drop_after", "500_after"])
    def test_27_an_unknown_outcome_is_neither_failed_nor_succeeded(self, stripe, enqueued, clock, kind):
        stripe.fault("invoices.create", kind)
        delivery.deliver(now=clock.now)
        assert message("create_invoice").state == OutboxState.INDETERMINATE

    def test_28_a_duplicate_that_proves_delivery_is_a_success_and_any_other_refusal_an_error(
        self, stripe, enqueued, clock
    ):
        stripe.fault("invoices.create", "drop_after")
        delivery.deliver(now=clock.now)
        delivery.deliver(now=clock.turn(minutes=1))
        assert message("create_invoice").state == OutboxState.SUCCEEDED
        other = rows.issued_invoice(enqueued.customer, "AM-000002")
        stripe.api.invoices.create({"customer": stripe.customers()[0].id, "number": "AM-000002"})
        outbox.enqueue_invoice(invoice=other, now=clock.now)
        delivery.deliver(now=clock.now)
        refused = message("create_invoice", invoice=other)
        assert refused.state == OutboxState.FAILED
        assert "already in use" in refused.error

    def test_29_one_customers_failure_stops_no_other(self, stripe, enqueued, rival, clock):
        delivery.deliver(now=clock.now, limit=1)
        stripe.api.customers.delete(stripe.customers()[0].id)
        outbox.enqueue_invoice(invoice=rows.issued_invoice(rival, "AM-000002"), now=clock.now)
        assert delivery.deliver(now=clock.now) == Delivered(sent=5, parked=1)

    def test_29_whoever_lost_its_claim_records_nothing(self, enqueued, clock):
        first = message("create_customer")
        lost = outbox.claim(message_id=first.pk, now=clock.now)
        held = outbox.claim(message_id=first.pk, now=clock.turn(minutes=11))
        assert lost is not None
        assert held is not None
        assert not outbox.succeed(claim=lost, response={}, now=clock.now)
        assert outbox.succeed(claim=held, response={}, now=clock.now)


class TestWebhooks:
    def test_30_only_what_is_signed_over_the_raw_bytes_and_timely_is_taken(self, stripe, clock):
        body, signature = signed(EVENT, at=clock.now)
        with pytest.raises(BadSignatureError):
            webhooks.receive(body=body.replace(b" ", b""), signature=signature, now=clock.now)
        for off in (timedelta(minutes=6), -timedelta(minutes=6)):
            with pytest.raises(UntimelyError):
                webhooks.receive(body=body, signature=signature, now=clock.now + off)
        assert not WebhookEvent.objects.exists()

    def test_30_while_secrets_are_rotated_each_of_them_is_good(self, stripe, clock, settings):
        settings.STRIPE_WEBHOOK_SECRET = "whsec_new, whsec_old"
        for number, secret in enumerate(["whsec_new", "whsec_old"]):
            body, signature = signed(EVENT | {"id": f"evt_{number}"}, at=clock.now, secret=secret)
            assert webhooks.receive(body=body, signature=signature, now=clock.now) is not None
        body, signature = signed(EVENT, at=clock.now, secret="whsec_older")
        with pytest.raises(BadSignatureError):
            webhooks.receive(body=body, signature=signature, now=clock.now)

    def test_30_any_order_any_number_of_times_and_paid_never_goes_back(self, stripe, collected, clock):
        stripe.pay(stripe.only_invoice().id)
        for event in reversed(stripe.events()):
            for twin in (event, event | {"id": event["id"] + "_twin"}):
                body, signature = signed(twin, at=clock.now)
                webhooks.receive(body=body, signature=signature, now=clock.now)
                webhooks.receive(body=body, signature=signature, now=clock.now)
        assert webhooks.apply_pending(now=clock.now, limit=1000).failed == 0
        collected.refresh_from_db()
        assert collected.status == InvoiceStatus.PAID
        assert StripeInvoice.objects.get().status == "paid"
        assert Payment.objects.count() == 1
        assert cash() == Decimal("41.34")

    def test_31_what_is_paid_is_read_again_and_not_taken_from_the_event(self, stripe, collected, clock):
        (event,) = stripe.events("invoice.finalized")
        event |= {"type": "invoice.paid"}
        event["data"]["object"] |= {"status": "paid", "amount_paid": 4134}
        body, signature = signed(event, at=clock.now)
        webhooks.receive(body=body, signature=signature, now=clock.now)
        webhooks.apply_pending(now=clock.now)
        collected.refresh_from_db()
        assert collected.status == InvoiceStatus.OPEN
        assert cash() == 0

    def test_32_the_mode_is_on_every_external_id_and_never_mixes(self, stripe, collected, clock, settings):
        assert set(StripeCustomer.objects.values_list("livemode", flat=True)) == {False}
        assert set(StripeInvoice.objects.values_list("livemode", flat=True)) == {False}
        settings.STRIPE_API_KEY = "sk_live_x"
        body, signature = signed(EVENT, at=clock.now)
        with pytest.raises(ModeError):
            webhooks.receive(body=body, signature=signature, now=clock.now)
        outbox.enqueue_void(invoice=collected, now=clock.now)
        assert delivery.deliver(now=clock.now) == Delivered(postponed=1)
        assert stripe.only_invoice().status == "open"


class TestBooks:
    @pytest.fixture
    def paid(self, stripe, collected, clock):
        stripe.pay(stripe.only_invoice().id)
        take(stripe, clock)
        collected.refresh_from_db()
        return collected

    def assert_cash_is_what_came_less_what_went(self):
        came = sum(Payment.objects.values_list("amount", flat=True))
        went = sum(Refund.objects.filter(status="succeeded").values_list("amount", flat=True))
        assert cash() == came - went
        assert sum(LedgerEntry.objects.filter(currency="EUR").values_list("amount", flat=True)) == 0

    def test_33_cash_is_payments_less_refunds_also_for_one_made_past_us(self, stripe, paid, clock):
        payment = Payment.objects.get()
        stripe.api.refunds.create({"payment_intent": payment.stripe_id, "amount": 1000})
        take(stripe, clock)
        assert Refund.objects.get().amount == 10
        self.assert_cash_is_what_came_less_what_went()
        assert claims.outstanding(invoice=paid) == Money(Decimal("10.00"), "EUR"), "what it had paid is owed again"

    def test_34_what_is_not_ours_to_the_cent_is_never_finalized(self, stripe, enqueued, clock):
        delivery.deliver(now=clock.now, limit=3)
        stripe.api.invoices.add_lines(stripe.only_invoice().id, {"lines": [{"amount": 1, "description": "Slipped in"}]})
        assert delivery.deliver(now=clock.now) == Delivered(failed=1)
        assert stripe.only_invoice().status == "draft"
