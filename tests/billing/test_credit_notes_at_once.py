"""Many people at one invoice: notes never go beyond it, refunds never beyond what was paid, each thing happens once."""

from decimal import Decimal
from functools import partial

import pytest
from django.db import IntegrityError, transaction
from django.db.models import Sum

from billing import credit_notes, mirroring, recognition, refunds, voiding
from billing.errors import BeyondInvoiceError, InvoiceStateError, RefundError
from billing.models import CreditNote, CreditNoteLine, DeferralMove, Invoice, LedgerTransaction, Payment, Refund
from tests.billing.agreement import close, fee, plan, start
from tests.billing.conftest import JUNE, MAY
from tests.billing.crediting import LATER, books, cause, credit, euro, pay, write
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("committed")


together = partial(at_once, refusals=(BeyondInvoiceError, InvoiceStateError, RefundError, IntegrityError))


@pytest.fixture
def invoice(acme) -> Invoice:
    return close(start(acme, plan(fee("100.00"))), JUNE)[0]


def test_notes_written_at_once_never_exceed_the_invoice(invoice):
    lines = mirroring.of_total(invoice=invoice, amount=euro("30.00"))

    def note(key):
        made = credit_notes.draft(invoice=invoice, lines=lines, cause=cause(key), now=LATER)
        return credit_notes.issue(note=made, actor="ben", now=LATER)

    results = together(*[lambda key=key: note(str(key)) for key in range(5)])
    assert sum(isinstance(one, CreditNote) for one in results) == 3
    numbers = CreditNote.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == ["CN-000001", "CN-000002", "CN-000003"]
    assert books() == {"receivable": "10.00", "revenue": "-10.00"}


def test_the_database_refuses_though_nobody_took_a_lock(invoice):
    line = invoice.lines.get()
    write(invoice, "40.00")

    def add(number):
        with transaction.atomic():
            row = {"key": f"raw-{number}", "invoice": invoice, "customer": invoice.customer, "reason": "duplicate"}
            row |= {"explanation": "x", "currency": "EUR", "subtotal": 40, "tax": 0, "total": 40}
            raw = CreditNote.objects.create(**row, needs_approval=False, drafted_by="x", drafted_at=LATER)
            CreditNoteLine.objects.create(note=raw, position=1, line=line, amount=40)

    results = together(*[lambda number=number: add(number) for number in range(4)])
    assert sum(isinstance(one, IntegrityError) for one in results) == 3
    assert CreditNoteLine.objects.aggregate(sum=Sum("amount"))["sum"] == 80


def test_a_note_issued_by_many_is_issued_once(invoice):
    note = write(invoice, "30.00")
    together(*[lambda: credit_notes.issue(note=note, actor="ben", now=LATER)] * 4)
    assert LedgerTransaction.objects.filter(key__startswith="credit-note:").count() == 1


def test_a_payment_and_a_note_at_once_leave_nothing_uncounted(invoice):
    note = write(invoice, "100.00")
    together(
        lambda: pay(invoice, "100.00"),
        lambda: credit_notes.issue(note=note, actor="ben", now=LATER),
    )
    invoice.refresh_from_db()
    assert invoice.status == "paid"
    assert books() in (
        {"cash": "100.00", "receivable": "-100.00"},  # the note was first, the money came beside it
        {"cash": "100.00", "credits": "-100.00"},  # the money was first, the note is the customer's credit
    )


def test_a_void_a_note_and_a_payment_at_once_are_one_of_them_or_follow_each_other(invoice):
    note_lines = mirroring.whole(invoice=invoice)
    results = together(
        lambda: voiding.void(invoice=invoice, actor="a", reason="r", now=LATER),
        lambda: voiding.void(invoice=invoice, actor="a", reason="r", now=LATER),
        lambda: credit_notes.draft(invoice=invoice, lines=note_lines, cause=cause(), now=LATER),
        lambda: pay(invoice, "100.00"),
    )
    invoice.refresh_from_db()
    assert any(isinstance(one, Exception) for one in results)
    if invoice.status == "void":
        assert (books(), CreditNote.objects.count(), Payment.objects.count()) == ({}, 0, 0)
    else:
        assert books()["revenue"] == "-100.00"


def test_refunds_at_once_never_exceed_the_payment(invoice):
    pay(invoice, "100.00")
    payment = Payment.objects.get()
    facts = {"payment": payment, "amount": euro("40.00"), "refunded_at": LATER, "now": LATER}
    results = together(*[lambda key=key: refunds.record(stripe_id=f"re_{key}", **facts) for key in range(4)])
    assert sum(isinstance(one, RefundError) for one in results) == 2
    assert Refund.objects.aggregate(sum=Sum("amount"))["sum"] == 80


def test_a_refund_settled_by_many_is_booked_once(invoice):
    pay(invoice, "100.00")
    credit(invoice, None, refund=euro("100.00"))
    told = {"refunded_at": LATER, "now": LATER}
    together(*[lambda: refunds.settle(reference="CN-000001-R1", stripe_id="re_1", **told)] * 4)
    assert books() == {}


def test_workers_that_earn_at_once_earn_each_day_once(acme):
    close(start(acme, plan(fee("31.00", billed="advance"))), MAY)
    together(*[lambda: recognition.recognise(now=JUNE)] * 4)
    recognition.recognise(now=JUNE)
    assert DeferralMove.objects.count() == 31
    assert DeferralMove.objects.aggregate(sum=Sum("amount"))["sum"] == Decimal(31)
