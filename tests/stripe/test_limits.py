"""Limits of calls: a bucket that never gives more than it holds, shared by all, and nobody sleeps on a lock."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st

from billing.models import CallBudget, OutboxMessage
from billing.models.payments import OutboxState
from billing.stripe import buckets, delivery, limits
from billing.stripe.buckets import Bucket, Limit
from billing.stripe.delivery import Delivered
from billing.stripe.errors import OverLimitError
from tests.stripe import rows

NOW = rows.ISSUED
LIMIT = Limit(Decimal(25), Decimal("2.5"))
URL = "https://api.stripe.com/v1/invoices/in_1NqYwB2eZvKYlo2C/finalize"


@given(st.lists(st.integers(min_value=0, max_value=200_000), min_size=1, max_size=60))
def test_calls_made_when_told_never_exceed_the_rate_beyond_the_burst(pauses):
    bucket, now, made = buckets.full(limit=LIMIT, now=NOW), NOW, []
    for pause in pauses:
        now += timedelta(microseconds=pause)
        bucket, wait = buckets.take(bucket=bucket, limit=LIMIT, now=now)
        made.append(now + wait)
    for first, start in enumerate(made):
        in_a_second = sum(start <= at < start + timedelta(seconds=1) for at in made[first:])
        assert in_a_second <= LIMIT.per_second + LIMIT.burst + 1


def test_a_full_bucket_gives_its_burst_at_once_and_then_one_call_each_fortieth_of_a_second():
    bucket, waits = buckets.full(limit=LIMIT, now=NOW), []
    for _ in range(5):
        bucket, wait = buckets.take(bucket=bucket, limit=LIMIT, now=NOW)
        waits.append(wait.total_seconds())
    assert waits == [0, 0, 0.02, 0.06, 0.1]


def test_a_clock_that_stands_behind_gains_nothing():
    bucket = Bucket(Decimal(0), NOW)
    left, wait = buckets.take(bucket=bucket, limit=LIMIT, now=NOW - timedelta(seconds=1))
    assert (left.filled_at, left.tokens) == (NOW, Decimal(-1))
    assert wait == timedelta(seconds=1, milliseconds=40)


@pytest.mark.parametrize(("per_second", "burst"), [(0, 1), (-1, 1), (25, 0)])
def test_a_limit_allows_something(per_second, burst):
    with pytest.raises(ValueError, match="must allow a call"):
        Limit(Decimal(per_second), Decimal(burst))


@pytest.mark.parametrize(("live", "account"), [(True, 100), (False, 25)])
def test_stripes_own_limits_hold_where_nothing_is_set(settings, live, account):
    settings.STRIPE_CALLS_PER_SECOND = settings.STRIPE_ENDPOINT_CALLS_PER_SECOND = 0
    found = limits.limits_of(method="post", url=URL, live=live)
    mode = "live" if live else "test"
    assert {name: limit.per_second for name, limit in found.items()} == {
        mode: account,
        f"{mode} POST /v1/invoices/{{id}}/finalize": 25,
    }
    search = limits.limits_of(method="get", url="https://api.stripe.com/v1/customers/search?query=x", live=live)
    assert search[f"{mode} GET /v1/customers/search"].per_second == 20


@pytest.mark.django_db(transaction=True)
class TestShared:
    @pytest.fixture(autouse=True)
    def _limited(self, settings):
        settings.STRIPE_CALLS_PER_SECOND, settings.STRIPE_ENDPOINT_CALLS_PER_SECOND = 10, 1000

    def reserve(self):
        return limits.reserve(method="get", url=URL, live=False, now=NOW).total_seconds()

    def test_all_take_from_one_bucket(self):
        assert [self.reserve() for _ in range(4)] == [0, 0.1, 0.2, 0.3]

    def test_nobody_waits_for_long_and_what_was_not_made_is_not_taken(self):
        for _ in range(21):
            self.reserve()
        left = CallBudget.objects.get(name="test").tokens
        with pytest.raises(OverLimitError):
            self.reserve()
        assert CallBudget.objects.get(name="test").tokens == left

    def test_nobody_waits_with_a_transaction_open(self):
        self.reserve()
        with transaction.atomic(), pytest.raises(OverLimitError):
            self.reserve()

    def test_beyond_the_limit_the_run_ends_and_nothing_is_in_doubt(self, stripe, enqueued, clock, monkeypatch):
        monkeypatch.setattr(limits, "PATIENCE", timedelta(0))
        first = delivery.deliver(now=clock.now)
        assert first == Delivered(sent=1, postponed=1)
        assert OutboxMessage.objects.get(operation="create_invoice").state == OutboxState.PENDING
