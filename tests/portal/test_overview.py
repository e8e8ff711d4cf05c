"""The overview: what this period costs so far, worked by hand.

The plan: 30.00 a month; turns 0.50 each up to 2, 0.125 beyond; seats 10.00 a month, to the second.
"""

from datetime import timedelta

import pytest
from django.conf import settings

from billing import closing
from billing.models import BillingPeriod
from billing.models.subscriptions import PeriodStatus
from tests.portal import stage
from tests.portal.conftest import NOVEMBER, NOW
from tests.portal.stage import utc


@pytest.fixture
def working(acme):
    """Three turns and, from 1 November on, one seat; now half of the period and half a day have passed."""
    stage.subscribe(acme, starts_at=NOVEMBER)
    work = stage.Work(acme)
    work.turns(utc(2026, 11, 3, 9), utc(2026, 11, 10, 9), utc(2026, 11, 10, 10))
    work.seat("one", NOVEMBER)
    stage.count(NOW)
    return acme


def rows_of(text):
    """The rows of the first table as lists of their cells' words."""
    body = text.split("<tbody>")[1].split("</tbody>")[0]
    return [" ".join(part.split()) for part in body.split("<tr>")[1:]]


def test_it_shows_each_charge_with_quantity_unit_and_amount(portal, working):
    base, turns, seats = rows_of(portal.text("overview"))
    # 30.00 x 15.5 of 30 days
    assert "Base fee" in base
    assert ">€15.50<" in base
    # 2 x 0.50 + 1 x 0.125 = 1.125, half up
    assert ">Turns</a>" in turns
    assert '<td class="number">3<span class="narrow unit">turn</span></td> <td class="wide unit">turn</td>' in turns
    assert ">€1.13<" in turns
    # 1 seat for 15.5 of 30 days is 0.51666.. seats at 10.00
    assert '<td class="number">0.517<span class="narrow unit">seat</span></td> <td class="wide unit">seat</td>' in seats
    assert ">€5.17<" in seats


def test_it_shows_total_period_days_left_and_next_invoice(portal, working):
    text = portal.text("overview")
    assert ">€21.80<" in text
    assert "1 Nov 2026 to 30 Nov 2026" in text
    assert ">14 days<" in text
    assert 'value="51"' in text
    assert ">1 Dec 2026<" in text
    assert "from 02:00" in text


def test_it_says_as_of_when_in_the_customers_zone_and_up_to_which_fold(portal, working):
    text = portal.text("overview")
    assert "16 Nov 2026, 12:00" in text
    assert "Counted up to fold" in text
    assert "Dates and times are in Europe/Berlin." in text


def test_a_charge_leads_to_its_usage_and_shows_its_trend_in_words(portal, working):
    _, turns, seats = rows_of(portal.text("overview"))
    assert "?meter=turns&amp;first=2026-11-01&amp;last=2026-11-16" in turns
    assert 'aria-label="Turns by day: from 0 to 2, latest 0"' in turns
    assert 'aria-label="Seats by day: from 1 to 1, latest 1"' in seats


def test_what_is_not_folded_yet_is_not_shown(portal, working):
    stage.Work(working).turns(utc(2026, 11, 12), agent="late")
    assert ">€21.80<" in portal.text("overview")


def test_without_a_plan_it_says_so(portal):
    text = portal.text("overview")
    assert "Acme Harbour is on no plan" in text
    assert "No invoice was issued yet" in text


def test_latest_invoices_have_state_total_and_a_way_to_pay(portal, acme):
    stage.subscribe(acme, starts_at=utc(2026, 9, 30, 22))
    bill = stage.invoice(acme, now=utc(2026, 11, 1, 3))
    stage.offer_payment(bill)
    text = portal.text("overview")
    assert bill.number in text
    assert '<span class="state overdue">Overdue</span>' in text
    assert 'href="https://invoice.stripe.example/i/1"' in text
    assert ">€30.00<" in text
    assert "1 open invoice" in text


def test_a_period_that_ended_is_shown_until_it_is_invoiced(portal, acme):
    stage.subscribe(acme, starts_at=utc(2026, 10, 16, 10))  # noon in Berlin, as now
    text = portal.text("overview")
    assert "This period is over" in text
    assert "Total of the period" in text
    assert ">€30.00<" in text


def test_a_parked_period_is_said_to_be_checked(portal, acme):
    subscription = stage.subscribe(acme, starts_at=NOVEMBER)
    BillingPeriod.objects.filter(subscription=subscription).update(status=PeriodStatus.PARKED)
    assert "waits for a check on our side" in portal.text("overview")


def test_a_period_that_has_not_begun_costs_nothing_yet(portal, acme):
    stage.subscribe(acme, starts_at=utc(2026, 11, 30, 23))
    text = portal.text("overview")
    assert "Next period begins" in text
    assert ">1 Dec 2026<" in text
    assert "Spend by unit" not in text


def test_yen_have_no_digits_after_the_point(portal, acme):
    acme.currency = "JPY"
    acme.save()
    stage.subscribe(acme, starts_at=NOVEMBER)
    assert ">¥16<" in portal.text("overview")  # 15.5, half up


def test_a_period_invoiced_before_its_end_is_shown_as_invoiced(portal, acme):
    subscription = stage.subscribe(acme, starts_at=NOVEMBER)
    period = subscription.periods.get()
    closing.close(period_id=period.pk, now=period.ends_at + timedelta(hours=settings.CLOSE_GRACE_HOURS))
    text = portal.text("overview")
    assert "This period was invoiced before its end" in text
    assert "Spend by unit" in text
    assert ">€30.00<" in text
