"""Credit notes for tests: written in a line, and the books beside the rows."""

from datetime import timedelta
from decimal import Decimal

from billing import credit_notes, invoicing, ledger, mirroring
from billing.credit_notes import Allocation, Cause
from billing.models import CreditNote
from billing.models.credit_notes import Reason
from billing.money import Money
from tests.billing.conftest import JUNE

LATER = JUNE + timedelta(days=3)


def euro(text):
    return Money(Decimal(text), "EUR")


def cause(key="one", actor="anna"):
    return Cause(key=key, reason=Reason.PRODUCT_UNSATISFACTORY, explanation="It was down.", actor=actor)


def write(invoice, total=None, key="one", actor="anna", now=LATER):
    """A draft over an amount with tax, or over all that is left."""
    lines = mirroring.whole(invoice=invoice)
    if total is not None:
        lines = mirroring.of_total(invoice=invoice, amount=euro(total))
    return credit_notes.draft(invoice=invoice, lines=lines, cause=cause(key, actor), now=now)


def credit(invoice, total=None, key="one", now=LATER, **allocation) -> CreditNote:
    """A note that is issued at once; what is allocated is given by name."""
    note = write(invoice, total, key, now=now)
    parts = None
    if allocation:
        parts = Allocation(**({name: euro("0") for name in ("refund", "credit", "outside")} | allocation))
    return credit_notes.issue(note=note, actor="ben", now=now, allocation=parts)


def pay(invoice, text, payment_id="pi_1"):
    money = Money(Decimal(text), invoice.currency)
    return invoicing.mark_paid(invoice_id=invoice.pk, payment_id=payment_id, amount=money, paid_at=LATER, now=LATER)


def balance(account, currency="EUR"):
    return f"{ledger.balance(account=account, currency=currency).amount:.2f}"


def books():
    """Every account with something on it."""
    return {row.account.value: f"{row.amount.amount:.2f}" for row in ledger.trial_balance() if row.amount.amount}
