"""Recurring grants: each month once, in the customer's zone, the missed ones too."""

from datetime import UTC, datetime, timedelta

import pytest

from billing import credits, recurring_grants, tasks
from billing.errors import PeriodError
from billing.models import CreditGrant, RecurringGrant, TopUp, TopUpRule
from tests.billing.conftest import JUNE, MAY

DAY = timedelta(days=1)
JULY = datetime(2026, 7, 1, tzinfo=UTC)


def rule(customer, **terms):
    terms = {"currency": "EUR", "amount": 10, "starts_at": MAY, "created_at": MAY} | terms
    return RecurringGrant.objects.create(customer=customer, name="Every month", **terms)


def run(now):
    return [(grant.effective_at, grant.expires_at) for grant in recurring_grants.grant_due(now=now)]


def test_a_month_brings_one_grant_that_lasts_the_month(acme):
    rule(acme)
    assert run(MAY - DAY) == []
    assert run(MAY) == [(MAY, JUNE)]
    assert run(JUNE - DAY) == []
    assert run(JUNE) == [(JUNE, JULY)]


def test_missed_months_are_made_up_for(acme):
    rule(acme)
    assert run(JULY - DAY) == [(MAY, JUNE), (JUNE, JULY)]


def test_a_rule_that_has_ended_gives_no_more(acme):
    rule(acme, ends_at=JUNE)
    assert run(JULY) == [(MAY, JUNE)]


@pytest.mark.parametrize(("months", "expiry"), [(0, None), (2, JULY)])
def test_a_grant_lasts_as_many_months_as_the_rule_says(acme, months, expiry):
    rule(acme, lasts_months=months, ends_at=JUNE)
    assert run(JUNE) == [(MAY, expiry)]


def test_months_are_counted_in_the_customers_zone_from_any_day(make_customer):
    customer = make_customer("berlin", time_zone="Europe/Berlin")
    start = datetime(2026, 1, 31, 0, 0, tzinfo=UTC) - timedelta(hours=1)  # midnight in Berlin
    rule(customer, starts_at=start)
    starts = [effective.isoformat() for effective, _ in run(datetime(2026, 4, 30, 12, tzinfo=UTC))]
    assert starts == [
        "2026-01-30T23:00:00+00:00",
        "2026-02-27T23:00:00+00:00",
        "2026-03-30T22:00:00+00:00",
        "2026-04-29T22:00:00+00:00",
    ]


def test_units_recur_as_money_does(acme):
    rule(acme, currency="credits", amount=500, cards=["turns"], priority=7)
    recurring_grants.grant_due(now=MAY)
    grant = CreditGrant.objects.get()
    assert (grant.currency, grant.cards, grant.priority) == ("credits", ["turns"], 7)


def test_an_expired_month_does_not_come_again(acme):
    rule(acme)
    recurring_grants.grant_due(now=MAY)
    credits.expire_due(now=JUNE)
    assert run(JUNE) == [(JUNE, JULY)]


def test_a_rule_that_fails_does_not_stop_the_others(acme, make_customer):
    rule(acme, currency="USD")
    rule(make_customer("rival"))
    assert run(MAY) == [(MAY, JUNE)]


def test_the_task_gives_expires_and_tops_up(acme):
    rule(acme, ends_at=JUNE)
    TopUpRule.objects.create(customer=acme, currency="EUR", threshold=5, amount=20, created_at=MAY)
    tasks.keep_credits(now=MAY.isoformat())
    assert (CreditGrant.objects.count(), TopUp.objects.count()) == (1, 1)
    tasks.keep_credits(now=JULY.isoformat())
    assert CreditGrant.objects.get().expired_at == JULY
    with pytest.raises(PeriodError):
        tasks.keep_credits(now="soon")
