"""Subscriptions: one live one a customer, on a published version, with its periods as rows."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from billing import catalog, subscriptions
from billing.errors import (
    CurrencyMismatchError,
    PeriodError,
    PlanNotPublishedError,
    SubscriptionExistsError,
)
from billing.models import BillingPeriod, Subscription
from tests.billing.conftest import JUNE, MAY


def bounds(period):
    return period.starts_at, period.ends_at


def test_the_first_period_runs_a_month_from_the_start_in_the_customers_zone(make_customer, subscribe):
    berlin = ZoneInfo("Europe/Berlin")
    customer = make_customer(time_zone="Europe/Berlin")
    subscription = subscribe(customer, starts_at=datetime(2026, 10, 1, tzinfo=berlin))
    period = subscription.periods.get()
    assert bounds(period) == (datetime(2026, 9, 30, 22, tzinfo=UTC), datetime(2026, 10, 31, 23, tzinfo=UTC))
    assert (period.full_starts_at, period.full_ends_at) == bounds(period)


def test_a_start_after_the_anchor_makes_a_partial_first_period(acme, publish):
    start = datetime(2026, 5, 20, tzinfo=UTC)
    subscription = subscriptions.start(
        customer=acme, version=publish("activity"), starts_at=start, now=start, anchor_at=MAY
    )
    period = subscription.periods.get()
    assert bounds(period) == (start, JUNE)
    assert (period.full_starts_at, period.full_ends_at) == (MAY, JUNE)


def test_periods_follow_one_another_through_short_months(acme, subscribe):
    subscription = subscribe(acme, starts_at=datetime(2026, 1, 31, tzinfo=UTC))
    period = subscription.periods.get()
    for _ in range(3):
        following = subscriptions.open_next_period(period=period)
        assert following is not None
        assert following.starts_at == period.ends_at
        period = following
    assert [one.starts_at.day for one in subscription.periods.order_by("starts_at")] == [31, 28, 31, 30]


def test_a_customer_has_one_live_subscription(acme, subscribe, publish):
    subscribe(acme)
    with pytest.raises(SubscriptionExistsError):
        subscriptions.start(customer=acme, version=publish("seats"), starts_at=MAY, now=MAY)
    assert Subscription.objects.count() == 1


def test_a_draft_cannot_be_subscribed_to(acme):
    version = catalog.import_plan(document=catalog.read(path=catalog.PLANS / "seats.toml"), now=MAY)
    with pytest.raises(PlanNotPublishedError):
        subscriptions.start(customer=acme, version=version, starts_at=MAY, now=MAY)


def test_the_plan_must_be_in_the_customers_currency(make_customer, publish):
    with pytest.raises(CurrencyMismatchError):
        subscriptions.start(customer=make_customer(currency="USD"), version=publish("seats"), starts_at=MAY, now=MAY)
    assert not BillingPeriod.objects.exists()


def test_an_end_cuts_the_open_period_and_opens_no_other(acme, subscribe):
    subscription = subscribe(acme)
    end = datetime(2026, 5, 10, tzinfo=UTC)
    subscriptions.end(subscription=subscription, ends_at=end)
    period = BillingPeriod.objects.get()
    assert (period.ends_at, period.full_ends_at) == (end, JUNE)
    assert subscriptions.open_next_period(period=period) is None


def test_after_its_end_a_customer_may_subscribe_again(acme, subscribe, publish):
    end = datetime(2026, 5, 10, tzinfo=UTC)
    subscriptions.end(subscription=subscribe(acme), ends_at=end)
    subscriptions.start(customer=acme, version=publish("seats"), starts_at=end, now=end)
    assert Subscription.objects.filter(ends_at=None).count() == 1


@pytest.mark.parametrize("end", [MAY, datetime(2026, 7, 1, tzinfo=UTC)])
def test_an_end_outside_the_open_period_is_refused(acme, subscribe, end):
    subscription = subscribe(acme)
    with pytest.raises(PeriodError):
        subscriptions.end(subscription=subscription, ends_at=end)
    assert Subscription.objects.get().ends_at is None


def test_a_subscription_ends_once(acme, subscribe):
    subscription = subscriptions.end(subscription=subscribe(acme), ends_at=datetime(2026, 5, 10, tzinfo=UTC))
    with pytest.raises(PeriodError):
        subscriptions.end(subscription=subscription, ends_at=datetime(2026, 5, 9, tzinfo=UTC))
