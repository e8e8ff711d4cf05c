"""Arrears: the invoices that are not paid in time, since when, and what was done about them."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Max, Min, Q, QuerySet

from agents.models import Customer
from billing.dunning.schedule import Schedule
from billing.models import Invoice
from billing.models.collection import AttemptOutcome
from billing.models.invoices import InvoiceStatus

# The number under which the suspension that an invoice caused is kept beside its reminders.
SUSPENDING: Final = 1000
_DECLINED: Final = Q(payment_attempts__outcome__in=[AttemptOutcome.DECLINED, AttemptOutcome.ACTION_REQUIRED])
_REMINDED: Final = Q(reminders__step__lt=SUSPENDING)


@dataclass(frozen=True, slots=True)
class Debt:
    """An open invoice: `anchor` is when it was due, or its first payment declined; `reminded` the last step taken."""

    invoice: Invoice
    anchor: datetime
    reminded: int
    warned_at: datetime | None
    has_suspended: bool


def debts(*, schedule: Schedule, now: datetime, customer: Customer | None = None) -> Iterator[Debt]:
    """Yield the open invoices that are overdue or whose payment was declined, the oldest first."""
    invoices = _open(customer).filter(Q(due_at__lte=now) | Q(declined_at__isnull=False))
    for invoice in invoices.order_by("due_at", "pk"):
        yield _debt(invoice, schedule)


def debt_of(*, invoice: Invoice, schedule: Schedule) -> Debt | None:
    """Return an invoice as it stands now; None where it is no longer open."""
    found = _open(invoice.customer).filter(pk=invoice.pk).first()
    return None if found is None else _debt(found, schedule)


def has_blocking(*, customer: Customer) -> bool:
    """Whether the customer still owes for an invoice that it was suspended for; one given up on is owed, too."""
    owed = Invoice.objects.filter(customer=customer, status__in=[InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE])
    return owed.filter(reminders__step=SUSPENDING).exists()


def _open(customer: Customer | None) -> QuerySet[Invoice]:
    found = Invoice.objects.filter(status=InvoiceStatus.OPEN, due_at__isnull=False)
    if customer is not None:
        found = found.filter(customer=customer)
    return found.select_related("customer", "stripe").annotate(
        declined_at=Min("payment_attempts__attempted_at", filter=_DECLINED),
        reminded=Max("reminders__step", filter=_REMINDED),
        warned_at=Max("reminders__taken_at", filter=_REMINDED),
        suspended_at=Max("reminders__taken_at", filter=Q(reminders__step=SUSPENDING)),
    )


def _debt(invoice: Invoice, schedule: Schedule) -> Debt:
    assert invoice.due_at is not None  # noqa: S101 - the query says so
    told = vars(invoice)  # what the query added to the row
    declined_at: datetime | None = told["declined_at"]
    reminded = min(told["reminded"] or 0, schedule.last)
    return Debt(
        invoice=invoice,
        anchor=invoice.due_at if declined_at is None else min(invoice.due_at, declined_at),
        reminded=reminded,
        warned_at=told["warned_at"] if reminded == schedule.last else None,
        has_suspended=told["suspended_at"] is not None,
    )
