"""Subscriptions: one live one a customer, on a published version, with its periods as rows."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from billing import catalog, contracts, subscriptions
from billing.errors import CurrencyMismatchError, PlanNotPublishedError, SubscriptionExistsError
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
        following = subscriptions.open_next_period(period=period, contract=contracts.load(subscription=subscription))
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
