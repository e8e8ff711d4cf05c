"""However a stream of events arrives, usage is what the plain definitions say of it."""

from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering import backfill, corrections, fold, meters, usage
from tests.metering.factories import ACME, LATER, fold_now, send, usage_event
from tests.metering.streams import (
    PLAIN,
    RULES,
    START,
    TYPE,
    ZONES,
    asked,
    compare,
    deliver,
    deliveries,
    events,
    expected,
    periods,
    undone,
)

pytestmark = pytest.mark.django_db
several = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
zones = st.sampled_from(ZONES)


def take_back(event):
    corrections.void(
        customer_id=ACME, source=event.source, event_id=event.id, actor="user:ada", reason="a mistake", now=LATER
    )


@several
@given(deliveries(), periods, zones)
def test_a_shuffled_repeated_rebatched_stream_gives_the_usage_of_the_definition(delivery, bounds, zone):
    stream, batches = delivery
    with undone():
        for rule in RULES + PLAIN:
            meters.define(rule=rule)
        deliver(batches)
        assert fold.check() == []
        for rule in RULES + PLAIN:
            compare(rule, stream, *bounds, zone=zone)


@several
@given(deliveries(), st.data(), periods, zones)
def test_voids_correct_usage_of_every_kind_exactly_and_late_events_add_to_it(delivery, data, bounds, zone):
    stream, batches = delivery
    late = data.draw(st.lists(events(), max_size=3))
    gone = data.draw(st.lists(st.sampled_from(stream), unique_by=lambda event: event.id))
    halfway = data.draw(st.integers(0, len(gone)))
    with undone():
        for rule in RULES:
            meters.define(rule=rule)
        first = deliver(batches)
        for event in gone[:halfway]:
            take_back(event)
        second = fold_now()
        send(*late)
        for event in gone[halfway:]:
            take_back(event)
        fold_now()
        assert fold.check() == []
        for rule in RULES:
            compare(rule, [one for one in stream + late if one not in gone], *bounds, zone=zone)
            compare(rule, [one for one in stream if one not in gone[:halfway]], *bounds, zone=zone, as_of=second)
            compare(rule, stream, *bounds, zone=zone, as_of=first)


@several
@given(deliveries(), st.lists(events(), min_size=1, max_size=4), periods)
def test_usage_as_of_a_fold_is_that_of_the_events_folded_by_then(delivery, late, bounds):
    stream, batches = delivery
    with undone():
        for rule in RULES:
            meters.define(rule=rule)
        number = deliver(batches) or usage.latest_fold()
        send(*late)
        fold_now()
        for rule in RULES:
            (before,) = asked(rule, *bounds, as_of=number)
            assert before.quantity == expected(rule, stream, *bounds)
            (after,) = asked(rule, *bounds)
            assert after.quantity == expected(rule, stream + late, *bounds)


@several
@given(deliveries(), st.data(), periods)
def test_a_meter_that_is_filled_beside_folds_and_voids_equals_one_that_was_there_from_the_start(delivery, data, bounds):
    """The back-fill stops after any of its steps; events and voids of folds done and to do come in between."""
    stream, batches = delivery
    with undone():
        deliver([(batch, True) for batch, _ in batches])
        stored = [meters.define(rule=rule) for rule in RULES]
        gone = []
        for event in data.draw(st.permutations(stream)):
            for rule in stored:
                backfill.step(meter=rule.key, limit=1)
            if data.draw(st.booleans()):
                take_back(event)
                gone.append(event)
                fold_now()
            for rule in (stored[0], stored[3]):
                compare(rule, [one for one in stream if one not in gone], *bounds)
        for rule in stored:
            list(backfill.run(meter=rule.key))
        assert set(backfill.incomplete()).isdisjoint(rule.key for rule in stored)
        assert fold.check() == []
        for rule in stored:
            compare(rule, [one for one in stream if one not in gone], *bounds)


def test_a_rebuilt_meter_equals_one_that_was_there_from_the_start():
    stream = [usage_event(TYPE, {"n": n, "tag": "x", "agent": "a", "byoc": n > 2}, time=START) for n in range(5)]
    send(*stream)
    fold_now()
    for rule in RULES:
        stored = meters.define(rule=replace(rule, key=f"young-{rule.key}"))
        backfill.restart(meter=stored.key)
        list(backfill.run(meter=stored.key))
        compare(stored, stream, START, START + timedelta(hours=2))
    assert fold.check() == []
