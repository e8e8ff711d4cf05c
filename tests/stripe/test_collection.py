"""Ways to be paid and to take back: cards on file, transfers, balances, notes, refunds, voids, disputes, customers."""

from decimal import Decimal

import pytest

from agents.models import Customer
from billing import claims, credit_notes, ledger, mirroring, voiding
from billing.credit_notes import Allocation, Cause
from billing.models import (
    BillingProfile,
    Dispute,
    Finding,
    OutboxMessage,
    Payment,
    PaymentAttempt,
    Refund,
    StripeCustomer,
    StripeInvoice,
    StripeObject,
)
from billing.models.credit_notes import Reason
from billing.models.invoices import InvoiceStatus
from billing.models.ledger import Account
from billing.models.payments import OutboxState
from billing.money import Money, zero
from billing.stripe import content, delivery, outbox, reconcile, relinking, webhooks
from billing.stripe.delivery import Delivered
from billing.stripe.errors import OutboxStateError
from tests.stripe import rows
from tests.stripe.conftest import signed


def take(stripe, clock):
    """Receive everything that Stripe tells, and act on it."""
    for event in stripe.events():
        body, signature = signed(event, at=clock.now)
        webhooks.receive(body=body, signature=signature, now=clock.now)
    return webhooks.apply_pending(now=clock.now, limit=1000)


def eur(amount):
    return Money(Decimal(amount), "EUR")


def message(operation, **values):
    return OutboxMessage.objects.get(operation=operation, **values)


class TestCardsOnFile:
    @pytest.fixture
    def by_card(self, stripe, acme, invoice, clock):
        """An invoice to be charged to the card on file, of a customer that Stripe has just got to know."""
        BillingProfile.objects.create(customer=acme, collection="card_on_file")
        outbox.enqueue_invoice(invoice=invoice, now=clock.now)
        delivery.deliver(now=clock.now, limit=1)
        return invoice

    def put_on_file(self, stripe, card):
        method = stripe.api.payment_methods.attach(card, {"customer": stripe.customers()[0].id})
        defaults = {"invoice_settings": {"default_payment_method": method.id}}
        stripe.api.customers.update(stripe.customers()[0].id, defaults)

    def test_the_card_is_charged_and_the_money_is_in_the_books_without_waiting_for_an_event(
        self, stripe, by_card, clock
    ):
        self.put_on_file(stripe, "pm_card_visa")
        assert delivery.deliver(now=clock.now) == Delivered(sent=4)
        by_card.refresh_from_db()
        assert by_card.status == InvoiceStatus.PAID
        assert Payment.objects.get().amount == Decimal("41.34")
        assert take(stripe, clock).failed == 0
        assert Payment.objects.count() == 1
        assert StripeCustomer.objects.get().card == "visa 4242"

    def test_a_card_that_is_declined_leaves_the_invoice_open_and_dunning_can_read_why(self, stripe, by_card, clock):
        self.put_on_file(stripe, "pm_card_chargeCustomerFail")
        assert delivery.deliver(now=clock.now) == Delivered(sent=3, declined=1)
        assert message("pay_invoice").state == OutboxState.DECLINED
        attempt = PaymentAttempt.objects.get()
        assert (attempt.outcome, attempt.code) == ("declined", "card_declined")
        take(stripe, clock)
        assert PaymentAttempt.objects.count() == 1, "the event tells of the same attempt"
        by_card.refresh_from_db()
        assert by_card.status == InvoiceStatus.OPEN

    def test_dunning_charges_again_under_another_key_once_there_is_a_good_card(self, stripe, by_card, clock):
        self.put_on_file(stripe, "pm_card_chargeCustomerFail")
        delivery.deliver(now=clock.now)
        self.put_on_file(stripe, "pm_card_visa")
        for _ in range(2):
            outbox.enqueue_payment(invoice=by_card, attempt=2, now=clock.turn(days=3))
        assert delivery.deliver(now=clock.now) == Delivered(sent=1)
        by_card.refresh_from_db()
        assert by_card.status == InvoiceStatus.PAID

    def test_without_a_card_nothing_is_charged_and_nothing_is_stuck(self, stripe, by_card, clock):
        assert delivery.deliver(now=clock.now) == Delivered(sent=3, declined=1)
        assert PaymentAttempt.objects.get().code == "no_payment_method"
        assert stripe.only_invoice().status == "open"

    @pytest.mark.parametrize("kind", ["drop_before", "drop_after", "500_after", "429"])
    def test_whatever_is_lost_the_card_is_charged_once(self, stripe, by_card, clock, deliver_all, kind):
        self.put_on_file(stripe, "pm_card_visa")
        stripe.fault("invoices.pay", kind)
        deliver_all()
        assert Payment.objects.get().amount == Decimal("41.34")
        assert len(stripe.events("payment_intent.succeeded")) == 1


