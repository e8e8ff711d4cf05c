"""Whatever is issued, paid, credited, refunded, voided, written off and earned: the books say what the rows do."""

from collections import defaultdict
from contextlib import suppress
from datetime import timedelta
from decimal import Decimal

from django.db import connection
from django.db.models import Sum
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from billing import claims, closing, credit_notes, credits, invoicing, ledger, mirroring, recognition, refunds, voiding
from billing.credit_notes import Allocation, Cause
from billing.credits import Award
from billing.errors import CreditNoteError, InvoiceStateError
from billing.models import (
    BillingPeriod,
    CreditGrant,
    CreditNote,
    CreditNoteLine,
    Deferral,
    DeferralMove,
    Invoice,
    InvoiceLine,
    LedgerEntry,
    Payment,
    Refund,
    TaxAssignment,
    TaxRate,
)
from billing.models.credit_notes import CreditNoteStatus, Reason, RefundStatus
from billing.models.credits import Funding, GrantKind
from billing.models.invoices import InvoiceStatus
from billing.models.ledger import Account
from billing.money import Money, from_minor_units, zero
from tests import factories
from tests.billing.agreement import fee, plan, start
from tests.billing.conftest import MAY

DAY = timedelta(days=1)
ISSUED = (InvoiceStatus.OPEN, InvoiceStatus.PAID, InvoiceStatus.UNCOLLECTIBLE)
_picked = st.integers(0, 7)
_cents = st.integers(1, 4000)


def euro(cents):
    return from_minor_units(cents, "EUR")


