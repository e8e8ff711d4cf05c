"""What newer folds touched of the past: the question that finds late usage."""

from datetime import timedelta

import pytest

from metering import corrections, usage
from metering.usage import Since
from tests.metering.factories import ACME, LATER, NOON, RIVAL, fold_now, seat, send, turn

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def touched(fold, *, customer=ACME, before=LATER, as_of=None):
    question = [Since(customer, fold, before)]
    return {one.meter: one for one in usage.touched(since=question, as_of=as_of or usage.latest_fold())}


def test_what_a_fold_has_counted_is_not_touched_after_it():
    send(turn())
    assert touched(fold_now()) == {}


def test_a_late_event_touches_the_meters_of_its_type_from_its_first_to_its_last_time():
    send(turn())
    first = fold_now()
    send(turn(time=NOON + HOUR), turn(time=NOON + 2 * HOUR))
    fold_now()
    found = touched(first)
    assert "turns" in found
    assert "decisions" not in found
    assert (found["turns"].starts_at, found["turns"].ends_at) == (NOON + HOUR, NOON + 2 * HOUR)


def test_what_happened_at_or_after_the_time_asked_for_is_not_late():
    first = fold_now()
    send(turn(time=NOON), turn(time=NOON + HOUR))
    fold_now()
    assert touched(first, before=NOON + HOUR)["turns"].ends_at == NOON
    assert touched(first, before=NOON) == {}


def test_a_void_touches_the_time_of_its_event():
    event = turn()
    send(event)
    first = fold_now()
    corrections.void(
        customer_id=ACME, source=event.source, event_id=event.id, actor="user:ada", reason="wrong", now=LATER
    )
    fold_now()
    assert touched(first)["turns"].starts_at == NOON


def test_a_level_stays_touched_for_ever():
    send(turn())
    first = fold_now()
    send(seat(1))
    fold_now()
    found = touched(first)["seats"]
    assert found.ends_at is None
    assert found.meets(starts_at=NOON + 1000 * HOUR, ends_at=NOON + 2000 * HOUR)
    assert not found.meets(starts_at=NOON - HOUR, ends_at=NOON)


def test_folds_after_the_one_asked_up_to_and_other_customers_do_not_count():
    send(turn())
    first = fold_now()
    send(turn(), customer=RIVAL)
    second = fold_now()
    send(turn())
    fold_now()
    assert touched(first, as_of=second) == {}
    assert "turns" in touched(first, customer=RIVAL)


def test_many_customers_are_asked_about_at_once_each_since_its_own_fold():
    send(turn())
    first = fold_now()
    send(turn(), customer=RIVAL)
    second = fold_now()
    since = [Since(ACME, 0, LATER), Since(RIVAL, first, LATER)]
    assert {one.customer_id for one in usage.touched(since=since, as_of=second)} == {ACME, RIVAL}
    since = [Since(ACME, first, LATER), Since(RIVAL, second, LATER)]
    assert usage.touched(since=since, as_of=second) == ()
    assert usage.touched(since=[], as_of=second) == ()


def test_usage_that_waits_to_be_folded_is_told_for_many_customers_at_once():
    send(turn())
    assert usage.unfolded(customers=[ACME, RIVAL]) == {ACME}
    fold_now()
    assert usage.unfolded(customers=[ACME, RIVAL]) == set()
