"""The ledger: balanced, append-only, booked once; every balance is the sum of its entries."""

from decimal import Decimal

import pytest
from django.db import IntegrityError, connection
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from billing import ledger
from billing.errors import LedgerConflictError, UnbalancedError
from billing.ledger import Entry
from billing.models import LedgerEntry, LedgerTransaction
from billing.models.ledger import Account
from billing.money import Money, from_minor_units
from tests import factories
from tests.billing.conftest import MAY


def book(customer, amount="5.00", *, key="one", currency="EUR", other=None):
    money = Money(Decimal(amount), currency)
    entries = [Entry(Account.RECEIVABLE, customer, money), Entry(Account.REVENUE, customer, other or -money)]
    return ledger.post(key=key, description="test", entries=entries, booked_at=MAY)


def test_a_booking_moves_balances(acme, make_customer):
    rival = make_customer("rival")
    book(acme)
    book(rival, "2.50", key="two")
    assert str(ledger.balance(account=Account.RECEIVABLE, currency="EUR")) == "7.50 EUR"
    assert str(ledger.balance(account=Account.RECEIVABLE, currency="EUR", customer=rival)) == "2.50 EUR"
    assert str(ledger.balance(account=Account.CASH, currency="EUR")) == "0.00 EUR"


def test_the_same_booking_again_changes_nothing(acme):
    assert book(acme).pk == book(acme).pk
    assert LedgerEntry.objects.count() == 2


def test_a_key_stands_for_one_booking(acme):
    book(acme)
    with pytest.raises(LedgerConflictError):
        book(acme, "6.00")


def test_entries_that_do_not_sum_to_zero_are_refused(acme):
    with pytest.raises(UnbalancedError):
        book(acme, other=Money(Decimal("-4.99"), "EUR"))
    with pytest.raises(UnbalancedError):
        book(acme, other=Money(Decimal("-5.00"), "USD"))
    with pytest.raises(UnbalancedError):
        ledger.post(key="none", description="", entries=[], booked_at=MAY)
    assert not LedgerTransaction.objects.exists()


def test_the_database_refuses_what_does_not_balance(acme):
    booking = LedgerTransaction.objects.create(key="raw", description="", booked_at=MAY)
    LedgerEntry.objects.create(transaction=booking, account="cash", customer=acme, currency="EUR", amount=1)
    with connection.cursor() as cursor, pytest.raises(IntegrityError, match="does not balance"):
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")


class EveryBooking(TestCase):
    """Whatever is booked, in whatever order."""

    @given(st.lists(st.tuples(st.integers(-999, 999).filter(bool), st.sampled_from(["EUR", "USD", "JPY"])), max_size=6))
    def test_every_currency_sums_to_zero_and_balances_are_the_sums_of_entries(self, bookings):
        customer = factories.customer()
        for number, (units, currency) in enumerate(bookings):
            money = from_minor_units(units, currency)
            entries = [Entry(Account.CASH, customer, money), Entry(Account.RECEIVABLE, customer, -money)]
            ledger.post(key=str(number), description="", entries=entries, booked_at=MAY)
        rows = ledger.trial_balance()
        for currency in {row.amount.currency for row in rows}:
            assert sum(row.amount.amount for row in rows if row.amount.currency == currency) == 0
            cash = sum((from_minor_units(u, c).amount for u, c in bookings if c == currency), Decimal(0))
            assert ledger.balance(account=Account.CASH, currency=currency).amount == cash
