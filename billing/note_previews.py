"""What issuing a credit note would change: it is issued, looked at, and undone; nothing of it stays."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction

from billing import claims, credit_notes
from billing.credit_notes import Allocation
from billing.models import CreditNote, LedgerEntry
from billing.money import Money
from billing.rating.numbers import text_of


@dataclass(frozen=True, slots=True)
class Effect:
    """What a note changes: the claim before and after, the invoice's status, where the rest goes, and the bookings.

    `bookings` are account, amount and currency; debit positive.
    """

    owed_before: Money
    owed_after: Money
    status_after: str
    total: Money
    refund: Decimal
    credit: Decimal
    outside: Decimal
    bookings: tuple[tuple[str, str, str], ...]


def preview(*, note: CreditNote, actor: str, now: datetime, allocation: Allocation | None = None) -> Effect:
    """Return what issuing a draft would change. Raises what `credit_notes.issue` does; a number is not used up."""
    with transaction.atomic():
        before = claims.outstanding(invoice=note.invoice)
        last = LedgerEntry.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
        issued = credit_notes.issue(note=note, actor=actor, now=now, allocation=allocation)
        effect = _effect(issued, before, last)
        transaction.set_rollback(True)
    return effect


def _effect(issued: CreditNote, before: Money, last: int) -> Effect:
    invoice = issued.invoice
    invoice.refresh_from_db()
    entries = LedgerEntry.objects.filter(pk__gt=last, customer=issued.customer).order_by("pk")
    return Effect(
        owed_before=before,
        owed_after=claims.outstanding(invoice=invoice),
        status_after=invoice.status,
        total=Money(issued.total, issued.currency),
        refund=issued.refund,
        credit=issued.credit,
        outside=issued.outside,
        bookings=tuple((entry.account, text_of(entry.amount), entry.currency) for entry in entries),
    )
