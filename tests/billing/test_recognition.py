"""Deferred revenue: what is billed ahead is earned day by day, each day once, and the days make the whole."""

from datetime import date, timedelta
from decimal import Decimal
from io import StringIO
from zoneinfo import ZoneInfo

import pytest
from django.core.management import call_command
from django.db import IntegrityError, transaction
from hypothesis import given
from hypothesis import strategies as st

from billing import changes, credit_notes, deferring, recognition, tasks
from billing.models import Deferral, DeferralMove, LedgerTransaction
from billing.models.ledger import Account
from billing.money import Money, from_minor_units
from tests.billing.agreement import ANNA, at, close, fee, lines, metered, plan, start
from tests.billing.conftest import JUNE, MAY
from tests.billing.crediting import balance, books, credit

JULY = at("2026-07-01T00:00")
DAY = timedelta(days=1)


def ahead(amount="31.00", **fields):
    return plan(fee(amount, billed="advance"), **fields)


def earned():
    return f"{-Decimal(balance(Account.REVENUE)):.2f}"


@pytest.fixture
def subscription(acme):
    """31.00 for May, invoiced when it begins."""
    subscription = start(acme, ahead())
    close(subscription, MAY)
    return subscription


def test_what_is_billed_ahead_is_no_revenue_yet(subscription):
    assert books() == {"receivable": "31.00", "deferred": "-31.00"}


def test_a_day_is_earned_when_it_is_over(subscription):
    recognition.recognise(now=MAY + DAY - timedelta(seconds=1))
    assert earned() == "0.00"
    recognition.recognise(now=MAY + DAY)
    assert (earned(), balance(Account.DEFERRED)) == ("1.00", "-30.00")


def test_running_again_and_running_late_come_to_the_same(subscription):
    for _ in range(3):
        recognition.recognise(now=MAY + 10 * DAY)
    assert (earned(), LedgerTransaction.objects.filter(key__startswith="recognise:").count()) == ("10.00", 10)
    assert recognition.recognise(now=JULY).days == 21
    assert books() == {"receivable": "31.00", "revenue": "-31.00"}
    assert Deferral.objects.get().next_on is None


def test_a_day_is_that_of_the_customers_zone_and_an_hour_that_a_clock_skips_earns_nothing(make_customer):
    zone = ZoneInfo("Europe/Berlin")
    begins = at("2026-03-27T23:00")  # midnight in Berlin; the 29th has 23 hours
    subscription = start(make_customer(time_zone="Europe/Berlin"), ahead("719.00"), starts_at=begins)
    close(subscription, begins)
    row = Deferral.objects.get()
    assert (row.starts_at.astimezone(zone).day, row.ends_at.astimezone(zone).month) == (28, 4)
    seconds = (row.ends_at - row.starts_at).total_seconds()
    assert seconds == 31 * 86400 - 3600
    recognition.recognise(now=at("2026-03-29T22:30"))  # 00:30 on the 30th there
    amounts = dict(DeferralMove.objects.values_list("day", "amount"))
    # 719.00 for 743 hours: 24 of them are 23.2248; of the 695.78 left for 719 hours, 23 are 22.2572.
    assert amounts == {date(2026, 3, 28): Decimal("23.22"), date(2026, 3, 29): Decimal("22.26")}


def test_usage_and_fees_in_arrears_are_earned_at_once(acme, send):
    subscription = start(acme, plan(fee("10.00", "desk"), metered("1.00")))
    send.turns(acme, MAY, 2)
    close(subscription, JUNE)
    assert books() == {"receivable": "12.00", "revenue": "-12.00"}
    assert not Deferral.objects.exists()


def test_a_discount_is_deferred_with_its_charge(acme):
    discount = {"key": "d", "name": "Friends", "percent": "10"}
    close(start(acme, ahead("31.00", discounts=[discount])), MAY)
    assert Deferral.objects.get().amount == Decimal("27.90")
    recognition.recognise(now=MAY + DAY)
    assert earned() == "0.90"


def test_unused_time_comes_off_what_is_not_earned_yet(subscription):
    recognition.recognise(now=MAY + 10 * DAY)
    changes.cancel(subscription=subscription, at=MAY + 10 * DAY, act=ANNA)
    last = close(subscription, MAY + 10 * DAY)[-1]
    assert lines(last) == [("Base: unused time", "-21.00")]
    assert books() == {"receivable": "31.00", "revenue": "-10.00", "credits": "-21.00"}
    assert recognition.recognise(now=JULY).days == 0


def test_unused_time_that_was_earned_comes_off_revenue(subscription):
    recognition.recognise(now=JULY)
    changes.cancel(subscription=subscription, at=MAY + 10 * DAY, act=ANNA)
    close(subscription, MAY + 10 * DAY)
    assert (earned(), balance(Account.DEFERRED)) == ("10.00", "0.00")