class Business(RuleBasedStateMachine):
    """One customer on a plan with a fee ahead, a fee in arrears, tax and some credit; time goes on with every step."""

    @initialize()
    def begin(self):
        self.now, self.number = MAY, 0
        self.customer = factories.customer()
        facts = {"starts_at": MAY - 99 * DAY, "created_at": MAY, "jurisdiction": "DE"}
        TaxRate.objects.create(name="VAT", percent=19, **facts)
        TaxAssignment.objects.create(customer=self.customer, **facts)
        start(self.customer, plan(fee("31.01", billed="advance"), fee("9.99", "desk")))
        closing.open_in_advance(period_id=BillingPeriod.objects.get().pk, now=MAY)

    def key(self):
        self.number += 1
        return f"k{self.number}"

    def pick(self, rows, index):
        found = list(rows.order_by("pk"))
        return found[index % len(found)] if found else None

    @rule(days=st.integers(1, 20))
    def time_passes_and_what_is_due_is_invoiced(self, days):
        self.now += days * DAY
        assert not closing.close_due(now=self.now).parked

    @rule()
    def a_day_is_earned(self):
        recognition.recognise(now=self.now)

    @rule(cents=_cents)
    def credit_is_bought(self, cents):
        award = Award(GrantKind.PREPAID, "Pack", euro(cents), self.now, funding=Funding.CASH)
        credits.grant(customer=self.customer, award=award, key=self.key(), now=self.now)

    @rule(index=_picked, cents=st.one_of(st.none(), _cents))
    def money_comes(self, index, cents):
        invoice = self.pick(Invoice.objects.filter(status__in=ISSUED), index)
        if invoice is None:
            return
        owed = claims.outstanding(invoice=invoice)
        amount = owed if cents is None else euro(cents)
        if amount > zero("EUR"):
            told = {"payment_id": self.key(), "paid_at": self.now, "now": self.now}
            invoicing.mark_paid(invoice_id=invoice.pk, amount=amount, **told)

    @rule(index=_picked, cents=st.one_of(st.none(), _cents), split=st.integers(0, 3))
    def it_is_credited(self, index, cents, split):
        invoice = self.pick(Invoice.objects.filter(status__in=ISSUED, total__gt=0), index)
        if invoice is None:
            return
        cause = Cause(self.key(), Reason.ORDER_CHANGE, "Agreed.", "anna")
        try:
            lines = mirroring.whole(invoice=invoice)
            if cents:
                lines = mirroring.of_total(invoice=invoice, amount=euro(cents))
            note = credit_notes.draft(invoice=invoice, lines=lines, cause=cause, now=self.now)
        except CreditNoteError:
            return  # less is left
        if split == 3:
            return  # it stays a draft
        parts = self.split(invoice, credit_notes.excess(note=note), split)
        credit_notes.issue(note=note, actor="ben", now=self.now, allocation=parts)

    def split(self, invoice, beyond, split):
        paid = sum((claims.refundable(payment=one) for one in invoice.payments.all()), zero("EUR"))
        refund = min(paid, beyond) if split else zero("EUR")
        rest = beyond - refund
        outside = rest if split == 2 else zero("EUR")
        return Allocation(refund=refund, credit=rest - outside, outside=outside)

    @rule(index=_picked)
    def a_note_is_voided(self, index):
        note = self.pick(CreditNote.objects.all(), index)
        if note is not None:
            try:
                credit_notes.void(note=note, actor="anna", reason="mistake", now=self.now)
            except CreditNoteError:
                assert note.invoice.status == InvoiceStatus.PAID

    @rule(index=_picked, comes_back=st.booleans())
    def a_refund_is_made(self, index, comes_back):
        refund = self.pick(Refund.objects.exclude(status=RefundStatus.FAILED), index)
        if refund is None:
            return
        if refund.status == RefundStatus.PENDING:
            sent = f"re_{refund.pk}"
            refunds.settle(reference=refund.reference, stripe_id=sent, refunded_at=self.now, now=self.now)
        elif comes_back:
            refunds.fail(reference=refund.reference, reason="closed account", now=self.now)
            if refund.note:
                refunds.request(note=refund.note, now=self.now)

    @rule(index=_picked, cents=_cents)
    def money_leaves_past_us(self, index, cents):
        payment = self.pick(Payment.objects.all(), index)
        if payment is not None:
            amount = min(euro(cents), claims.refundable(payment=payment))
            if amount:
                told = {"stripe_id": self.key(), "refunded_at": self.now, "now": self.now}
                refunds.record(payment=payment, amount=amount, **told)

    @rule(index=_picked)
    def it_is_voided(self, index):
        invoice = self.pick(Invoice.objects.exclude(status=InvoiceStatus.DRAFT), index)
        if invoice is not None:
            with suppress(InvoiceStateError):  # paid, credited, or needed by a later one
                voiding.void(invoice=invoice, actor="anna", reason="mistake", now=self.now)

    @rule(index=_picked)
    def it_is_written_off(self, index):
        invoice = self.pick(Invoice.objects.filter(status=InvoiceStatus.OPEN), index)
        if invoice is not None:
            voiding.write_off(invoice=invoice, actor="anna", reason="insolvent", now=self.now)

    # What always holds.

    @invariant()
    def the_books_sum_to_zero(self):
        assert not any(ledger.difference(balances=ledger.trial_balance(with_units=True)).values())
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE; SET CONSTRAINTS ALL DEFERRED")

    @invariant()
    def what_is_owed_stands_where_it_should(self):
        owed: defaultdict[Account, Decimal] = defaultdict(Decimal)
        for invoice in Invoice.objects.filter(status__in=ISSUED):
            owed[claims.account_of(invoice=invoice)] += claims.outstanding(invoice=invoice).amount
        assert balance(Account.RECEIVABLE) == owed[Account.RECEIVABLE]
        assert balance(Account.WRITE_OFF) == owed[Account.WRITE_OFF]
        assert not Invoice.objects.filter(status=InvoiceStatus.OPEN, number=None).exists()

    @invariant()
    def invariant_33_payments_less_refunds_are_cash(self):
        made = total(Refund.objects.filter(status=RefundStatus.SUCCEEDED), "amount")
        bought = total(CreditGrant.objects.filter(funding=Funding.CASH), "amount")
        assert balance(Account.CASH) == total(Payment.objects.all(), "amount") - made + bought

    @invariant()
    def notes_stay_within_their_invoices_and_refunds_within_their_payments(self):
        notes = CreditNote.objects.exclude(status=CreditNoteStatus.VOID)
        for invoice in notes.values("invoice__total", "invoice").annotate(sum=Sum("total")):
            assert invoice["sum"] <= invoice["invoice__total"]
        lines = CreditNoteLine.objects.exclude(note__status=CreditNoteStatus.VOID)
        for line in lines.values("line__amount", "line").annotate(sum=Sum("amount")):
            assert abs(line["sum"]) <= abs(line["line__amount"])
        live = Refund.objects.exclude(status=RefundStatus.FAILED)
        for payment in live.values("payment__amount", "payment").annotate(sum=Sum("amount")):
            assert payment["sum"] <= payment["payment__amount"]

    @invariant()
    def what_is_to_be_refunded_is_owed(self):
        promised = total(CreditNote.objects.filter(status=CreditNoteStatus.ISSUED), "refund")
        made = total(Refund.objects.filter(status=RefundStatus.SUCCEEDED, note__isnull=False), "amount")
        assert -balance(Account.REFUNDS) == promised - made

    @invariant()
    def revenue_earned_and_deferred_is_what_was_invoiced(self):
        invoiced = Invoice.objects.filter(status__in=ISSUED)
        noted = CreditNote.objects.filter(status=CreditNoteStatus.ISSUED)
        net = total(invoiced, "subtotal") - total(noted, "subtotal")
        assert -balance(Account.REVENUE) - balance(Account.DEFERRED) == net
        assert -balance(Account.TAX) == total(invoiced, "tax") - total(noted, "tax")
        left = total(Deferral.objects.all(), "amount") - total(DeferralMove.objects.all(), "amount")
        assert -balance(Account.DEFERRED) == left

    @invariant()
    def invariant_20_each_moment_of_a_period_is_billed_once(self):
        live = InvoiceLine.objects.exclude(invoice__status=InvoiceStatus.VOID)
        keys = list(live.values_list("invoice__period", "invoice__moment", "position"))
        assert len(keys) == len(set(keys))

    def teardown(self):
        """After all that, the books of every day add up to the same, and the roll-forward explains what is left."""
        if not hasattr(self, "now"):
            return
        recognition.recognise(now=self.now + 400 * DAY)
        assert not balance(Account.DEFERRED)
        for row in recognition.roll_forward(since=MAY - DAY, until=self.now + 401 * DAY):
            gone = row.recognised.amount + row.returned.amount + row.credited.amount + row.voided.amount
            assert row.billed.amount + row.restored.amount - gone == row.closing.amount == 0


def balance(account):
    return LedgerEntry.objects.filter(account=account, currency="EUR").aggregate(sum=Sum("amount"))["sum"] or Decimal(0)


def total(rows, column):
    return Money(rows.aggregate(sum=Sum(column))["sum"] or Decimal(0), "EUR").amount


class AnyOrder(TestCase):
    """Each run is a business of its own, rolled back afterwards."""

    def test_the_books_hold_whatever_happens(self):
        test = self

        class Isolated(Business):
            def __init__(self):
                test.setup_example()
                super().__init__()

            def teardown(self):
                try:
                    super().teardown()
                finally:
                    test.teardown_example(None)

        run_state_machine_as_test(
            Isolated,
            settings=settings(
                max_examples=12,
                stateful_step_count=20,
                deadline=None,
                phases=[Phase.reuse, Phase.generate],  # a run takes a second: shrinking one would take many minutes
                suppress_health_check=list(HealthCheck),
            ),
        )
