"""However a stream of events arrives, usage is what the plain definitions say of it."""

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import transaction
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from metering import fold, meters, usage
from metering.aggregation import AGGREGATIONS, Period, aggregate
from metering.quantities import text_of
from metering.rules import Filter, Rule
from metering.usage import Span
from tests.metering.factories import ACME, fold_now, send, usage_event

pytestmark = pytest.mark.django_db

START = datetime(2026, 11, 20, tzinfo=UTC)
TYPE = "com.example.reading.v1"
COLUMNS = {"count": "", "unique": "tag"}
# A peak by the hour comes from windows, one by the quarter of an hour or by 90 minutes only from events.
RULES = [
    Rule(
        key=f"{key}-{width}",
        name=key,
        unit="unit",
        event_type=TYPE,
        aggregation=AGGREGATIONS[key],
        value_field=COLUMNS.get(key, "n"),
        scale=Decimal("0.5"),
        window_seconds=width,
        dimensions=("agent", "byoc"),
        filters=(Filter("outcome", ("fault",), excludes=True),),
    )
    for key, width in [*((key, 3600) for key in AGGREGATIONS), ("peak", 7200), ("peak", 900), ("peak", 5400)]
]

# Few distinct instants near the bounds of hours, where mistakes live; tiny numbers, so that examples stay readable.
instants = st.builds(
    lambda hour, microseconds: START + timedelta(hours=hour, microseconds=microseconds),
    st.integers(0, 30),
    st.sampled_from([0, 1, 15 * 60 * 10**6, 30 * 60 * 10**6 + 1, 3600 * 10**6 - 1]),
)


@st.composite
def events(draw):
    data = {
        "n": draw(st.sampled_from([0, 1, 2, 7, "0.25", "3.5"])),
        "tag": draw(st.sampled_from(["x", "y", 1])),
        "outcome": draw(st.sampled_from(["fine", "fine", "fault", None])),
        "agent": draw(st.sampled_from(["a", "b", None])),
        "byoc": draw(st.booleans()),
    }
    return usage_event(TYPE, data, time=draw(instants), source=draw(st.sampled_from(["urn:a", "urn:b"])))


@st.composite
def deliveries(draw):
    """A stream, and how it arrives: every event at least once, shuffled and re-batched, with folds in between."""
    stream = draw(st.lists(events(), min_size=1, max_size=8))
    repeated = draw(st.lists(st.sampled_from(stream), max_size=6))
    arriving = draw(st.permutations(stream + repeated))
    size = draw(st.integers(1, 5))
    batches = [arriving[start : start + size] for start in range(0, len(arriving), size)]
    return stream, [(batch, draw(st.booleans())) for batch in batches]


@contextmanager
def undone():
    """A transaction that leaves nothing for the next example."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def expected(rule, stream, starts_at, ends_at, **group):
    counted = [
        rule.read(event)
        for event in stream
        if rule.matches(event) and all(text_of(event.data[name]) == value for name, value in group.items())
    ]
    period = Period(starts_at, ends_at, width=rule.window_seconds)
    return aggregate(key=rule.aggregation.key, readings=counted, period=period)


def asked(rule, starts_at, ends_at, **rest):
    return usage.read(customer_id=ACME, meter=rule.key, starts_at=starts_at, ends_at=ends_at, **rest).rows


def deliver(batches):
    for batch, folds in batches:
        send(*batch)
        if folds:
            fold_now()
    return fold_now()


def compare(rule, stream, starts_at, ends_at):
    """Compare the quantity, the quantities by group, and those by hour, with the definition."""
    (whole,) = asked(rule, starts_at, ends_at)
    assert whole.quantity == expected(rule, stream, starts_at, ends_at)
    for row in asked(rule, starts_at, ends_at, group_by=["byoc", "agent"]):
        assert row.quantity == expected(rule, stream, starts_at, ends_at, **row.group)
    slices = asked(rule, starts_at, ends_at, window=Span.HOUR, zone="Asia/Kolkata")
    for row in slices:
        assert row.quantity == expected(rule, stream, row.starts_at.astimezone(UTC), row.ends_at.astimezone(UTC))
    if rule.aggregation.is_summable:
        assert sum(row.quantity for row in slices) == whole.quantity


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(deliveries(), st.lists(instants, min_size=2, max_size=2, unique=True))
def test_a_shuffled_repeated_rebatched_stream_gives_the_usage_of_the_definition(delivery, bounds):
    stream, batches = delivery
    with undone():
        for rule in RULES:
            meters.define(rule=rule)
        deliver(batches)
        assert fold.check() == []
        for rule in RULES:
            compare(rule, stream, *sorted(bounds))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    deliveries(), st.lists(events(), min_size=1, max_size=4), st.lists(instants, min_size=2, max_size=2, unique=True)
)
def test_usage_as_of_a_fold_is_that_of_the_events_folded_by_then(delivery, late, bounds):
    stream, batches = delivery
    starts_at, ends_at = sorted(bounds)
    with undone():
        for rule in RULES:
            meters.define(rule=rule)
        number = deliver(batches) or usage.latest_fold()
        send(*late)
        fold_now()
        for rule in RULES:
            (before,) = asked(rule, starts_at, ends_at, as_of=number)
            assert before.quantity == expected(rule, stream, starts_at, ends_at)
            (after,) = asked(rule, starts_at, ends_at)
            assert after.quantity == expected(rule, stream + late, starts_at, ends_at)


def test_a_rebuilt_meter_equals_one_that_was_there_from_the_start():
    stream = [usage_event(TYPE, {"n": n, "tag": "x", "agent": "a", "byoc": n > 2}, time=START) for n in range(5)]
    send(*stream)
    fold_now()
    for rule in RULES:
        stored = meters.define(rule=replace(rule, key=f"young-{rule.key}"))
        fold.rebuild(meter=stored.key)
        compare(stored, stream, START, START + timedelta(hours=2))
    assert fold.check() == []
