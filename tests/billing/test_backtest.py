"""Back-test: every customer's last periods on a plan version; winners, losers, sums, progress, and bounded memory."""

import io
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError

from billing import backtest, catalog, closing, rehearsals, subscriptions
from billing.models import BillingPeriod, Rehearsal, RehearsalResult
from billing.money import Money
from billing.periods import full_period
from billing.readings import Readings
from metering import usage
from tests.billing.conftest import JUNE, MAY
from tests.billing.test_simulate import JULY, offer

AUGUST = datetime(2026, 8, 1, tzinfo=UTC)
LATER = AUGUST + timedelta(hours=2)


def euro(text):
    return Money(Decimal(text), "EUR")


@pytest.fixture
def sold(db):
    document = offer("now", turn="0.10")
    return catalog.publish(version=catalog.import_plan(document=document, now=MAY), now=MAY)


@pytest.fixture
def play(make_customer, sold, send):
    """Customers on 0.10 a turn from May on, each with so many turns in May, June and July, all invoiced."""

    def played(**turns):
        for key, months in turns.items():
            customer = make_customer(key)
            subscriptions.start(customer=customer, version=sold, starts_at=MAY, now=MAY)
            for month, number in zip((MAY, JUNE, JULY), months, strict=True):
                send.turns(customer, month + timedelta(days=5), number)
        send.fold(AUGUST)
        assert not closing.close_due(now=LATER).parked

    return played


@pytest.fixture
def draft(db):
    """20 turns included in a fee of 2.00, then 0.15: small customers pay more, and so do large ones."""
    document = offer("next", turn="0.15", base="2.00")
    document["rate_cards"][1]["allowance"] = "20"
    return catalog.import_plan(document=document, now=MAY)


def run(version, periods=12, **more):
    return backtest.backtest(version=version, periods=periods, now=LATER, **more)


def test_every_customer_is_priced_and_summed(play, draft):
    play(acme=(10, 30, 20), rival=(100, 100, 100))
    found = run(draft).revenue["EUR"]
    # acme paid 6.00; it would pay 3 x 2.00 + 10 x 0.15 = 7.50. rival paid 30.00; 3 x (2.00 + 80 x 0.15) = 42.00.
    assert (found.customers, found.periods) == (2, 6)
    assert (found.before, found.after, found.change) == (euro("36.00"), euro("49.50"), euro("13.50"))
    assert [(one.customer.key, one.change) for one in found.losers] == [
        ("rival", euro("12.00")),
        ("acme", euro("1.50")),
    ]
    assert found.winners == ()


def test_who_pays_less_is_a_winner_the_largest_first(play, draft):
    play(acme=(30, 30, 30), rival=(40, 40, 40), third=(20, 20, 20))
    # acme 9.00 -> 3 x 3.50 = 10.50; rival 12.00 -> 15.00; third 6.00 -> 6.00
    found = run(draft).revenue["EUR"]
    assert [one.customer.key for one in found.losers] == ["rival", "acme"]
    cheaper = catalog.import_plan(document=offer("less", turn="0.01"), now=MAY)
    found = run(cheaper).revenue["EUR"]
    assert [one.customer.key for one in found.winners] == ["rival", "acme", "third"]


def test_only_the_last_periods_count(play, draft):
    play(acme=(10, 30, 20))
    found = run(draft, periods=1).revenue["EUR"]
    assert (found.periods, found.before, found.after) == (1, euro("2.00"), euro("2.00"))


def test_no_more_than_ten_are_remembered_whatever_the_number_of_customers(play, draft, monkeypatch):
    monkeypatch.setattr(backtest, "CHUNK", 5)
    play(**{f"c{number:02}": (100 + number, 1, 1) for number in range(13)})
    found = run(draft).revenue["EUR"]
    assert found.customers == 13
    assert [one.customer.key for one in found.losers] == [f"c{number:02}" for number in range(12, 2, -1)]


def test_progress_is_told_and_outcomes_are_handed_over_chunk_by_chunk(play, draft, monkeypatch):
    monkeypatch.setattr(backtest, "CHUNK", 2)
    play(a=(1, 1, 1), b=(1, 1, 1), c=(1, 1, 1))
    told, kept = [], []
    run(draft, watch=lambda done, everyone: told.append((done, everyone)), keep=lambda some: kept.append(len(some)))
    assert told == [(2, 3), (3, 3)]
    assert kept == [2, 1]


def test_a_customer_that_cannot_be_priced_is_named_with_the_reason_and_in_no_sum(play, make_customer, draft, send):
    dollars = catalog.import_plan(document=offer("dollars", turn="0.10", currency="USD"), now=MAY)
    catalog.publish(version=dollars, now=MAY)
    foreign = make_customer("foreign", currency="USD")
    subscriptions.start(customer=foreign, version=dollars, starts_at=MAY, now=MAY)
    send.turns(foreign, MAY, 1)
    play(acme=(10, 30, 20))
    found = run(draft)
    assert found.unpriced == 1
    assert found.unpriced_first[0].customer == foreign
    assert "CurrencyMismatchError" in found.unpriced_first[0].reason
    assert list(found.revenue) == ["EUR"]


def test_late_usage_counts_where_it_happened(play, draft, send, sold):
    play(acme=(20, 20, 20))
    customer = BillingPeriod.objects.order_by("pk")[0].subscription.customer
    send.turns(customer, MAY + timedelta(days=6), 10)
    send.fold(LATER)
    found = run(draft).revenue["EUR"]
    assert (found.before, found.after) == (euro("6.00"), euro("7.50"))


