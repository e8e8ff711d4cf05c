"""One declared feed bills a meter and an agent; the other is recorded beside it and can be compared."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import DatabaseError, transaction

from agents import feeds, intake, reconciliation
from agents.errors import FeedError
from agents.models import Feed
from agents.models.feeds import FeedSource
from metering import usage
from metering.event import UsageEvent
from metering.models import Event
from tests.factories import api_key, customer
from tests.otlp import factories as make

pytestmark = pytest.mark.django_db
NOW = datetime(2026, 11, 15, 10, tzinfo=UTC)
START = NOW + timedelta(minutes=30)  # the runs of tests.otlp.factories are at 11:00
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def acme():
    return customer("acme")


def declare(owner, source=FeedSource.OTLP, *, meter="turns", starts_at=START, agent="", now=NOW):
    return feeds.declare(
        customer=owner, meter=meter, source=source, starts_at=starts_at, actor="ann", now=now, agent=agent
    )


def turn(name, *, agent="triage", time=NOW + HOUR, environment="production"):
    data = {"turn": name, "outcome": "answered", "agent": agent}
    return UsageEvent(
        id=name, source="/laptop", type="io.agentmeter.turn.completed.v1", subject=agent, time=time,
        environment=environment, data=data, sequence=None, body=name.encode()
    )  # fmt: skip


def tell(owner, *events):
    """Send events as the runtime or an API client does."""
    return intake.record(caller=make.caller_of(owner), submissions=events, body=b"", received_at=make.NOW)


def trace(owner, *, run=make.pydantic_ai):
    """Send a run as a framework does: 1 turn, 2 decisions, at 11:00."""
    make.send(owner, *run(make.trace_id()))
    make.complete()


def billed(owner, meter="turns", environment="production"):
    usage.catch_up(now=make.NOW + HOUR)
    return usage.quantity(
        customer_id=owner.pk, meter=meter, environment=environment, starts_at=NOW - DAY, ends_at=NOW + DAY
    )


def test_without_a_declaration_events_bill_and_traces_are_compared(acme):
    tell(acme, turn("a"), turn("b"))
    trace(acme)
    assert (billed(acme), billed(acme, environment="shadow")) == (2, 1)


def test_once_declared_traces_bill_and_events_are_compared(acme):
    declare(acme)
    tell(acme, turn("a"), turn("b"))
    trace(acme)
    assert (billed(acme), billed(acme, environment="shadow")) == (1, 2)
    assert billed(acme, "decisions") == 0


def test_a_declaration_holds_for_every_meter_of_the_same_events(acme):
    declare(acme, meter="decisions")
    trace(acme)
    assert (billed(acme, "decisions"), billed(acme, "decision-peak"), billed(acme)) == (2, 2, 0)


def test_an_agents_own_declaration_goes_before_the_one_for_all(acme):
    declare(acme)
    declare(acme, FeedSource.EVENTS, agent="triage")
    tell(acme, turn("a"), turn("b", agent="other"))
    trace(acme)
    assert (billed(acme), billed(acme, environment="shadow")) == (1, 2)


def test_the_time_of_use_decides_whenever_it_arrives(acme):
    declare(acme, starts_at=START)
    tell(acme, turn("before", time=START - timedelta(microseconds=1)), turn("after", time=START))
    assert (billed(acme), billed(acme, environment="shadow")) == (1, 1)


def test_nothing_that_was_taken_in_is_under_a_later_declaration(acme):
    tell(acme, turn("a"))
    for soon in (NOW, NOW + timedelta(minutes=9)):
        with pytest.raises(FeedError, match="starts_at"):
            declare(acme, starts_at=soon)
    declare(acme, starts_at=NOW + feeds.LEAD)


def test_a_declaration_is_made_once_for_an_instant_and_never_changed(acme):
    feed = declare(acme)
    with pytest.raises(FeedError, match="already"):
        declare(acme, FeedSource.EVENTS)
    with pytest.raises(FeedError, match="meter"):
        declare(acme, meter="nothing")
    with pytest.raises(DatabaseError), transaction.atomic():
        Feed.objects.filter(pk=feed.pk).update(source=FeedSource.EVENTS)


def test_test_usage_stays_test_usage(acme):
    declare(acme)
    tell(acme, turn("a", environment="test"))
    assert Event.objects.get().environment == "test"


def test_an_event_that_comes_again_after_the_change_is_a_duplicate(acme):
    tell(acme, turn("a"))
    declare(acme)
    assert tell(acme, turn("a")).counts["duplicate"] == 1


def test_another_customers_declaration_changes_nothing(acme):
    declare(customer("rival"))
    tell(acme, turn("a"))
    assert billed(acme) == 1


def test_a_sender_cannot_name_the_shadow(acme, client):
    event = {"specversion": "1.0", "id": "a", "source": "/x", "type": "io.agentmeter.turn.completed.v1",
             "data": {"turn": "a", "environment": "shadow"}}  # fmt: skip
    answer = client.post(
        "/v1/events",
        data=[event],
        content_type="application/cloudevents-batch+json",
        headers={"Authorization": f"Bearer {api_key(acme)}"},
    )
    assert answer.json()["verdicts"][0]["errors"][0]["pointer"] == "/0/data/environment"


def compare(owner, meter="turns", starts_at=NOW - DAY, ends_at=NOW + DAY):
    usage.catch_up(now=make.NOW + HOUR)
    return reconciliation.compare(customer_id=owner.pk, meter=meter, starts_at=starts_at, ends_at=ends_at)


def test_both_feeds_stand_side_by_side_by_agent(acme):
    tell(acme, turn("a"), turn("b"), turn("c", agent="other"))
    trace(acme)
    found = {one.agent: (one.events, one.otlp, one.difference, one.bills) for one in compare(acme)}
    assert found == {
        "triage": (Decimal(2), Decimal(1), Decimal(1), FeedSource.EVENTS),
        "other": (Decimal(1), Decimal(0), Decimal(1), FeedSource.EVENTS),
    }


def test_a_change_of_feed_within_the_period_is_read_in_parts(acme):
    declare(acme)
    tell(acme, turn("before", time=START - HOUR), turn("after"), turn("after too"))
    trace(acme)
    one = compare(acme)[0]
    assert (one.events, one.otlp, one.bills) == (3, 1, FeedSource.OTLP)
    assert billed(acme) == 2


def test_a_meter_whose_parts_cannot_be_added_is_refused(acme):
    with pytest.raises(FeedError, match="decision-peak"):
        compare(acme, "decision-peak")


def test_the_comparison_can_be_read(acme, client):
    tell(acme, turn("a"), turn("b"))
    trace(acme)
    usage.catch_up(now=make.NOW + HOUR)
    secret = api_key(acme)

    def get(query):
        return client.get(f"/v1/reconciliation?{query}", headers={"Authorization": f"Bearer {secret}"})

    period = "from=2026-11-15T00:00:00Z&to=2026-11-16T00:00:00Z"
    answer = get(f"meter=turns&{period}")
    assert answer.json()["rows"] == [
        {"agent": "triage", "events": "2", "otlp": "1", "difference": "1", "bills": "events"}
    ]
    assert get(period).json()["errors"][0]["parameter"] == "meter"
    assert get(f"meter=seats&{period}").status_code == 400
    assert get(f"meter=none&{period}").status_code == 400
    assert get(f"meter=turns&{period}&group_by=agent").status_code == 400
    assert get("meter=turns&from=noon&to=2026-11-16T00:00:00Z").status_code == 400
