"""Claims: what is still owed of an issued invoice, and on which account it stands."""

from decimal import Decimal
from typing import Final

from django.db.models import QuerySet, Sum

from billing.models import CreditNote, Invoice, Payment, Refund
from billing.models.credit_notes import CreditNoteStatus, RefundStatus
from billing.models.invoices import InvoiceStatus
from billing.models.ledger import Account
from billing.money import Money, zero

_NOTHING: Final = Decimal(0)


def hold(*, invoice_id: int) -> Invoice:
    """Return an invoice locked until the transaction ends, so that what is owed of it changes one after the other."""
    return Invoice.objects.select_for_update().get(pk=invoice_id)


def outstanding(*, invoice: Invoice) -> Money:
    """Return what is still owed of an invoice; below nothing where more came than was owed, nothing where it is void.

    The total less what prepaid credit, payments and credit notes took off it; a refund past any note is owed again.
    """
    if invoice.status in {InvoiceStatus.DRAFT, InvoiceStatus.VOID}:
        return zero(invoice.currency)
    notes = CreditNote.objects.filter(invoice=invoice, status=CreditNoteStatus.ISSUED)
    refunds = Refund.objects.filter(payment__invoice=invoice, note__isnull=True, status=RefundStatus.SUCCEEDED)
    owed = invoice.due - _sum(invoice.payments.all(), "amount") - _sum(notes, "applied") + _sum(refunds, "amount")
    return Money(owed, invoice.currency)


def refundable(*, payment: Payment) -> Money:
    """Return what of a payment has neither gone back nor is on its way."""
    gone = payment.refunds.exclude(status=RefundStatus.FAILED)
    return Money(payment.amount - _sum(gone, "amount"), payment.currency)


def account_of(*, invoice: Invoice) -> Account:
    """Return where what is still owed of an invoice stands: it is receivable until it is written off."""
    return Account.WRITE_OFF if invoice.status == InvoiceStatus.UNCOLLECTIBLE else Account.RECEIVABLE


def _sum(rows: "QuerySet[CreditNote] | QuerySet[Payment] | QuerySet[Refund]", column: str) -> Decimal:
    return rows.aggregate(sum=Sum(column))["sum"] or _NOTHING
