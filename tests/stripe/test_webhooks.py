"""The inbox: only Stripe is believed, each event once, and what is true is read again at Stripe."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing import invoicing, ledger
from billing.models import Invoice, LedgerTransaction, Payment, StripeInvoice, WebhookEvent
from billing.models.invoices import InvoiceStatus
from billing.models.ledger import Account
from billing.models.payments import WebhookState
from billing.money import Money
from billing.stripe import counterparts, mirror, outbox, webhooks
from billing.stripe.errors import (
    BadSignatureError,
    MalformedEventError,
    ModeError,
    StripeNotConfiguredError,
    UntimelyError,
)
from billing.stripe.webhooks import Applied
from tests.stripe import rows
from tests.stripe.conftest import EVENT, signed

NOW = rows.ISSUED


def receive(event, at=NOW, now=NOW):
    body, signature = signed(event, at=at)
    return webhooks.receive(body=body, signature=signature, now=now)


def apply(stripe, clock, events):
    """Receive the events in that order, then act on them."""
    for event in events:
        receive(event, at=clock.now, now=clock.now)
    return webhooks.apply_pending(now=clock.now)


def assert_paid_once(invoice):
    """Paid, by one payment that is booked once."""
    invoice.refresh_from_db()
    assert invoice.status == InvoiceStatus.PAID
    assert invoice.paid_at is not None
    payment = Payment.objects.get()
    assert (payment.invoice, payment.amount, payment.currency) == (invoice, Decimal("41.34"), "EUR")
    assert payment.stripe_id.startswith("pi_")
    assert LedgerTransaction.objects.filter(key__startswith="payment:").count() == 1
    cash = ledger.balance(account=Account.CASH, currency="EUR", customer=invoice.customer)
    assert cash == Money(Decimal("41.34"), "EUR")
    assert StripeInvoice.objects.get().status == "paid"


@pytest.mark.django_db
@pytest.mark.usefixtures("secret")
class TestReceiving:
    def test_a_signed_event_is_kept_as_it_came(self):
        event = receive(EVENT)
        assert event == WebhookEvent.objects.get()
        assert (event.stripe_id, event.type, event.livemode) == ("evt_1", "invoice.paid", False)
        assert event.api_version == "2026-10-28.endive"
        assert event.payload == EVENT
        assert event.state == WebhookState.RECEIVED

    def test_the_same_event_again_is_nothing_new(self):
        assert receive(EVENT) is not None
        assert receive(EVENT, at=NOW + timedelta(seconds=9)) is None
        assert WebhookEvent.objects.count() == 1

    @pytest.mark.parametrize("seconds", [-300, -299, 0, 299, 300])
    def test_a_clock_may_be_five_minutes_off(self, seconds):
        assert receive(EVENT, at=NOW + timedelta(seconds=seconds)) is not None

    @pytest.mark.parametrize("seconds", [-301, -86_400, 301, 3600])
    def test_older_or_from_the_future_is_refused(self, seconds):
        with pytest.raises(UntimelyError):
            receive(EVENT, at=NOW + timedelta(seconds=seconds))
        assert not WebhookEvent.objects.exists()

    def test_another_secret_is_refused(self):
        body, signature = signed(EVENT, at=NOW, secret="whsec_of_somebody_else")
        with pytest.raises(BadSignatureError):
            webhooks.receive(body=body, signature=signature, now=NOW)

    def test_while_a_secret_is_rotated_one_fitting_signature_is_enough(self):
        body, ours = signed(EVENT, at=NOW)
        _, other = signed(EVENT, at=NOW, secret="whsec_of_yesterday")
        both = other + "," + ours.split(",")[1]
        assert webhooks.receive(body=body, signature=both, now=NOW) is not None

    def test_a_changed_body_is_refused_even_where_it_means_the_same(self):
        body, signature = signed(EVENT, at=NOW)
        with pytest.raises(BadSignatureError):
            webhooks.receive(body=body.replace(b": ", b":"), signature=signature, now=NOW)

    @pytest.mark.parametrize(
        "signature", ["", "nonsense", "t=,v1=", "t=1793502000", "v1=00", "t=1793502000,v0=00", "t=1793502000,v1=\u00e9"]
    )
    def test_a_malformed_signature_is_refused(self, signature):
        with pytest.raises(BadSignatureError):
            webhooks.receive(body=b"{}", signature=signature, now=NOW)

    def test_a_body_that_is_no_text_is_refused(self):
        with pytest.raises(BadSignatureError):
            webhooks.receive(body=b"\xff\xfe", signature="t=1,v1=00", now=NOW)

    @pytest.mark.parametrize("seconds", ["9" * 12, "9" * 30, "-" + "9" * 12])
    def test_a_signed_time_that_no_clock_shows_is_refused(self, seconds, monkeypatch):
        monkeypatch.setattr("stripe.WebhookSignature.verify_header", lambda *_: True)
        with pytest.raises(UntimelyError):
            webhooks.receive(body=b"{}", signature=f"t={seconds},v1=00", now=NOW)

    @pytest.mark.parametrize("body", [b"no json", b"[]", b"{}", b'{"id":"evt_1","type":"x","livemode":0,"data":{}}'])
    def test_a_signed_body_that_is_no_event_is_refused(self, body):
        with pytest.raises(MalformedEventError):
            receive(body)

    def test_a_live_event_is_refused_by_a_test_key(self):
        with pytest.raises(ModeError):
            receive(EVENT | {"livemode": True})

    def test_a_test_event_is_refused_by_a_live_key(self, settings):
        settings.STRIPE_API_KEY = "rk_live_x"
        with pytest.raises(ModeError):
            receive(EVENT)

    def test_without_a_secret_nothing_is_believed(self, settings):
        settings.STRIPE_WEBHOOK_SECRET = ""
        with pytest.raises(StripeNotConfiguredError, match="STRIPE_WEBHOOK_SECRET"):
            receive(EVENT)


class TestApplying:
    @pytest.fixture
    def paid(self, stripe, collected, clock):
        """An open invoice of ours that its customer has just paid at Stripe."""
        stripe.pay(stripe.only_invoice().id)
        return collected

    def test_a_payment_at_stripe_pays_our_invoice_and_the_books_know(self, stripe, paid, clock):
        assert apply(stripe, clock, stripe.events("invoice.paid")) == Applied(applied=1)
        assert_paid_once(paid)
        event = WebhookEvent.objects.get()
        assert (event.state, event.attempts, event.applied_at) == (WebhookState.APPLIED, 1, clock.now)

    def test_every_event_that_stripe_sends_in_its_order(self, stripe, paid, clock):
        assert apply(stripe, clock, stripe.events()).failed == 0
        assert_paid_once(paid)

    def test_every_event_in_the_opposite_order(self, stripe, paid, clock):
        assert apply(stripe, clock, reversed(stripe.events())).failed == 0
        assert_paid_once(paid)

    def test_paid_told_before_finalized_stays_paid(self, stripe, paid, clock):
        assert apply(stripe, clock, stripe.events("invoice.paid")) == Applied(applied=1)
        assert apply(stripe, clock, stripe.events("invoice.finalized")) == Applied(applied=1)
        assert_paid_once(paid)

    def test_a_payload_that_claims_more_than_is_true_changes_nothing(self, stripe, collected, clock):
        (event,) = stripe.events("invoice.finalized")
        event |= {"id": "evt_forged", "type": "invoice.paid"}
        event["data"]["object"] |= {"status": "paid", "amount_paid": 4134}
        assert apply(stripe, clock, [event]) == Applied(applied=1)
        collected.refresh_from_db()
        assert collected.status == InvoiceStatus.OPEN
        assert not Payment.objects.exists()

    def test_an_event_is_applied_once(self, stripe, paid, clock):
        apply(stripe, clock, stripe.events("invoice.paid"))
        assert webhooks.apply_pending(now=clock.turn(days=1)) == Applied()

    def test_two_events_for_one_payment_book_it_once(self, stripe, paid, clock):
        (event,) = stripe.events("invoice.paid")
        assert apply(stripe, clock, [event, event | {"id": "evt_twin"}]) == Applied(applied=2)
        assert_paid_once(paid)

    def test_an_unknown_type_is_kept_and_ignored(self, stripe, collected, clock):
        assert apply(stripe, clock, [EVENT | {"type": "invoice.invented"}]) == Applied(ignored=1)
        assert WebhookEvent.objects.get().state == WebhookState.IGNORED

    def test_an_invoice_that_names_none_of_ours_is_ignored(self, stripe, collected, clock):
        foreign = stripe.api.invoices.create({"customer": stripe.customers()[0].id})
        event = EVENT | {"data": {"object": {"id": foreign.id}}}
        assert apply(stripe, clock, [event]) == Applied(ignored=1)
        assert "names no invoice of ours" in WebhookEvent.objects.get().error

    def test_an_event_that_overtakes_our_own_record_is_tried_again(self, stripe, paid, clock):
        row = StripeInvoice.objects.get()
        row.delete()
        assert apply(stripe, clock, stripe.events("invoice.paid")) == Applied(failed=1)
        event = WebhookEvent.objects.get()
        assert event.state == WebhookState.FAILED
        assert "CounterpartMissingError" in event.error
        row.save(force_insert=True)
        assert webhooks.apply_pending(now=clock.now) == Applied(), "not before its time"
        assert webhooks.apply_pending(now=clock.turn(seconds=5)) == Applied(applied=1)
        assert_paid_once(paid)
        event.refresh_from_db()
        assert (event.state, event.attempts, event.error) == (WebhookState.APPLIED, 2, "")

    def test_while_stripe_does_not_answer_the_event_waits(self, stripe, paid, clock):
        stripe.fault("invoices.retrieve", "drop_before")
        assert apply(stripe, clock, stripe.events("invoice.paid")) == Applied(failed=1)
        assert webhooks.apply_pending(now=clock.turn(seconds=5)) == Applied(applied=1)
        assert_paid_once(paid)

    def test_a_worker_that_dies_leaves_the_event_to_the_next(self, stripe, paid, clock, monkeypatch):
        mark_paid = invoicing.mark_paid

        def cut(**found):
            mark_paid(**found)
            raise KeyboardInterrupt

        monkeypatch.setattr(invoicing, "mark_paid", cut)
        with pytest.raises(KeyboardInterrupt):
            apply(stripe, clock, stripe.events("invoice.paid"))
        monkeypatch.setattr(invoicing, "mark_paid", mark_paid)
        assert not Payment.objects.exists(), "half of an operation is none"
        assert webhooks.apply_pending(now=clock.now + outbox.LEASE) == Applied(applied=1)
        assert_paid_once(paid)

    def test_an_event_that_can_never_be_applied_is_given_up_with_its_reason(self, stripe, collected, clock):
        apply(stripe, clock, [EVENT])
        for _ in range(webhooks.MAX_ATTEMPTS + 5):
            webhooks.apply_pending(now=clock.turn(hours=1))
        event = WebhookEvent.objects.get()
        assert (event.state, event.attempts) == (WebhookState.FAILED, webhooks.MAX_ATTEMPTS)
        assert "No such invoice" in event.error

    def test_an_invoice_that_is_not_ours_to_the_cent_is_never_marked_paid(self, stripe, paid, clock):
        metadata = {"agentmeter_digest": "changed"}
        stripe.api.invoices.update(stripe.only_invoice().id, {"metadata": metadata})
        assert apply(stripe, clock, stripe.events("invoice.paid")) == Applied(failed=1)
        assert "DifferenceError" in WebhookEvent.objects.get().error
        assert not Payment.objects.exists()

    def test_paid_at_stripe_without_the_money_is_a_finding(self, stripe, collected, clock):
        stripe.api.invoices.pay(stripe.only_invoice().id, {"paid_out_of_band": True})
        assert apply(stripe, clock, stripe.events("invoice.paid")) == Applied(failed=1)
        assert "do not make up the total" in WebhookEvent.objects.get().error
        collected.refresh_from_db()
        assert collected.status == InvoiceStatus.OPEN
        assert StripeInvoice.objects.get().status == "paid"

    def test_voided_at_stripe_is_noted_and_our_claim_stands_until_we_void_it(self, stripe, collected, clock):
        stripe.api.invoices.void_invoice(stripe.only_invoice().id)
        assert apply(stripe, clock, stripe.events("invoice.voided")) == Applied(applied=1)
        assert StripeInvoice.objects.get().status == "void"
        collected.refresh_from_db()
        assert collected.status == InvoiceStatus.OPEN

    def test_one_event_that_fails_stops_no_other(self, stripe, paid, clock):
        broken = EVENT | {"id": "evt_broken"}
        assert apply(stripe, clock, [broken, *stripe.events("invoice.paid")]) == Applied(applied=1, failed=1)
        assert_paid_once(paid)


def test_an_older_reading_never_takes_a_mirror_back(stripe, collected, clock):
    before = counterparts.invoice_of(stripe.only_invoice())
    stripe.pay(before.stripe_id)
    after = counterparts.invoice_of(stripe.only_invoice())
    assert mirror.move_invoice(remote=after, now=clock.now)
    assert not mirror.move_invoice(remote=before, now=clock.turn(minutes=1))
    assert StripeInvoice.objects.get().status == "paid"
    assert Invoice.objects.get().status == InvoiceStatus.OPEN