def test_a_customer_who_transfers_is_asked_for_it_in_its_currency(acme, invoice):
    profile = BillingProfile(customer=acme, collection="bank_transfer")
    told = content.draft_content(invoice, profile, installation="x")
    assert told["collection_method"] == "send_invoice"
    assert told["payment_settings"]["payment_method_types"] == ["customer_balance"]
    transfer = told["payment_settings"]["payment_method_options"]["customer_balance"]["bank_transfer"]
    assert transfer == {"type": "eu_bank_transfer", "eu_bank_transfer": {"country": "DE"}}


def test_an_invoice_longer_than_stripe_takes_is_told_in_sums_that_add_up(stripe, acme, clock):
    invoice = rows.issued_invoice(acme, amounts=["0.01"] * 300)
    outbox.enqueue_invoice(invoice=invoice, now=clock.now)
    assert delivery.deliver(now=clock.now) == Delivered(sent=5)
    (line,) = stripe.lines(stripe.only_invoice().id)
    assert (line.amount, line.metadata["lines"]) == (300, "300")
    assert stripe.only_invoice().total == 300
    assert reconcile.compare(now=clock.now).findings == []


class TestBalances:
    def test_too_little_to_charge_is_paid_by_moving_it_to_the_balance(self, stripe, acme, clock):
        invoice = rows.issued_invoice(acme, amounts=["0.10"])
        outbox.enqueue_invoice(invoice=invoice, now=clock.now)
        delivery.deliver(now=clock.now)
        assert take(stripe, clock).failed == 0
        invoice.refresh_from_db()
        assert invoice.status == InvoiceStatus.PAID
        row = StripeInvoice.objects.get()
        assert (row.status, row.moved_to_balance, row.amount_due) == ("paid", Decimal("0.10"), Decimal(0))
        assert not Payment.objects.exists()
        (found,) = reconcile.compare(now=clock.now).findings
        assert (found.kind, found.severity) == ("balance_moved", "low")


