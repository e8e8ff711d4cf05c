"""Once a month of events is archived and dropped, windows answer for it; what needs its events says so."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection

from metering import audit, backfill, corrections, horizon, meters, usage
from metering.aggregation import AGGREGATIONS
from metering.errors import ArchivedEventError, ArchivedUsageError, YoungMeterError
from metering.partitions import Month
from metering.rules import Rule
from metering.seeds import TURN
from tests.metering.factories import ACME, LATER, fold_now, send, turn

pytestmark = pytest.mark.django_db
OLD, HOUR = datetime(2026, 9, 10, 12, tzinfo=UTC), timedelta(hours=1)


def turns(starts_at, ends_at, **rest):
    return usage.quantity(customer_id=ACME, meter="turns", starts_at=starts_at, ends_at=ends_at, **rest)


def define(key):
    return meters.define(rule=Rule(key, "Turns again", "turn", TURN, AGGREGATIONS["count"]))


def drop(month):
    with connection.cursor() as cursor:
        cursor.execute(f"SET CONSTRAINTS ALL IMMEDIATE; DROP TABLE {Month(2026, month).table}")


@pytest.fixture
def archived():
    """Two events of September, the month dropped; one of November. Returns the events and the first fold."""
    old = [turn(time=OLD), turn(time=OLD + timedelta(minutes=20))]
    send(*old, received_at=OLD + HOUR)
    first = fold_now()
    late = turn(time=OLD)
    new = turn(time=LATER - HOUR)
    send(new, late, received_at=LATER)
    fold_now()
    assert horizon.complete_since() is None
    drop(9)
    return old, late, new, first


def test_windows_answer_for_a_month_whose_events_are_archived(archived):
    assert horizon.stored_since() == datetime(2026, 11, 1, tzinfo=UTC)
    assert turns(OLD, OLD + HOUR) == 3
    assert turns(OLD, LATER) == 4
    assert audit.check() == []
    assert audit.shortfalls() == []


def test_what_only_events_could_answer_is_refused(archived):
    *_, first = archived
    with pytest.raises(ArchivedUsageError, match="2026-11-01"):
        turns(OLD, OLD + timedelta(minutes=7))
    with pytest.raises(ArchivedUsageError):
        turns(OLD, OLD + HOUR, as_of=0)
    assert turns(OLD, OLD + HOUR, as_of=first) == 2  # all that came since is stored
    assert turns(LATER - HOUR - timedelta(minutes=7), LATER) == 1


def test_an_archived_event_is_not_taken_back_nor_one_that_shares_its_time(archived):
    (old, _), late, new, _ = archived
    for event in (old, late):
        with pytest.raises(ArchivedEventError):
            corrections.void(customer_id=ACME, source=event.source, event_id=event.id, actor="a", reason="b", now=LATER)
    made = corrections.void(customer_id=ACME, source=new.source, event_id=new.id, actor="a", reason="b", now=LATER)
    assert made.event_id == new.id


def test_a_meter_that_is_younger_than_the_archive_answers_for_what_is_stored_only(archived):
    rule = define("turns-again")
    list(backfill.run(meter=rule.key))
    since = horizon.complete_since()
    assert since is not None
    for begin in (since + HOUR, LATER - HOUR):
        assert usage.quantity(customer_id=ACME, meter=rule.key, starts_at=begin, ends_at=LATER) == 1
    with pytest.raises(YoungMeterError, match="2026-11-01"):
        usage.quantity(customer_id=ACME, meter=rule.key, starts_at=OLD, ends_at=LATER)


def test_windows_that_hold_what_is_stored_nowhere_else_are_not_made_anew(archived):
    with pytest.raises(YoungMeterError):
        backfill.restart(meter="turns")
    assert turns(OLD, LATER) == 4
    rule = define("turns-again")
    list(backfill.run(meter=rule.key))
    backfill.restart(meter=rule.key)  # nothing is lost: it holds what is stored
    list(backfill.run(meter=rule.key))
    assert usage.quantity(customer_id=ACME, meter=rule.key, starts_at=LATER - HOUR, ends_at=LATER) == 1
