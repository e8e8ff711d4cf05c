"""The trial balance as a command: every account and currency, as of a day, and an alarm where the books are off."""

import csv
import json
from datetime import timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing import credits, ledger
from billing.credits import Award
from billing.errors import UnbalancedError
from billing.ledger import Booking, Entry, Units
from billing.models import LedgerEntry, LedgerTransaction
from billing.models.credits import GrantKind
from billing.models.ledger import Account
from billing.money import Money
from tests.billing.conftest import MAY
from tests.billing.crediting import euro


@pytest.fixture
def books(acme):
    """5.00 EUR on 1 May, 2.50 EUR and 7 USD on 3 May, and a gift of ten turns in units."""
    for number, (day, amount, currency) in enumerate([(0, "5.00", "EUR"), (2, "2.50", "EUR"), (2, "7.00", "USD")]):
        money = Money(Decimal(amount), currency)
        entries = [Entry(Account.RECEIVABLE, acme, money), Entry(Account.REVENUE, acme, -money)]
        ledger.post(key=str(number), description="", entries=entries, booked_at=MAY + timedelta(days=day, hours=23))
    gift = Award(GrantKind.PROMOTIONAL, "Gift", Units(Decimal(10), "turns"), MAY)
    credits.grant(customer=acme, award=gift, key="gift", now=MAY)
    return acme


def shown(*args):
    out = StringIO()
    call_command("trial_balance", *args, stdout=out)
    return out.getvalue()


def test_every_account_and_currency_is_listed_and_sums_to_zero(books):
    assert shown().splitlines() == [
        "receivable    7.50 EUR",
        "revenue      -7.50 EUR",
        "receivable    7.00 USD",
        "revenue      -7.00 USD",
        "credits      -10 turns",
        "issued        10 turns",
        "sum              0 EUR",
        "sum              0 USD",
        "sum            0 turns",
    ]


def test_as_of_the_end_of_a_day(books):
    assert [row["balance"] for row in csv.DictReader(StringIO(shown("--at", "2026-05-01", "--format", "csv")))] == [
        "5.00",
        "-5.00",
        "-10.000000000000",
        "10.000000000000",
    ]


def test_as_json(books):
    told = json.loads(shown("--format", "json"))
    assert told["balanced"] is True
    assert {"account": "revenue", "currency": "USD", "balance": "-7.00"} in told["balances"]


def test_books_that_are_off_are_told_and_end_with_an_error(books):
    booking = LedgerTransaction.objects.create(key="raw", description="", booked_at=MAY)
    LedgerEntry.objects.create(transaction=booking, account="cash", customer=books, currency="EUR", amount=1)
    with pytest.raises(CommandError, match="off by 1 EUR"):
        shown()
    with connection.cursor() as cursor:  # the deferred trigger would refuse it, were it committed
        cursor.execute("SET CONSTRAINTS ALL DEFERRED")
    LedgerEntry.objects.create(transaction=booking, account="revenue", customer=books, currency="EUR", amount=-1)


def test_a_day_is_written_as_one(db):
    with pytest.raises(CommandError, match="no day"):
        shown("--at", "May")


def test_many_bookings_at_once_balance_each(acme):
    def booking(key, other):
        entries = (Entry(Account.CASH, acme, euro("1.00")), Entry(Account.RECEIVABLE, acme, euro(other)))
        return Booking(key=key, description="", entries=entries, booked_at=MAY)

    with pytest.raises(UnbalancedError):
        ledger.post_all(bookings=[booking("a", "-1.00"), booking("b", "-0.99")])
    assert not LedgerTransaction.objects.exists()
    ledger.post_all(bookings=[booking("a", "-1.00"), booking("b", "-1.00")])
    assert str(ledger.balance(account=Account.CASH, currency="EUR")) == "2.00 EUR"