class TestReversals:
    @pytest.fixture
    def paid(self, stripe, collected, clock):
        stripe.pay(stripe.only_invoice().id)
        take(stripe, clock)
        collected.refresh_from_db()
        return collected

    def credit(self, invoice, clock, amount, **parts):
        lines = mirroring.of_total(invoice=invoice, amount=eur(amount))
        cause = Cause(key="fault", reason=Reason.PRODUCT_UNSATISFACTORY, explanation="A fault.", actor="finance")
        note = credit_notes.draft(invoice=invoice, lines=lines, cause=cause, now=clock.now)
        nothing = {"refund": zero("EUR"), "credit": zero("EUR"), "outside": zero("EUR")}
        allocation = Allocation(**nothing | parts) if parts else None
        return credit_notes.issue(note=note, actor="second", now=clock.now, allocation=allocation)

    def test_a_note_on_an_open_invoice_lowers_what_stripe_asks_for(self, stripe, collected, clock):
        note = self.credit(collected, clock, "10.00")
        assert delivery.deliver(now=clock.now) == Delivered(sent=1)
        assert stripe.only_invoice().amount_remaining == 3134
        assert StripeObject.objects.get(kind="credit_note").reference == note.number
        assert stripe.pay(stripe.only_invoice().id).amount_paid == 3134
        assert take(stripe, clock).failed == 0
        collected.refresh_from_db()
        assert collected.status == InvoiceStatus.PAID

    @pytest.mark.parametrize("operation", ["refunds.create", "credit_notes.create"])
    @pytest.mark.parametrize("kind", ["drop_before", "drop_after", "500_after", "429"])
    def test_a_refund_goes_back_once_and_the_note_names_it(self, stripe, paid, clock, deliver_all, operation, kind):
        self.credit(paid, clock, "10.00", refund=eur("10.00"))
        stripe.fault(operation, kind)
        deliver_all()
        (refund,) = stripe.api.refunds.list().data
        (shown,) = stripe.api.credit_notes.list().data
        assert (refund.amount, shown.amount) == (1000, 1000)
        assert take(stripe, clock).failed == 0
        assert Refund.objects.get().status == "succeeded"
        assert ledger.balance(account=Account.CASH, currency="EUR") == eur("31.34")
        assert ledger.balance(account=Account.REFUNDS, currency="EUR") == eur("0.00")

    def test_credit_that_stays_here_is_not_given_once_more_by_stripe(self, stripe, paid, clock):
        self.credit(paid, clock, "10.00", credit=eur("10.00"))
        delivery.deliver(now=clock.now)
        (shown,) = stripe.api.credit_notes.list().data
        assert shown.out_of_band_amount == 1000
        assert stripe.customers()[0].balance == 0

    def test_a_void_follows_to_stripe_and_one_that_never_left_does_not_arrive(self, stripe, collected, acme, clock):
        unsent = rows.issued_invoice(acme, "AM-000002")
        outbox.enqueue_invoice(invoice=unsent, now=clock.now)
        for one in (collected, unsent):
            outbox.enqueue_void(invoice=one, now=clock.now)
        delivery.deliver(now=clock.now)
        assert stripe.only_invoice().status == "void"

    def test_a_draft_at_stripe_is_deleted_when_ours_is_void(self, stripe, enqueued, clock):
        delivery.deliver(now=clock.now, limit=2)
        OutboxMessage.objects.filter(operation__in=["add_lines", "finalize_invoice"]).update(state="superseded")
        outbox.enqueue_void(invoice=enqueued, now=clock.now)
        assert delivery.deliver(now=clock.now) == Delivered(sent=1)
        assert stripe.invoices() == []

    def test_a_write_off_follows_to_stripe(self, stripe, collected, clock):
        voiding.write_off(invoice=collected, actor="finance", reason="insolvent", now=clock.now)
        delivery.deliver(now=clock.now)
        assert stripe.only_invoice().status == "uncollectible"

    def test_a_lost_dispute_takes_the_money_back_once_and_it_is_owed_again(self, stripe, collected, clock):
        stripe.api.invoices.pay(stripe.only_invoice().id, {"payment_method": "pm_card_createDispute"})
        assert take(stripe, clock).failed == 0
        reconcile.run(now=clock.now)
        row = Dispute.objects.get()
        assert (row.invoice, row.amount, row.closed_at) == (collected, Decimal("41.34"), None)
        assert row.evidence_due_at > clock.now
        assert Finding.objects.get(kind="dispute").at_risk == Decimal("41.34")
        stripe.api.disputes.close(row.stripe_id)
        for _ in range(2):
            assert take(stripe, clock).failed == 0
        reconcile.run(now=clock.turn(hours=1))
        row.refresh_from_db()
        assert row.status == "lost"
        assert row.closed_at is not None
        assert ledger.balance(account=Account.CASH, currency="EUR") == eur("0.00")
        assert claims.outstanding(invoice=collected) == eur("41.34")