class TestCreditNotes:
    def test_they_lower_what_is_not_earned_first_and_the_rest_is_shared_by_the_days_to_come(self, subscription):
        invoice = subscription.periods.order_by("pk")[0].invoices.get()
        recognition.recognise(now=MAY + 11 * DAY)
        credit(invoice, "10.00", now=MAY + 11 * DAY)
        assert (earned(), balance(Account.DEFERRED)) == ("11.00", "-10.00")
        recognition.recognise(now=MAY + 12 * DAY)
        assert earned() == "11.50"
        recognition.recognise(now=JULY)
        assert (earned(), balance(Account.DEFERRED)) == ("21.00", "0.00")

    def test_beyond_that_they_lower_revenue(self, subscription):
        invoice = subscription.periods.order_by("pk")[0].invoices.get()
        recognition.recognise(now=MAY + 21 * DAY)
        credit(invoice, "15.00", now=MAY + 21 * DAY)
        assert (earned(), balance(Account.DEFERRED)) == ("16.00", "0.00")

    def test_a_note_that_is_voided_gives_it_back_to_be_earned(self, subscription):
        invoice = subscription.periods.order_by("pk")[0].invoices.get()
        recognition.recognise(now=MAY + 11 * DAY)
        note = credit(invoice, "20.00", now=MAY + 11 * DAY)
        assert recognition.recognise(now=JUNE).days == 0
        credit_notes.void(note=note, actor="anna", reason="mistaken", now=JUNE)
        assert (earned(), balance(Account.DEFERRED)) == ("11.00", "-20.00")
        recognition.recognise(now=JULY)
        assert books() == {"receivable": "31.00", "revenue": "-31.00"}


def test_time_that_a_note_credited_is_not_given_back_once_more(subscription):
    """31.00, of which a note credits 15.50; of the other half, 21 of 31 days come back."""
    invoice = subscription.periods.order_by("pk")[0].invoices.get()
    credit(invoice, "15.50", now=MAY + 2 * DAY)
    changes.cancel(subscription=subscription, at=MAY + 10 * DAY, act=ANNA)
    last = close(subscription, MAY + 10 * DAY)[-1]
    assert lines(last) == [("Base: unused time", "-10.50")]


def test_the_roll_forward_explains_every_cent(subscription):
    invoice = subscription.periods.order_by("pk")[0].invoices.get()
    recognition.recognise(now=MAY + 11 * DAY)
    credit_notes.void(note=credit(invoice, "4.00", now=MAY + 11 * DAY), actor="a", reason="r", now=MAY + 11 * DAY)
    credit(invoice, "10.00", key="two", now=MAY + 12 * DAY)
    (row,) = recognition.roll_forward(since=MAY + 3 * DAY, until=MAY + 12 * DAY)
    told = {
        name: str(getattr(row, name).amount) for name in ("opening", "recognised", "credited", "restored", "closing")
    }
    assert told == {
        "opening": "31.00",
        "recognised": "11.00",
        "credited": "4.00",
        "restored": "4.00",
        "closing": "20.00",
    }
    (whole,) = recognition.roll_forward(since=MAY - DAY, until=JULY)
    assert (str(whole.billed), str(whole.credited), str(whole.closing)) == ("31.00 EUR", "14.00 EUR", "10.00 EUR")
    moved = whole.recognised.amount + whole.returned.amount + whole.credited.amount + whole.voided.amount
    assert whole.opening.amount + whole.billed.amount + whole.restored.amount - moved == whole.closing.amount
    assert whole.closing.amount == -Decimal(balance(Account.DEFERRED))


class TestTheDatabase:
    def test_it_refuses_to_earn_more_than_was_billed(self, subscription):
        row = Deferral.objects.get()
        move = {"deferral": row, "kind": "recognised", "day": date(2026, 5, 1), "booking": "x", "moved_at": MAY}
        with pytest.raises(IntegrityError, match="cannot be moved"), transaction.atomic():
            DeferralMove.objects.create(amount=Decimal("31.01"), **move)

    def test_it_refuses_a_day_twice(self, subscription):
        recognition.recognise(now=MAY + DAY)
        row = Deferral.objects.get()
        move = {"deferral": row, "kind": "recognised", "day": date(2026, 5, 1), "booking": "x", "moved_at": MAY}
        with pytest.raises(IntegrityError, match="once_a_day"), transaction.atomic():
            DeferralMove.objects.create(amount=1, **move)

    def test_it_refuses_to_change_what_was_deferred(self, subscription):
        with pytest.raises(IntegrityError, match="is fixed"), transaction.atomic():
            Deferral.objects.update(amount=1)


@given(st.integers(1, 10**6), st.integers(1, 400), st.integers(0, 86399))
def test_the_days_of_a_line_sum_to_the_line(units, days, offset):
    begins = MAY + timedelta(seconds=offset)
    row = Deferral(
        currency="EUR", amount=from_minor_units(units, "EUR").amount, time_zone="Europe/Berlin", starts_at=begins
    )
    row.ends_at = begins + days * DAY
    left, parts = row.amount, []
    day = deferring.first_day(row.starts_at, row.time_zone)
    while left:
        part = recognition.share(row=row, left=left, day=day).amount
        parts.append(part)
        left, day = left - part, day + DAY
    assert sum(parts) == row.amount
    assert min(parts) >= 0
    assert len(parts) <= days + 1
    fair = Money(row.amount, "EUR").amount / days
    assert max(parts) <= fair + Decimal("0.02") + fair / 20  # an hour more in autumn, and a cent


def test_the_task_and_the_command_do_the_same(subscription):
    tasks.recognise_revenue(now=(MAY + 2 * DAY).isoformat())
    assert earned() == "2.00"
    out = StringIO()
    call_command("recognise", "--from", "2026-05-01", "--to", "2026-06-01", stdout=out)
    assert "29 days of lines earned: 29.00 EUR." in out.getvalue()
