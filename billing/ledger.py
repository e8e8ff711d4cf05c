"""The ledger: books balanced transactions once, and adds entries up."""

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.db import transaction
from django.db.models import QuerySet, Sum

from agents.models import Customer
from billing.errors import LedgerConflictError, MoneyError, UnbalancedError
from billing.models import CreditGrant, LedgerEntry, LedgerTransaction
from billing.models.ledger import Account
from billing.money import CURRENCIES, LIMIT, Money

_UNIT: Final = re.compile(r"[a-z][a-z0-9_-]{1,15}\Z")
_UNIT_STEP: Final = Decimal("1e-12")


@dataclass(frozen=True, slots=True)
class Units:
    """An amount of a virtual currency, which has a lower-case name and twelve digits after the point.

    Raises MoneyError for a float, more digits or an amount beyond `money.LIMIT`, and for a name that is none.
    """

    amount: Decimal
    currency: str

    def __post_init__(self) -> None:
        if not _UNIT.match(self.currency):
            raise MoneyError(f"{self.currency!r} is no name of a virtual currency: lower-case, 2 to 16 characters")
        if not isinstance(self.amount, Decimal):
            raise MoneyError(f"{self.amount!r} is a {type(self.amount).__name__}; units are made of Decimal")
        if not self.amount.is_finite() or abs(self.amount) >= LIMIT:
            raise MoneyError(f"{self.amount} is no amount of {self.currency}")
        if self.amount.quantize(_UNIT_STEP) != self.amount:
            raise MoneyError(f"{self.amount} {self.currency} has more than twelve digits after the point")

    def __neg__(self) -> "Units":
        return Units(-self.amount, self.currency)

    def __bool__(self) -> bool:
        return bool(self.amount)

    def __str__(self) -> str:
        return f"{self.amount.normalize():f} {self.currency}"


Value = Money | Units
_Facts = tuple[str, int, str, Decimal, int]


def value_of(amount: Decimal, currency: str) -> Value:
    """Return money for a currency's code, units for the name of a virtual currency. Raises MoneyError."""
    return Money(amount, currency) if currency.isupper() else Units(amount, currency)


@dataclass(frozen=True, slots=True)
class Entry:
    """One signed amount on one account of a customer; debit positive, credit negative.

    An entry of Account.CREDITS names its grant, no other does.
    """

    account: Account
    customer: Customer
    amount: Value
    grant: CreditGrant | None = None


@dataclass(frozen=True, slots=True)
class Booking:
    """A transaction to be booked: entries that sum to zero, under the key of its cause."""

    key: str
    description: str
    entries: tuple[Entry, ...]
    booked_at: datetime


@dataclass(frozen=True, slots=True)
class Balance:
    """The sum of all entries of an account in a currency."""

    account: Account
    amount: Value


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


@transaction.atomic
def post_all(*, bookings: Sequence[Booking]) -> None:
    """Book many transactions that are new, in three statements; nothing where one of them was booked before.

    Raises UnbalancedError; the database refuses a key that is there.
    """
    for booking in bookings:
        _require_balance(booking.entries)
    made = LedgerTransaction.objects.bulk_create(
        LedgerTransaction(key=one.key, description=one.description, booked_at=one.booked_at) for one in bookings
    )
    LedgerEntry.objects.bulk_create(
        _row_of(row, entry) for row, one in zip(made, bookings, strict=True) for entry in one.entries
    )


def balance(*, account: Account, currency: str, customer: Customer | None = None) -> Money:
    """Return the sum of an account's entries in a currency, of one customer where given."""
    entries = LedgerEntry.objects.filter(account=account, currency=currency)
    if customer is not None:
        entries = entries.filter(customer=customer)
    return Money(entries.aggregate(sum=Sum("amount"))["sum"] or Decimal(0), currency)


def remaining(*, grant: CreditGrant) -> Value:
    """Return what is left of a credit grant: the sum of its entries."""
    drawn = LedgerEntry.objects.filter(grant=grant).aggregate(sum=Sum("amount"))["sum"] or Decimal(0)
    return value_of(-drawn, grant.currency)


def remaining_of(*, grants: QuerySet[CreditGrant]) -> dict[int, Decimal]:
    """Return what is left of each of some credit grants, by id: the sums of their entries."""
    sums = LedgerEntry.objects.filter(grant__in=grants.values("pk")).values_list("grant").annotate(sum=Sum("amount"))
    return {grant_id: -drawn for grant_id, drawn in sums}


def trial_balance(*, before: datetime | None = None, with_units: bool = False) -> tuple[Balance, ...]:
    """Return the balance of every account and currency with entries; in each currency they sum to zero.

    Only what was booked before an instant, where it is given. Virtual currencies are no money: they are among them
    only `with_units`.
    """
    entries = LedgerEntry.objects.all() if with_units else LedgerEntry.objects.filter(currency__in=CURRENCIES)
    if before is not None:
        entries = entries.filter(transaction__booked_at__lt=before)
    sums = entries.values("account", "currency").annotate(sum=Sum("amount")).order_by("currency", "account")
    return tuple(Balance(Account(row["account"]), value_of(row["sum"], row["currency"])) for row in sums)


def difference(*, balances: Sequence[Balance]) -> dict[str, Decimal]:
    """Return what the balances of each currency sum to: nothing but zeros, or the books were tampered with."""
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in balances:
        sums[row.amount.currency] += row.amount.amount
    return dict(sums)


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
        grant=entry.grant,
    )


def _facts_of(entry: Entry) -> _Facts:
    grant_id = entry.grant.pk if entry.grant else 0
    return str(entry.account), entry.customer.pk, entry.amount.currency, entry.amount.amount, grant_id


def _facts_of_rows(booking: LedgerTransaction) -> list[_Facts]:
    rows = booking.entries.values_list("account", "customer_id", "currency", "amount", "grant_id")
    return sorted(
        (account, customer, currency, amount, grant or 0) for account, customer, currency, amount, grant in rows
    )