class TestCustomers:
    def test_a_change_is_told_once_in_order_and_what_stripe_knows_is_not_told_again(self, stripe, collected, clock):
        acme = collected.customer
        outbox.enqueue_customer(customer=acme, now=clock.now)
        assert not OutboxMessage.objects.filter(operation="update_customer").exists()
        for email in ("new@acme.example", "newer@acme.example", "new@acme.example"):
            Customer.objects.filter(pk=acme.pk).update(email=email)
            acme.refresh_from_db()
            outbox.enqueue_customer(customer=acme, now=clock.now)
        assert delivery.deliver(now=clock.now) == Delivered(sent=3)
        assert stripe.customers()[0].email == "new@acme.example"

    def test_a_deleted_customer_is_told_by_an_event_parks_and_goes_on_under_another_name(
        self, stripe, collected, clock
    ):
        acme = collected.customer
        stripe.api.customers.delete(stripe.customers()[0].id)
        assert take(stripe, clock).failed == 0
        finding = Finding.objects.get()
        assert (finding.kind, finding.subject, finding.at_risk) == ("customer_gone", "acme", Decimal("41.34"))
        outbox.enqueue_invoice(invoice=rows.issued_invoice(acme, "AM-000002"), now=clock.now)
        assert delivery.deliver(now=clock.now) == Delivered()
        other = stripe.api.customers.create({"email": acme.email})
        relinking.relink(customer=acme, stripe_id=other.id, now=clock.now)
        finding.refresh_from_db()
        assert finding.resolved_at == clock.now
        assert delivery.deliver(now=clock.now) == Delivered(sent=4)
        with pytest.raises(OutboxStateError, match="is not gone"):
            relinking.relink(customer=acme, stripe_id=other.id, now=clock.now)


class TestAskingAgain:
    def test_what_failed_is_asked_again_under_a_new_key_by_a_person_with_a_reason(self, stripe, enqueued, clock):
        other = stripe.api.customers.create({"email": "x@example.com"})
        squatter = stripe.api.invoices.create({"customer": other.id, "number": "AM-000001"})
        delivery.deliver(now=clock.now)
        failed = message("create_invoice")
        stripe.api.invoices.delete(squatter.id)
        made = outbox.retry(key=failed.key, reason="the squatter is gone", actor="ops", now=clock.turn(minutes=1))
        assert (made.generation, made.request) == (2, failed.request)
        assert delivery.deliver(now=clock.now) == Delivered(sent=4)
        failed.refresh_from_db()
        assert failed.state == OutboxState.SUPERSEDED
        assert "the squatter is gone" in failed.error
        with pytest.raises(OutboxStateError, match="superseded"):
            outbox.retry(key=failed.key, reason="again", actor="ops", now=clock.now)


class TestFindings:
    def test_a_difference_is_one_row_from_when_it_is_first_seen_until_it_is_gone(self, stripe, collected, clock):
        stripe.pay(stripe.only_invoice().id)
        first = clock.now
        reconcile.run(now=first)
        reconcile.run(now=clock.turn(days=1))
        kinds = {row.kind: row for row in Finding.objects.all()}
        assert set(kinds) == {"status_mismatch", "payments_mismatch"}
        row = kinds["payments_mismatch"]
        assert (row.first_seen_at, row.last_seen_at, row.resolved_at) == (first, clock.now, None)
        assert (row.severity, row.at_risk, row.invoice) == ("high", Decimal("41.34"), collected)
        take(stripe, clock)
        reconcile.run(now=clock.turn(days=1))
        assert set(Finding.objects.values_list("resolved_at", flat=True)) == {clock.now}

    def test_events_that_never_arrived_are_taken_in(self, stripe, collected, clock, monkeypatch):
        stripe.pay(stripe.only_invoice().id)
        reconcile.run(now=clock.now)
        webhooks.apply_pending(now=clock.turn(minutes=1), limit=1000)
        collected.refresh_from_db()
        assert collected.status in {InvoiceStatus.PAID, InvoiceStatus.OPEN}
