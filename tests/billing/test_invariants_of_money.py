"""The invariants of money, rating and usage, by their numbers in the list that the design is held to.

Those of closing are in `test_invariants`, 5, 33 and 35 with credit notes, 17 and 20 with voids and the ledger's state
machine, 1, 4, 6 and 25 to 34 in `tests/stripe`. 22 to 24 are budgets'.
"""

import csv
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from io import StringIO

import pytest
from django.db import IntegrityError, ProgrammingError, connection, transaction
from hypothesis import given
from hypothesis import strategies as st

from billing import closing
from billing.models import CreditNote, Invoice, LedgerEntry
from billing.models.ledger import Account
from billing.money import Money, allocate, round_half_up, total
from billing.rating import prices
from billing.rating.cost import cost
from billing.reports import invoices
from metering import corrections, records, usage
from metering.event import Verdict
from metering.ingest import MAX_AHEAD
from metering.models import Event
from tests.billing.agreement import GRACE, at, metered, plan, start
from tests.billing.conftest import JUNE, MAY
from tests.metering.factories import send as submit
from tests.metering.factories import turn

JULY, MID_MAY = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 5, 16, 12, tzinfo=UTC)
CENTS = st.integers(0, 10**9).map(lambda cents: Money(Decimal(cents).scaleb(-2), "EUR"))


@given(sum_of_all=CENTS, weights=st.lists(st.integers(0, 10**6), min_size=1, max_size=81).filter(any))
def test_invariant_2_shown_parts_add_up_to_the_total_by_one_rounding(sum_of_all, weights):
    assert total(allocate(sum_of_all, weights), "EUR") == sum_of_all


def test_invariant_2_half_a_cent_goes_up():
    assert round_half_up(Fraction(81, 200), "EUR") == Money(Decimal("0.41"), "EUR")  # 81 x 0.005


def test_invariant_3_what_was_billed_is_compared_after_rounding(acme, send):
    """Each of two turns at 0.004 rounds to nothing; together they are a cent, which is due once."""
    subscription = start(acme, plan(metered("0.004")))
    send.turns(acme, MID_MAY, 1)
    (may,) = closing.close_due(now=JUNE + GRACE).invoices
    send.turns(acme, MID_MAY, 1)
    (june,) = closing.close_due(now=JULY + GRACE).invoices
    send.turns(acme, MID_MAY, 1)
    (july,) = closing.close_due(now=datetime(2026, 8, 1, tzinfo=UTC) + GRACE).invoices
    assert [one.total for one in (may, june, july)] == [Decimal("0.00"), Decimal("0.01"), Decimal("0.00")]
    assert subscription.periods.count() == 4


def test_invariant_7_an_event_is_counted_once_for_ever_by_a_constraint(acme):
    event = turn(time=MID_MAY)
    assert submit(event, customer=acme.pk).counts["accepted"] == 1
    years = MID_MAY + timedelta(days=3650)
    assert submit(event, customer=acme.pk, received_at=years).counts["duplicate"] == 1
    with connection.cursor() as cursor, pytest.raises(IntegrityError), transaction.atomic():
        cursor.execute("INSERT INTO metering_eventkey SELECT * FROM metering_eventkey")


def test_invariant_8_an_id_with_other_content_is_refused_and_reported(acme):
    first, other = turn("a", id="same", time=MID_MAY), turn("b", id="same", time=MID_MAY)
    submit(first, customer=acme.pk)
    (verdict,) = submit(other, customer=acme.pk).verdicts
    assert (verdict.verdict, verdict.errors[0].pointer) == (Verdict.CONFLICT, "/id")
    assert [one.data["turn"] for one in Event.objects.filter(customer_id=acme.pk)] == ["a"]


def test_invariant_10_the_groups_of_a_dimension_partition_the_total(acme, send):
    for agent, number in (("one", 3), ("two", 5), (None, 2)):
        send.turns(acme, MID_MAY, number, **({"agent": agent} if agent else {}))
    send.fold(JUNE)
    asked = {"customer_id": acme.pk, "meter": "turns", "starts_at": MAY, "ends_at": JUNE}
    parts = {row.group["agent"]: row.quantity for row in usage.read(**asked, group_by=["agent"]).rows}
    assert parts == {"one": 3, "two": 5, None: 2}
    assert sum(parts.values()) == usage.quantity(**asked)