def test_a_rehearsal_keeps_each_customer_and_is_done_once(play, draft):
    play(acme=(10, 30, 20), rival=(100, 100, 100))
    rehearsal = rehearsals.request(version=draft, periods=12, by=None, now=LATER)
    assert rehearsals.run(rehearsal=rehearsal, now=LATER) is not None
    assert rehearsals.run(rehearsal=rehearsal, now=LATER) is None
    rehearsal.refresh_from_db()
    assert (rehearsal.state, rehearsal.customers_done, rehearsal.customers_total) == ("done", 2, 2)
    assert RehearsalResult.objects.count() == 2
    (summary,) = rehearsals.summaries(rehearsal=rehearsal)
    assert (summary.customers, summary.before, summary.after) == (2, euro("36.00"), euro("49.50"))
    assert summary.percent == Decimal("37.5")
    assert [result.customer.key for result in summary.losers] == ["rival", "acme"]
    assert [(bar.from_percent, bar.customers) for bar in summary.bars if bar.customers] == [(25, 1), (40, 1)]
    assert sum(bar.customers for bar in summary.bars) == summary.customers


def test_a_run_that_was_killed_is_begun_anew(play, draft):
    play(acme=(10, 30, 20))
    rehearsal = rehearsals.request(version=draft, periods=12, by=None, now=LATER)
    customer = BillingPeriod.objects.order_by("pk")[0].subscription.customer
    Rehearsal.objects.update(state="running")
    RehearsalResult.objects.create(
        rehearsal=rehearsal, customer=customer, currency="EUR", periods=1, before=Decimal(1), after=Decimal(1)
    )
    rehearsals.run(rehearsal=rehearsal, now=LATER)
    assert RehearsalResult.objects.get().periods == 3


def test_a_rehearsal_that_fails_says_why(play, draft, monkeypatch):
    play(acme=(10, 30, 20))
    rehearsal = rehearsals.request(version=draft, periods=12, by=None, now=LATER)

    def broken(**_):
        raise ValueError("the disk is full")

    monkeypatch.setattr(rehearsals, "backtest", broken)
    with pytest.raises(ValueError, match="disk"):
        rehearsals.run(rehearsal=rehearsal, now=LATER)
    rehearsal.refresh_from_db()
    assert (rehearsal.state, rehearsal.error) == ("failed", "ValueError: the disk is full")


def test_a_rehearsal_knows_whether_the_draft_was_edited_since(play, draft):
    rehearsal = rehearsals.request(version=draft, periods=12, by=None, now=LATER)
    assert rehearsals.is_current(rehearsal=rehearsal)
    catalog.import_plan(document=offer("next", turn="0.16"), now=LATER)
    rehearsal = Rehearsal.objects.select_related("version").get()
    assert not rehearsals.is_current(rehearsal=rehearsal)


def test_a_rehearsal_of_no_periods_is_refused_by_the_database(draft):
    with pytest.raises(IntegrityError, match="rehearsal_periods_above_zero"):
        rehearsals.request(version=draft, periods=0, by=None, now=LATER)


def test_the_command_prints_sums_winners_and_losers(play, draft):
    play(acme=(10, 30, 20), rival=(100, 100, 100))
    out = io.StringIO()
    call_command("backtest", "next", "--version", "1", "--periods", "12", stdout=out)
    text = out.getvalue()
    assert "next version 1, 12 periods" in text
    assert "rival" in text
    assert "49.5" in text


def test_the_command_names_a_version_that_is_not_there(draft):
    with pytest.raises(CommandError, match="no version 7 of next"):
        call_command("backtest", "next", "--version", "7")


@pytest.mark.parametrize(
    ("anchor", "zone"),
    [
        pytest.param("2026-01-01T00:00:00+01:00", "Europe/Berlin", id="the months of the calendar"),
        pytest.param("2026-01-01T00:00:00Z", "Europe/Berlin", id="months from one in the morning"),
        pytest.param("2026-01-17T09:30:00+05:30", "Asia/Kolkata", id="months from the middle"),
    ],
)
@pytest.mark.parametrize("group_by", [(), ("agent",)])
def test_readings_of_many_periods_are_those_of_each(make_customer, sold, send, anchor, zone, group_by):
    start = datetime.fromisoformat(anchor)
    customer = make_customer(time_zone=zone)
    first = start + timedelta(days=9, hours=3)
    subscriptions.start(customer=customer, version=sold, starts_at=first, anchor_at=start, now=first)
    periods = [BillingPeriod.objects.get()]
    while len(periods) < 5:
        before = periods[-1]
        whole = full_period(anchor_at=start, zone=zone, interval="month", at=before.ends_at)
        periods.append(
            BillingPeriod(subscription=before.subscription, starts_at=whole.starts_at, ends_at=whole.ends_at)
        )
    for number in range(25):
        at = start.astimezone(ZoneInfo(zone)) + timedelta(days=6 * number, minutes=37 * number)
        send.turns(customer, at, 1, agent="ab"[number % 2])
    seat = send.seat(customer, start + timedelta(days=40))
    send.release(seat, start + timedelta(days=80))
    fold = send.fold(start + timedelta(days=200))
    readings = Readings.of(periods)
    for period in periods:
        bounds = {"customer_id": customer.pk, "starts_at": period.starts_at, "ends_at": period.ends_at, "as_of": fold}
        for meter in ("turns", "seats"):
            groups = group_by if meter == "turns" else ()
            together = readings.read(meter=meter, group_by=groups, **bounds)
            alone = usage.read(meter=meter, group_by=groups, **bounds)
            assert [(row.group, row.quantity) for row in together.rows] == [
                (row.group, row.quantity) for row in alone.rows
            ]
