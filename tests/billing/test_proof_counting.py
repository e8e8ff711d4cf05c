"""The verifier counts by itself, and as metering defines it: every aggregation, over any events."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing.periods import Period
from billing.proof.counting import Measure, Tally
from billing.proof.errors import BundleError
from billing.proof.meters import AGGREGATIONS, Meter, text_of
from metering import aggregation, definitions
from metering.aggregation import Reading

START = datetime(2026, 5, 1, tzinfo=UTC)
PERIOD = Period(START, START + timedelta(hours=30))
VALUES = st.decimals(0, 1000, places=3)
EVENTS = st.lists(
    st.tuples(st.integers(-100, 2000), VALUES, st.sampled_from("xyz"), st.integers(0, 3)), max_size=30, unique_by=id
)


def meter(key, **fields):
    written = {"key": "m", "name": "M", "unit": "unit", "event_type": "used", "aggregation": key}
    written |= {"value_field": "" if key == "count" else "value"}
    return Meter.of(
        definitions.definition_of(rule=definitions.rule_of(definition=written | fields)) | {"last_fold": None}
    )


def event(minute, value, source, number, **fields):
    data = {"value": str(value), "agent": source}
    row = {"id": f"e{number}", "source": source, "type": "used", "environment": "production", "voided": None}
    return row | {"data": data} | fields, START + timedelta(minutes=minute)


def counted(asked, events, *, group_by=(), filters=None, fold=1, as_of=1):
    tally = Tally(Measure(asked, PERIOD, group_by, filters or {}, as_of))
    for row, time in events:
        tally.take(row, time, fold)
    return {tuple(part.group.values()): part.quantity for part in tally.usage().parts}


@pytest.mark.parametrize("statistic", ["max", "p95"])
@pytest.mark.parametrize("key", AGGREGATIONS)
@given(rows=EVENTS)
def test_a_quantity_is_that_of_the_definition(key, statistic, rows):
    fields = {"window_seconds": 3600, "statistic": statistic} if key == "peak" else {}
    asked = meter(key, **fields)
    readings = [
        Reading(
            START + timedelta(minutes=minute),
            str(value) if key == "unique" else Decimal(1) if key == "count" else value,
            source,
            f"e{number}",
        )
        for minute, value, source, number in rows
    ]
    whole = aggregation.Period(PERIOD.starts_at, PERIOD.ends_at, width=3600, statistic=statistic)
    ties = len({(minute, source, number) for minute, _, source, number in rows}) < len(rows)
    if key == "latest" and ties:
        return  # no two events have one source and id
    expected = aggregation.aggregate(key=key, readings=readings, period=whole)
    assert counted(asked, [event(*row) for row in rows]) == {(): expected}


def test_groups_come_in_the_order_of_rating_and_nothing_last():
    rows = [event(1, 1, "b", 1), event(2, 1, "a", 2), event(3, 1, "c", 3)]
    rows[2][0]["data"]["agent"] = None
    found = counted(meter("sum", dimensions=["agent"]), rows, group_by=("agent",))
    assert list(found) == [("a",), ("b",), (None,)]


def test_filters_environments_folds_and_voids_decide_what_counts():
    asked = meter("sum", filters=[{"field": "agent", "operator": "not_in", "values": ["z"]}], dimensions=["agent"])
    rows = [
        event(1, 1, "a", 1),
        event(1, 10, "z", 2),
        event(1, 100, "a", 3, environment="test"),
        event(1, 1000, "a", 4, voided=1),
        event(1, 10000, "a", 5, voided=2),
        event(1, 100000, "b", 6),
    ]
    assert counted(asked, rows) == {(): Decimal(110001)}
    assert counted(asked, rows, filters={"agent": ["a"]}) == {(): Decimal(10001)}
    assert counted(asked, rows, fold=2) == {(): Decimal(0)}


def test_an_archived_meter_counts_no_later_fold():
    written = {"key": "m", "name": "M", "unit": "unit", "event_type": "used", "aggregation": "count"}
    definition = definitions.definition_of(rule=definitions.rule_of(definition=written))
    rows = [event(1, 1, "a", 1)]
    assert counted(Meter.of(definition | {"last_fold": 1}), rows, fold=2, as_of=5) == {(): Decimal(0)}
    assert counted(Meter.of(definition | {"last_fold": 2}), rows, fold=2, as_of=5) == {(): Decimal(1)}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, None),
        ("a", "a"),
        (True, "true"),
        (7, "7"),
        (Decimal("1.50"), "1.50"),
        ([1, None, "a"], '[1, null, "a"]'),
        ({"bb": 1, "a": {"c": True}}, '{"a": {"c": true}, "bb": 1}'),
    ],
)
def test_a_field_is_read_as_the_database_reads_it(value, text):
    assert text_of(value) == text


def test_a_value_that_is_no_number_is_not_counted():
    rows = [event(1, "many", "a", 1), event(1, "1e3", "a", 2), event(1, "", "a", 3)]
    assert counted(meter("sum"), rows) == {(): Decimal(0)}


def test_a_meter_that_cannot_be_read_is_told():
    with pytest.raises(BundleError, match=r"meters\.json"):
        Meter.of({"key": "m"})