def test_invariant_11_the_time_of_use_decides_the_period_half_open_in_the_customers_zone(make_customer, send):
    customer = make_customer("berlin", time_zone="Europe/Berlin")
    first, end = at("2026-02-28T23:00"), at("2026-03-31T22:00")  # March there, an hour short
    subscription = start(customer, plan(metered("1.00")), starts_at=first)
    for moment in (first, end - timedelta(microseconds=1), end):
        send.turns(customer, moment, 1)
    closed = closing.close_due(now=end + GRACE)
    (march,) = closed.invoices
    assert (march.period.starts_at, march.period.ends_at, march.total) == (first, end, Decimal("2.00"))
    assert subscription.periods.count() == 2


def test_invariant_12_an_event_of_the_future_is_refused_by_name(acme):
    ahead = turn(time=MID_MAY + MAX_AHEAD + timedelta(microseconds=1))
    (verdict,) = submit(ahead, turn(time=MID_MAY), customer=acme.pk, received_at=MID_MAY).verdicts[:1]
    assert (verdict.verdict, verdict.errors[0].pointer) == (Verdict.REJECTED, "/time")


def test_invariant_13_a_correction_is_a_new_row_and_the_original_stays(acme, send):
    send.turns(acme, MID_MAY, 1)
    (event,) = records.newest(customer_id=acme.pk, ends_at=JUNE, limit=1)
    told = {"customer_id": acme.pk, "source": event.source, "event_id": event.id}
    corrections.void(**told, actor="user:ada", reason="sent twice by hand", now=JUNE)
    (kept,) = Event.objects.filter(customer_id=acme.pk)
    assert kept.event_id == event.id
    with pytest.raises(ProgrammingError, match="Cannot delete"), transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("DELETE FROM metering_void")


def test_invariant_18_usage_that_shrank_after_billing_waits_for_a_person_above_the_limit(acme, send, settings):
    settings.CREDIT_NOTE_LIMITS = {"EUR": 1}
    start(acme, plan(metered("1.00")))
    send.turns(acme, MID_MAY, 10)
    (may,) = closing.close_due(now=JUNE + GRACE).invoices
    for event in records.newest(customer_id=acme.pk, ends_at=JUNE, limit=4):
        told = {"customer_id": acme.pk, "source": event.source, "event_id": event.id}
        corrections.void(**told, actor="user:ada", reason="sent by mistake", now=JUNE)
    (june,) = closing.close_due(now=JULY + GRACE).invoices
    note = CreditNote.objects.get()
    assert (june.total, note.invoice_id, note.total) == (Decimal("0.00"), may.pk, Decimal("4.00"))
    assert (note.status, note.needs_approval) == ("draft", True)


@pytest.mark.parametrize(
    ("quantity", "graduated", "volume"),
    [
        ("99", "99", "99"),
        ("100", "100", "100"),
        ("100.5", "100.25", "50.25"),
        ("101", "100.5", "50.5"),
        ("1000000", "500050", "500000"),
    ],
)
def test_invariant_21_tiers_are_right_on_either_side_of_their_bound(quantity, graduated, volume):
    tiers = [{"up_to": "100", "unit": "1"}, {"up_to": "inf", "unit": "0.5"}]
    for kind, expected in (("graduated", graduated), ("volume", volume)):
        price = prices.parse({"kind": kind, "tiers": tiers})
        assert isinstance(price, prices.Graduated | prices.Volume)
        assert cost(price, Decimal(quantity)) == Decimal(expected)


def test_invariant_36_the_export_adds_up_to_the_invoices_and_stays_the_same(acme, send):
    start(acme, plan(metered("0.333"), metered("0.07", key="decisions")))
    send.turns(acme, MID_MAY, 7)
    send.decisions(acme, MID_MAY, 3)
    closing.close_due(now=JULY + GRACE)
    first, second = StringIO(), StringIO()
    for out in (first, second):
        invoices.write_csv(out=out, since=None, until=None)
    assert first.getvalue() == second.getvalue()
    sums: dict[str, Decimal] = defaultdict(Decimal)
    for row in csv.DictReader(StringIO(first.getvalue())):
        sums[row["invoice"]] += Decimal(row["amount"])
    assert sums == {one.number: one.total for one in Invoice.objects.all()}
    booked = LedgerEntry.objects.filter(account=Account.RECEIVABLE).values_list("amount", flat=True)
    assert sum(booked) == sum(sums.values())
