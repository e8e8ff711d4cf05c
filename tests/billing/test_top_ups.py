"""Top-ups: bought when little is left, one at a time and so many a day, and credit once paid."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from billing import closing, credits, ledger, top_ups
from billing.errors import PaymentConflictError, RatingError, TopUpStateError
from billing.models import TopUp, TopUpRule
from billing.models.ledger import Account
from billing.money import Money
from tests import factories
from tests.billing import agreed
from tests.billing.conftest import JUNE, MAY
from tests.billing.test_credits import prepay

DAY = timedelta(days=1)


@pytest.fixture
def rule(acme):
    """20.00 when less than 5.00 is left, twice a day at most."""
    return TopUpRule.objects.create(
        customer=acme, currency="EUR", threshold=5, amount=20, max_per_day=2, created_at=MAY
    )


def due(now=MAY):
    return [(str(row.amount.normalize()), row.number, row.status) for row in top_ups.due(now=now)]


def test_credit_below_the_threshold_makes_a_top_up_due(acme, rule):
    prepay(acme, "4.99")
    assert due() == [("2E+1", 1, "due")]


def test_credit_at_the_threshold_is_enough(acme, rule):
    prepay(acme, "5.00")
    assert due() == []


def test_one_waits_at_a_time(rule):
    assert due() == due(MAY + DAY)
    assert TopUp.objects.count() == 1


def test_a_paid_top_up_is_credit_and_cash(acme, rule):
    grant = top_ups.settle(top_up=top_ups.due(now=MAY)[0], payment="wire-1", now=MAY)
    assert top_ups.settle(top_up=TopUp.objects.get(), payment="wire-1", now=MAY) == grant
    assert str(credits.available(customer=acme, currency="EUR", at=MAY)) == "20.00 EUR"
    assert str(ledger.balance(account=Account.CASH, currency="EUR")) == "20.00 EUR"
    assert TopUp.objects.get().status == "paid"
    assert due() == []


def test_no_more_than_so_many_a_day_whatever_becomes_of_them(rule):
    for number in (1, 2):
        row = top_ups.due(now=MAY)[0]
        assert row.number == number
        top_ups.cancel(top_up=row, now=MAY)
    assert due() == []
    assert due(MAY + DAY) == [("2E+1", 1, "due")]


def test_a_day_is_the_customers_own(make_customer):
    customer = make_customer("far", time_zone="Pacific/Auckland")
    TopUpRule.objects.create(customer=customer, currency="EUR", threshold=5, amount=20, created_at=MAY)
    assert str(top_ups.due(now=MAY + 13 * DAY / 24)[0].day) == "2026-05-02"


def test_what_is_given_up_is_not_paid_and_what_is_paid_is_not_given_up(rule):
    row = top_ups.due(now=MAY)[0]
    top_ups.cancel(top_up=row, now=MAY)
    assert top_ups.cancel(top_up=row, now=MAY).status == "canceled"
    with pytest.raises(TopUpStateError):
        top_ups.settle(top_up=row, payment="wire-1", now=MAY)
    paid = top_ups.due(now=MAY)[0]
    top_ups.settle(top_up=paid, payment="wire-1", now=MAY)
    with pytest.raises(TopUpStateError):
        top_ups.cancel(top_up=paid, now=MAY)


def test_a_stopped_rule_buys_nothing(rule):
    TopUpRule.objects.update(stopped_at=MAY)
    assert due() == []


class _Rated:
    total = Money(Decimal("17.00"), "EUR")


def test_what_the_open_period_costs_so_far_counts_as_spent(acme, rule, monkeypatch):
    agreed.period(acme, MAY, JUNE)
    monkeypatch.setattr(closing, "preview", lambda *, period, now: _Rated)
    prepay(acme, "21.99")
    assert str(top_ups.remaining(customer=acme, currency="EUR", now=MAY + DAY)) == "4.99 EUR"
    assert len(due(MAY + DAY)) == 1


def test_a_rule_that_fails_does_not_stop_the_others(acme, rule, make_customer, monkeypatch):
    def fail(*, period, now):
        raise RatingError("no price")

    monkeypatch.setattr(closing, "preview", fail)
    agreed.period(acme, MAY, JUNE)
    rival = make_customer("rival")
    TopUpRule.objects.create(customer=rival, currency="EUR", threshold=5, amount=20, created_at=MAY)
    assert [row.rule.customer for row in top_ups.due(now=MAY + DAY)] == [rival]


def test_other_money_for_a_paid_top_up_waits_for_a_person(acme, rule):
    row = top_ups.due(now=MAY)[0]
    top_ups.settle(top_up=row, payment="wire-1", now=MAY)
    with pytest.raises(TopUpStateError, match="wire-2 waits for a person"):
        top_ups.settle(top_up=row, payment="wire-2", now=MAY)
    assert str(credits.available(customer=acme, currency="EUR", at=MAY)) == "20.00 EUR"


def test_no_money_pays_two_top_ups(acme, rule):
    top_ups.settle(top_up=top_ups.due(now=MAY)[0], payment="wire-1", now=MAY)
    TopUpRule.objects.update(threshold=50)
    second = top_ups.due(now=MAY)[0]
    with pytest.raises(PaymentConflictError, match="wire-1 has paid another"):
        top_ups.settle(top_up=second, payment="wire-1", now=MAY)
    second.refresh_from_db()
    assert second.status == "due"
    assert str(credits.available(customer=acme, currency="EUR", at=MAY)) == "20.00 EUR"


def test_told_by_many_at_once_it_is_credit_once(committed):
    rule = TopUpRule.objects.create(
        customer=factories.customer(), currency="EUR", threshold=5, amount=20, created_at=MAY
    )
    row = top_ups.due(now=MAY)[0]

    def settle(_):
        try:
            return top_ups.settle(top_up=row, payment="wire-1", now=MAY).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        grants = set(pool.map(settle, range(8)))
    assert len(grants) == 1
    assert str(credits.available(customer=rule.customer, currency="EUR", at=MAY)) == "20.00 EUR"


def test_the_command_lists_what_waits_and_settles_it_by_its_payment(rule, capsys):
    row = top_ups.due(now=MAY)[0]
    call_command("top_ups")
    assert f"{row.pk}: acme 2E+1".replace("2E+1", "20") in capsys.readouterr().out
    call_command("top_ups", settle=row.pk, payment="wire-1")
    assert TopUp.objects.get().payment == "wire-1"
    call_command("top_ups", settle=row.pk, payment="wire-1")
    for options, named in (
        ({"payment": "wire-2"}, "waits"),
        ({"payment": None}, "--payment"),
        ({"settle": 0}, "--settle"),
    ):
        with pytest.raises(CommandError, match=named):
            call_command("top_ups", **{"settle": row.pk, "payment": "x"} | options)
