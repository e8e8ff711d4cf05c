"""Crediting: how a credit note stands in the books, and the credit that it leaves with the customer."""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal

from billing import claims, credits, deferring, ledger
from billing.credits import Award
from billing.ledger import Entry
from billing.models import CreditGrant, CreditNote, Invoice
from billing.models.credits import Funding, GrantKind
from billing.models.ledger import Account
from billing.money import Money


def book(*, note: CreditNote, invoice: Invoice, now: datetime) -> None:
    """Book what the note lowers: what is not earned yet comes off deferred revenue first."""
    lines = {one.line: one.amount for one in note.lines.select_related("line")}
    key = f"credit-note:{note.number}"
    deferred = deferring.lower(invoice=invoice, amounts=lines, booking=key, now=now).amount
    sides = (
        (Account.REVENUE, note.subtotal - deferred),
        (Account.DEFERRED, deferred),
        (Account.TAX, note.tax),
        (claims.account_of(invoice=invoice), -note.applied),
        (Account.REFUNDS, -note.refund),
        (Account.RECEIVABLE, -note.credit),  # from where the grant takes it
        (Account.OUTSIDE, -note.outside),
    )
    _post(key, f"Credit note {note.number} on invoice {invoice.number}", invoice, sides, now)


def book_back(*, note: CreditNote, invoice: Invoice, now: datetime) -> None:
    """Book what a note lowered as owed again."""
    key = f"credit-note:{note.number}"
    again = deferring.restore(reversed_by=key, currency=note.currency, booking=f"{key}:void", now=now).amount
    sides = (
        (Account.REVENUE, again - note.subtotal),
        (Account.DEFERRED, -again),
        (Account.TAX, -note.tax),
        (claims.account_of(invoice=invoice), note.applied),
    )
    _post(f"{key}:void", f"Credit note {note.number} voided", invoice, sides, now)


def grant(*, note: CreditNote, now: datetime) -> CreditGrant:
    """Give the customer what a note leaves with it, as prepaid credit from what was booked as its own."""
    award = Award(
        kind=GrantKind.PREPAID,
        name=f"Credit note {note.number}",
        amount=Money(note.credit, note.currency),
        effective_at=now,
        funding=Funding.RECEIVABLE,
        source=note.explanation,
    )
    return credits.grant(customer=note.customer, award=award, key=f"credit-note:{note.number}", now=now)


def _post(key: str, text: str, invoice: Invoice, sides: Sequence[tuple[Account, Decimal]], now: datetime) -> None:
    entries = [Entry(account, invoice.customer, Money(amount, invoice.currency)) for account, amount in sides if amount]
    ledger.post(key=key, description=text, entries=entries, booked_at=now)
