"""Credit notes: mirrored line for line with their tax, never above the invoice; above a limit two people issue one."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing import claims, credit_notes, credits, mirroring, refunds
from billing.errors import (
    AllocationError,
    BeyondInvoiceError,
    CreditNoteConflictError,
    CreditNoteError,
    InvoiceStateError,
    RefundError,
    SecondPersonError,
)
from billing.models import (
    CreditNote,
    CreditNoteLine,
    Invoice,
    LedgerTransaction,
    Payment,
    Refund,
    TaxAssignment,
    TaxRate,
)
from billing.models.invoices import InvoiceStatus
from tests.billing.agreement import close, fee, metered, plan, start
from tests.billing.conftest import JUNE, MAY
from tests.billing.crediting import LATER, books, cause, credit, euro, pay, write


@pytest.fixture
def taxed(acme):
    since = MAY - timedelta(days=99)
    facts = {"jurisdiction": "DE", "name": "VAT", "starts_at": since, "created_at": MAY}
    TaxRate.objects.create(percent=19, **facts)
    TaxRate.objects.create(percent=7, category="books", **facts)
    TaxAssignment.objects.create(customer=acme, jurisdiction="DE", starts_at=since, created_at=MAY)
    return acme


@pytest.fixture
def invoice(taxed) -> Invoice:
    """Base 99.99 and Extra 10.01 at 19 %, Library 33.33 at 7 %: 143.33 + 20.90 + 2.33 = 166.56."""
    cards = [fee("99.99"), fee("10.01", "extra"), fee("33.33", "library", tax_category="books")]
    return close(start(taxed, plan(*cards)), JUNE)[0]


def amounts(note):
    return [(line.description, f"{line.amount:.2f}") for line in note.lines.order_by("position")]


def line(invoice, name):
    return invoice.lines.get(description=name)


class TestAWholeNote:
    def test_it_mirrors_every_line_and_nothing_is_left(self, invoice):
        note = credit(invoice)
        assert amounts(note) == [
            ("Base", "99.99"),
            ("Extra", "10.01"),
            ("Library", "33.33"),
            ("VAT 19 %", "20.90"),
            ("VAT 7 %", "2.33"),
        ]
        assert (f"{note.subtotal:.2f}", f"{note.tax:.2f}", f"{note.total:.2f}") == ("143.33", "23.23", "166.56")
        assert books() == {}
        with pytest.raises(BeyondInvoiceError, match="Nothing is left"):
            mirroring.whole(invoice=invoice)

    def test_it_pays_an_open_invoice(self, invoice):
        note = credit(invoice)
        invoice.refresh_from_db()
        assert (invoice.status, invoice.paid_at) == (InvoiceStatus.PAID, LATER)
        nothing = Decimal(0)
        assert (note.applied, note.refund, note.credit, note.outside) == (Decimal("166.56"), nothing, nothing, nothing)

    def test_it_has_a_number_of_its_own_series_the_parties_and_a_digest(self, invoice):
        note = credit(invoice)
        assert note.number == "CN-000001"
        assert (note.seller, note.buyer) == (invoice.seller, invoice.buyer)
        assert len(note.digest) == 64
        assert credit_notes.canonical(CreditNote.objects.get()) == credit_notes.canonical(note)


class TestPartOfALine:
    def test_its_tax_is_at_the_rate_of_the_line(self, invoice):
        lines = mirroring.of_lines(invoice=invoice, amounts={line(invoice, "Library").pk: euro("10.00")})
        assert [(one.line.description, str(one.amount)) for one in lines] == [
            ("Library", "10.00 EUR"),
            ("VAT 7 %", "0.70 EUR"),
        ]

    def test_notes_that_together_credit_a_line_credit_every_cent_of_its_tax(self, invoice):
        for number in range(3):
            part = mirroring.of_lines(invoice=invoice, amounts={line(invoice, "Library").pk: euro("11.11")})
            credit_notes.draft(invoice=invoice, lines=part, cause=cause(str(number)), now=LATER)
        taxes = CreditNoteLine.objects.filter(description="VAT 7 %").order_by("pk").values_list("amount", flat=True)
        assert [f"{tax:.2f}" for tax in taxes] == ["0.78", "0.77", "0.78"]

    @pytest.mark.parametrize("text", ["100.00", "-1.00"])
    def test_no_more_than_the_line_and_nothing_of_another_sign(self, invoice, text):
        with pytest.raises(BeyondInvoiceError, match=r"99\.99 EUR is left of line 1"):
            mirroring.of_lines(invoice=invoice, amounts={line(invoice, "Base").pk: euro(text)})

    def test_tax_alone_cannot_be_named(self, invoice):
        with pytest.raises(BeyondInvoiceError, match="no line before tax"):
            mirroring.of_lines(invoice=invoice, amounts={line(invoice, "VAT 7 %").pk: euro("1.00")})


def test_invariant_5_a_credit_of_x_appears_as_exactly_x(invoice):
    for number, text in enumerate(["0.01", "33.33", "100.00"]):
        assert f"{write(invoice, text, str(number)).total:.2f}" == text
    assert f"{write(invoice, None, 'rest').total:.2f}" == "33.22"


class TestNeverAboveTheInvoice:
    def test_all_notes_count_drafts_too(self, invoice):
        write(invoice, "100.00")
        with pytest.raises(BeyondInvoiceError, match=r"66\.56 EUR is left"):
            write(invoice, "66.57", "two")

    def test_a_draft_that_was_dropped_counts_no_more(self, invoice):
        note = write(invoice)
        credit_notes.void(note=note, actor="ben", reason="not agreed", now=LATER)
        assert write(invoice, None, "two").total == invoice.total

    def test_the_database_refuses_a_line_that_goes_beyond_its_own(self, invoice):
        lines = mirroring.of_lines(invoice=invoice, amounts={line(invoice, "Base").pk: euro("1.00")})
        raw = credit_notes.draft(invoice=invoice, lines=lines, cause=cause(), now=LATER)
        with pytest.raises(IntegrityError, match="beyond what it has"), transaction.atomic():
            CreditNoteLine.objects.create(note=raw, position=9, line=line(invoice, "Extra"), amount="10.02")
        with pytest.raises(IntegrityError, match="beyond what it has"), transaction.atomic():
            CreditNoteLine.objects.create(note=raw, position=9, line=line(invoice, "Extra"), amount=-1)
        credit_notes.void(note=raw, actor="ben", reason="test", now=LATER)
        with pytest.raises(IntegrityError, match="beyond what it has"), transaction.atomic():
            CreditNoteLine.objects.create(note=raw, position=9, line=line(invoice, "Extra"), amount=1)

    def test_the_lines_of_another_invoice_are_refused(self, invoice, make_customer):
        other = close(start(make_customer("rival"), plan(fee("5.00"), name="other")), JUNE)[0]
        foreign = mirroring.whole(invoice=other)
        with pytest.raises(BeyondInvoiceError):
            credit_notes.draft(invoice=invoice, lines=foreign, cause=cause(), now=LATER)
        assert not CreditNote.objects.exists()

    def test_a_draft_invoice_and_a_void_one_cannot_be_credited(self, invoice):
        lines = mirroring.whole(invoice=invoice)
        Invoice.objects.update(status=InvoiceStatus.VOID, voided_at=LATER)
        with pytest.raises(InvoiceStateError, match="void"):
            credit_notes.draft(invoice=invoice, lines=lines, cause=cause(), now=LATER)


class TestOnce:
    def test_the_same_cause_again_is_the_same_note(self, invoice):
        lines = mirroring.of_total(invoice=invoice, amount=euro("5.00"))
        first, again = [credit_notes.draft(invoice=invoice, lines=lines, cause=cause(), now=LATER) for _ in range(2)]
        assert first.pk == again.pk
        with pytest.raises(CreditNoteConflictError):
            write(invoice, "6.00")

    def test_an_issued_note_is_not_issued_again(self, invoice):
        note = credit(invoice, "5.00")
        booked = LedgerTransaction.objects.count()
        assert credit_notes.issue(note=note, actor="carl", now=LATER).issued_by == "ben"
        assert LedgerTransaction.objects.count() == booked


class TestASecondPerson:
    """One person credits up to 500 alone, by all notes of an invoice together."""

    @pytest.fixture
    def large(self, acme):
        return close(start(acme, plan(fee("900.00"))), JUNE)[0]

    def test_up_to_the_limit_one_is_enough(self, large):
        note = write(large, "500.00")
        assert credit_notes.issue(note=note, actor="anna", now=LATER).number

    def test_above_it_somebody_else_issues(self, large):
        write(large, "300.00", "before")
        note = write(large, "200.01")
        with pytest.raises(SecondPersonError, match="second person"):
            credit_notes.issue(note=note, actor="anna", now=LATER)
        assert credit_notes.issue(note=note, actor="ben", now=LATER).issued_by == "ben"

    def test_the_database_knows(self, large):
        note = write(large, "600.00")
        sql = {"status": "issued", "number": "X-1", "issued_at": LATER, "issued_by": "anna", "applied": 600}
        with pytest.raises(IntegrityError, match="second_person"), transaction.atomic():
            CreditNote.objects.filter(pk=note.pk).update(**sql)

    def test_who_and_why_are_asked_for(self):
        with pytest.raises(CreditNoteError, match="explanation, actor"):
            cause(actor=" ")


class TestAPaidInvoice:
    @pytest.fixture
    def paid(self, invoice):
        return pay(invoice, "166.56")

    def test_what_is_beyond_the_open_claim_becomes_credit_unless_said_otherwise(self, paid, acme):
        note = credit(paid, "100.00")
        assert (note.applied, note.credit) == (Decimal(0), Decimal(100))
        assert str(credits.available(customer=acme, currency="EUR", at=LATER)) == "100.00 EUR"
        assert note.grant is not None
        assert note.grant.key == "credit-note:CN-000001"

    def test_it_is_divided_between_refund_credit_and_outside(self, paid):
        note = credit(paid, "100.00", refund=euro("60.00"), credit=euro("30.00"), outside=euro("10.00"))
        assert [(one.reference, one.amount, one.status) for one in note.refunds.all()] == [
            ("CN-000001-R1", Decimal(60), "pending")
        ]
        assert (books()["refunds"], books()["credits"], books()["outside"]) == ("-60.00", "-30.00", "-10.00")
        assert "receivable" not in books()

    def test_the_division_must_add_up(self, paid):
        note = write(paid, "100.00")
        parts = credit_notes.Allocation(refund=euro("60.00"), credit=euro("30.00"), outside=euro("9.99"))
        with pytest.raises(AllocationError, match=r"100\.00 EUR is beyond what is owed; 99\.99 EUR"):
            credit_notes.issue(note=note, actor="ben", now=LATER, allocation=parts)
        assert not CreditNote.objects.exclude(number=None).exists()

    def test_an_open_part_is_lowered_first(self, invoice):
        pay(invoice, "100.00")
        note = write(invoice, "80.00")
        assert str(credit_notes.excess(note=note)) == "13.44 EUR"
        parts = credit_notes.Allocation(refund=euro("13.44"), credit=euro("0"), outside=euro("0"))
        issued = credit_notes.issue(note=note, actor="ben", now=LATER, allocation=parts)
        assert (f"{issued.applied:.2f}", f"{issued.refund:.2f}") == ("66.56", "13.44")
        invoice.refresh_from_db()
        assert invoice.status == InvoiceStatus.PAID

    def test_no_more_is_refunded_than_was_paid(self, invoice):
        pay(invoice, "10.00")
        note = write(invoice)
        parts = credit_notes.Allocation(refund=euro("10.01"), credit=euro("-0.01"), outside=euro("0"))
        with pytest.raises(AllocationError):
            credit_notes.issue(note=note, actor="ben", now=LATER, allocation=parts)

    def test_a_note_on_a_paid_invoice_stands(self, paid):
        with pytest.raises(CreditNoteError, match="the note stands"):
            credit_notes.void(note=credit(paid, "1.00"), actor="anna", reason="sorry", now=LATER)


class TestRefunds:
    @pytest.fixture
    def note(self, invoice):
        pay(invoice, "100.00", "pi_1")
        pay(invoice, "66.56", "pi_2")
        return credit(invoice, None, refund=euro("166.56"))

    def settle(self, reference, stripe_id):
        return refunds.settle(reference=reference, stripe_id=stripe_id, refunded_at=LATER, now=LATER)

    def test_the_latest_payment_goes_back_first(self, note):
        found = [(one.payment.stripe_id, f"{one.amount:.2f}") for one in note.refunds.order_by("pk")]
        assert found == [("pi_2", "66.56"), ("pi_1", "100.00")]

    def test_invariant_33_payments_less_refunds_are_cash(self, note):
        assert books() == {"cash": "166.56", "refunds": "-166.56"}
        self.settle("CN-000001-R1", "re_1")
        self.settle("CN-000001-R1", "re_1")
        assert books() == {"cash": "100.00", "refunds": "-100.00"}
        self.settle("CN-000001-R2", "re_2")
        assert books() == {}

    def test_money_that_came_back_is_owed_to_the_customer_and_can_be_sent_again(self, note):
        self.settle("CN-000001-R1", "re_1")
        refunds.fail(reference="CN-000001-R1", reason="account closed", now=LATER)
        refunds.fail(reference="CN-000001-R1", reason="account closed", now=LATER)
        assert books() == {"cash": "166.56", "refunds": "-166.56"}
        assert [one.reference for one in refunds.request(note=note, now=LATER)] == ["CN-000001-R3"]
        assert refunds.request(note=note, now=LATER) == []

    def test_other_facts_are_refused(self, note):
        self.settle("CN-000001-R1", "re_1")
        with pytest.raises(RefundError):
            self.settle("CN-000001-R1", "re_9")
        with pytest.raises(RefundError, match="no refund"):
            self.settle("nobody's", "re_3")

    def test_the_database_refuses_more_than_was_paid(self, note):
        payment = Payment.objects.get(stripe_id="pi_1")
        row = {"reference": "raw", "payment": payment, "amount": 1, "currency": "EUR", "created_at": LATER}
        with pytest.raises(IntegrityError, match="cannot be refunded"), transaction.atomic():
            Refund.objects.create(**row)

    def test_money_that_left_past_us_is_owed_again(self, invoice):
        pay(invoice, "166.56")
        facts = {"payment": Payment.objects.get(), "stripe_id": "re_x", "amount": euro("6.56"), "refunded_at": LATER}
        for _ in range(2):
            refunds.record(**facts, now=LATER)
        assert (books()["receivable"], books()["cash"]) == ("6.56", "160.00")
        invoice.refresh_from_db()
        assert str(claims.outstanding(invoice=invoice)) == "6.56 EUR"
        with pytest.raises(RefundError):
            refunds.record(**(facts | {"amount": euro("1.00")}), now=LATER)
        with pytest.raises(RefundError, match="cannot go back"):
            refunds.record(**(facts | {"stripe_id": "re_y", "amount": euro("160.01")}), now=LATER)


class TestVoidingANote:
    def test_what_it_lowered_is_owed_again(self, invoice):
        before = books()
        note = credit(invoice, "50.00")
        assert books()["receivable"] == "116.56"
        for _ in range(2):
            note = credit_notes.void(note=note, actor="anna", reason="wrong customer", now=LATER)
        assert books() == before
        assert (note.status, note.number, note.voided_by) == ("void", "CN-000001", "anna")
        assert write(invoice, None, "again").total == invoice.total

    def test_it_asks_why(self, invoice):
        with pytest.raises(CreditNoteError, match="reason"):
            credit_notes.void(note=write(invoice, "1.00"), actor="anna", reason=" ", now=LATER)

    def test_a_void_note_is_not_issued(self, invoice):
        note = credit_notes.void(note=write(invoice, "1.00"), actor="anna", reason="no", now=LATER)
        with pytest.raises(CreditNoteError, match="void"):
            credit_notes.issue(note=note, actor="ben", now=LATER)


@pytest.mark.parametrize(
    "change",
    [{"total": 1}, {"number": "CN-9"}, {"explanation": "x"}, {"digest": "0"}, {"status": "draft"}, {"buyer": "x"}],
)
def test_invariant_17_an_issued_note_never_changes(invoice, change):
    note = credit(invoice, "5.00")
    with pytest.raises(IntegrityError), transaction.atomic():
        CreditNote.objects.filter(pk=note.pk).update(**change)
    with pytest.raises(IntegrityError), transaction.atomic():
        CreditNote.objects.filter(pk=note.pk)._raw_delete("default")


def test_a_discount_is_credited_with_its_charge(acme):
    cards = plan(fee("100.00"), metered("1.00"), discounts=[{"key": "d", "name": "Friends", "percent": "10"}])
    invoice = close(start(acme, cards), JUNE)[0]
    assert f"{invoice.total:.2f}" == "90.00"
    base = invoice.lines.get(description="Base")
    with pytest.raises(BeyondInvoiceError):
        credit_notes.draft(
            invoice=invoice,
            lines=mirroring.of_lines(invoice=invoice, amounts={base.pk: euro("100.00")}),
            cause=cause(),
            now=LATER,
        )
    assert amounts(write(invoice, "45.00")) == [("Base", "50.00"), ("Friends: Base", "-5.00")]


def test_invariant_35_every_adjustment_says_who_when_why_and_what_was_before_and_after(invoice):
    note = credit(invoice, "50.00")
    voided = credit_notes.void(note=note, actor="carl", reason="agreed otherwise", now=LATER + timedelta(days=1))
    assert (voided.drafted_by, voided.drafted_at, voided.explanation) == ("anna", LATER, "It was down.")
    assert (voided.issued_by, voided.issued_at) == ("ben", LATER)
    assert (voided.voided_by, voided.void_reason, voided.voided_at) == (
        "carl",
        "agreed otherwise",
        LATER + timedelta(days=1),
    )
    before_and_after = [(one.line.amount, one.line.amount - one.amount) for one in voided.lines.all()]
    assert all(before > after > 0 for before, after in before_and_after)
    keys = LedgerTransaction.objects.filter(key__startswith="credit-note:").order_by("pk").values_list("key", flat=True)
    assert list(keys) == ["credit-note:CN-000001", "credit-note:CN-000001:void"]
