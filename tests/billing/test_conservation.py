"""Conservation: every accepted event is pending, billed, zero-rated or excluded, and in one of these only."""

from datetime import UTC, datetime, timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from billing import changes, closing, conservation
from billing.changes import Act
from metering import corrections, records, usage
from tests.billing.agreement import metered, plan, start
from tests.billing.conftest import JUNE, MAY

JULY, GRACE = datetime(2026, 7, 1, tzinfo=UTC), timedelta(hours=2)
MID_MAY, MID_JUNE = datetime(2026, 5, 16, 12, tzinfo=UTC), datetime(2026, 6, 16, 12, tzinfo=UTC)
APRIL = datetime(2026, 4, 16, tzinfo=UTC)


def states(customer, starts_at=APRIL, ends_at=JULY):
    found = list(conservation.check(customers=[customer], starts_at=starts_at, ends_at=ends_at))
    assert all(one.lost == 0 for one in found), found
    return {one.meter: dict(one.states) for one in found}


@pytest.fixture
def agreed(acme):
    free = [{"key": "tests", "name": "turns of the tester", "filters": {"agent": ["tester"]}}]
    return start(acme, plan(metered("1.00", zero_rates=free)))


def void_one(customer):
    (event,) = records.newest(customer_id=customer.pk, limit=1)
    corrections.void(
        customer_id=customer.pk, source=event.source, event_id=event.id, actor="ada", reason="wrong", now=JUNE
    )


def test_an_event_goes_from_pending_to_billed(agreed, acme, send):
    send.turns(acme, MID_MAY, 3)
    assert states(acme) == {"turns": {("pending", ""): 3}}
    usage.catch_up(now=JUNE)
    assert states(acme) == {"turns": {("pending", ""): 3}}
    closing.close_due(now=JUNE + GRACE)
    assert states(acme) == {"turns": {("billed", ""): 3}}


def test_what_comes_late_is_pending_until_the_next_invoice(agreed, acme, send):
    send.turns(acme, MID_MAY, 3)
    closing.close_due(now=JUNE + GRACE)
    send.turns(acme, MID_MAY, 2)
    usage.catch_up(now=JUNE)
    assert states(acme)["turns"] == {("billed", ""): 3, ("pending", ""): 2}
    closing.close_due(now=JULY + GRACE)
    assert states(acme)["turns"] == {("billed", ""): 5}


def test_free_usage_is_zero_rated_by_the_name_of_its_rule(agreed, acme, send):
    send.turns(acme, MID_MAY, 3)
    send.turns(acme, MID_MAY, 2, agent="tester")
    closing.close_due(now=JUNE + GRACE)
    assert states(acme)["turns"] == {("billed", ""): 3, ("zero-rated", "turns of the tester"): 2}


def test_what_is_not_billed_at_all_is_excluded_for_a_reason(agreed, acme, send):
    send.turns(acme, APRIL, 1)
    send.turns(acme, MID_MAY, 3)
    void_one(acme)
    send.decisions(acme, MID_MAY, 4)
    closing.close_due(now=JUNE + GRACE)
    found = states(acme)
    assert found["decisions"] == {("excluded", "no rate card"): 4}
    assert found["turns"] == {("billed", ""): 2, ("excluded", "no subscription"): 1, ("excluded", "voided"): 1}


def test_usage_while_paused_is_zero_rated(agreed, acme, send):
    changes.pause(subscription=agreed, at=MID_MAY, act=Act("anna", now=MAY))
    send.turns(acme, MAY + timedelta(days=1), 1)
    send.turns(acme, MID_MAY + timedelta(days=1), 2)
    closing.close_due(now=JUNE + GRACE)
    assert states(acme)["turns"] == {("billed", ""): 1, ("zero-rated", "paused"): 2}


@given(
    days=st.lists(st.tuples(st.integers(-20, 60), st.booleans()), min_size=1, max_size=6),
    closes=st.lists(st.sampled_from([JUNE, JULY]), max_size=2),
)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_is_lost_whatever_comes_when(make_customer, send, days, closes):
    customer = make_customer(f"c{next(send.numbers)}")
    start(customer, plan(metered("1.00"), name=f"plan-{next(send.numbers)}"))
    for day, is_late in days:
        if is_late and closes:
            closing.close_due(now=closes.pop() + GRACE)
        send.turns(customer, MAY + timedelta(days=day))
    assert sum(states(customer).get("turns", {}).values()) == len([day for day, _ in days if day >= -15])


def test_the_command_counts_and_complains_where_an_event_is_lost(agreed, acme, send, monkeypatch):
    send.turns(acme, MID_MAY, 3)
    closing.close_due(now=JUNE + GRACE)
    out = StringIO()
    bounds = ["--from", MAY.isoformat(), "--to", JUNE.isoformat()]
    call_command("conservation", *bounds, stdout=out)
    assert "billed" in out.getvalue()
    with pytest.raises(CommandError, match="no customer"):
        call_command("conservation", *bounds, "--customer", "nobody")
    monkeypatch.setattr(conservation, "_stretches", lambda *_: [])
    with pytest.raises(CommandError, match="3 events"):
        call_command("conservation", *bounds, stdout=StringIO())
