"""The ledger: books balanced transactions once, and adds entries up."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from django.db import transaction
from django.db.models import Sum

from agents.models import Customer
from billing.errors import LedgerConflictError, UnbalancedError
from billing.models import LedgerEntry, LedgerTransaction
from billing.models.ledger import Account
from billing.money import Money


@dataclass(frozen=True, slots=True)
class Entry:
    """One signed amount on one account of a customer; debit positive, credit negative."""

    account: Account
    customer: Customer
    amount: Money


@dataclass(frozen=True, slots=True)
class Balance:
    """The sum of all entries of an account in a currency."""

    account: Account
    amount: Money


@transaction.atomic
def post(*, key: str, description: str, entries: Sequence[Entry], booked_at: datetime) -> LedgerTransaction:
    """Book entries that sum to zero, once for ever: the same booking under the same key again changes nothing.

    Raises UnbalancedError; LedgerConflictError where the key stands for other entries.
    """
    _require_balance(entries)
    booking, is_new = LedgerTransaction.objects.get_or_create(
        key=key, defaults={"description": description, "booked_at": booked_at}
    )
    if is_new:
        LedgerEntry.objects.bulk_create(_row_of(booking, entry) for entry in entries)
    elif _facts_of_rows(booking) != sorted(_facts_of(entry) for entry in entries):
        raise LedgerConflictError(f"{key} is booked with other entries.")
    return booking


def balance(*, account: Account, currency: str, customer: Customer | None = None) -> Money:
    """Return the sum of an account's entries in a currency, of one customer where given."""
    entries = LedgerEntry.objects.filter(account=account, currency=currency)
    if customer is not None:
        entries = entries.filter(customer=customer)
    return Money(entries.aggregate(sum=Sum("amount"))["sum"] or Decimal(0), currency)


def trial_balance() -> tuple[Balance, ...]:
    """Return the balance of every account and currency with entries; in each currency they sum to zero."""
    sums = LedgerEntry.objects.values("account", "currency").annotate(sum=Sum("amount")).order_by("currency", "account")
    return tuple(Balance(Account(row["account"]), Money(row["sum"], row["currency"])) for row in sums)


def _require_balance(entries: Sequence[Entry]) -> None:
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for entry in entries:
        sums[entry.amount.currency] += entry.amount.amount
    if not entries or any(sums.values()):
        raise UnbalancedError(f"entries must be there and sum to zero, not to {dict(sums)}")


def _row_of(booking: LedgerTransaction, entry: Entry) -> LedgerEntry:
    return LedgerEntry(
        transaction=booking,
        account=entry.account,
        customer=entry.customer,
        currency=entry.amount.currency,
        amount=entry.amount.amount,
    )


def _facts_of(entry: Entry) -> tuple[str, int, str, Decimal]:
    return str(entry.account), entry.customer.pk, entry.amount.currency, entry.amount.amount


def _facts_of_rows(booking: LedgerTransaction) -> list[tuple[str, int, str, Decimal]]:
    return sorted(booking.entries.values_list("account", "customer_id", "currency", "amount"))
