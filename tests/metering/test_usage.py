"""What usage is, as read through the read door."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from metering import backfill, fold, meters, usage
from metering.aggregation import AGGREGATIONS
from metering.errors import (
    InvalidMeterError,
    InvalidQueryError,
    MeterTakenError,
    UnknownDimensionError,
    UnknownFoldError,
    UnknownMeterError,
)
from metering.rules import Filter, Rule
from metering.usage import Span
from tests.metering.factories import (
    ACME,
    NOON,
    RIVAL,
    compute,
    decision,
    fold_now,
    seat,
    send,
    task,
    turn,
    usage_event,
    verdicts,
)

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)


def read(meter, starts_at=NOON, ends_at=NOON + HOUR, **rest):
    return usage.read(customer_id=ACME, meter=meter, starts_at=starts_at, ends_at=ends_at, **rest)


def amount(meter, starts_at=NOON, ends_at=NOON + HOUR, **rest):
    return usage.quantity(customer_id=ACME, meter=meter, starts_at=starts_at, ends_at=ends_at, **rest)


def table(found):
    return {tuple(row.group.values()): row.quantity for row in found.rows}


def test_no_usage_is_one_row_of_zero():
    found = read("turns")
    assert [row.quantity for row in found.rows] == [0]
    assert (found.meter, found.unit, found.fold) == ("turns", "turn", usage.latest_fold())


def test_usage_counts_once_it_is_folded():
    send(turn())
    assert amount("turns") == 0
    fold_now()
    assert amount("turns") == 1


def test_the_five_units_count_what_they_define():
    send(turn(), turn(outcome="runtime_fault"), turn(outcome="input_required"))
    send(decision(), decision(), decision(outcome="unusable"))
    send(task("a"), task("b", "failed"), task("c", "rejected"))
    send(compute(1), compute(1250), compute(0))
    fold_now()
    assert amount("turns") == 2
    assert amount("decisions") == 2
    assert amount("decision-peak") == 2
    assert amount("tasks") == 1
    assert str(amount("compute-seconds")) == "1.251"


def test_seats_are_weighed_by_the_time_they_were_held():
    """30 days from 1 November; 2 seats from 20 October, a third from 11 November noon to 21 November midnight.

    2 x 30 days, and 1 x 9.5 days: 69.5 seat-days.
    """
    day = datetime(2026, 11, 1, tzinfo=UTC)
    send(seat(1, day - 12 * 24 * HOUR), seat(1, day - 12 * 24 * HOUR))
    send(seat(1, day + 10.5 * 24 * HOUR), seat(-1, day + 20 * 24 * HOUR))
    fold_now()
    assert amount("seats", day, day + 720 * HOUR) == Decimal("69.5") * 86_400
    by_day = read("seats", day + 240 * HOUR, day + 288 * HOUR, window=Span.DAY)
    assert [row.quantity / 86_400 for row in by_day.rows] == [Decimal("2.5"), 3]


def test_seats_given_back_are_no_row():
    send(seat(1, NOON - 3 * HOUR), seat(-1, NOON - 2 * HOUR))
    fold_now()
    assert read("seats", window="hour").rows == ()
    assert amount("seats") == 0


def test_edges_within_an_hour_are_exact_to_the_microsecond():
    times = [NOON, NOON + 20 * MINUTE, NOON + 61 * MINUTE, NOON + 190 * MINUTE]
    send(*(turn(time=time) for time in times))
    fold_now()
    tick = timedelta(microseconds=1)
    assert amount("turns", NOON, NOON + 190 * MINUTE) == 3
    assert amount("turns", NOON + tick, NOON + 190 * MINUTE + tick) == 3
    assert amount("turns", NOON + 20 * MINUTE, NOON + 20 * MINUTE + tick) == 1


def test_usage_is_grouped_and_filtered_by_dimensions():
    send(compute(1000, agent="a"), compute(2000, agent="b"), compute(4000, agent="b"), compute(8000, agent=None))
    fold_now()
    for edge in (timedelta(0), timedelta(minutes=-1)):
        bounds = {"starts_at": NOON + edge, "ends_at": NOON + HOUR + edge}
        assert table(read("compute-seconds", group_by=["agent"], **bounds)) == {("a",): 1, ("b",): 6, (None,): 8}
        assert amount("compute-seconds", filters={"agent": ["a", "b"]}, **bounds) == 7
        assert amount("compute-seconds", filters={"agent": ["a"], "device": ["x"]}, **bounds) == 0


def test_a_flag_is_a_dimension_by_its_json_text():
    send(usage_event("io.agentmeter.compute.used.v1", {"slice": "s", "milliseconds": 1, "byoc": True}))
    fold_now()
    assert list(table(read("compute-seconds", group_by=["byoc", "agent"]))) == [("true", None)]


def test_names_with_quotes_and_percent_signs_are_only_names():
    name = "50% 'off' \"x\"; -- \\ {a} %(b)s ü"
    send(turn(agent=name), turn(agent="other"))
    fold_now()
    assert amount("turns", filters={"agent": [name]}) == 1
    assert amount("turns", NOON + MINUTE * -1, NOON + MINUTE, filters={"agent": [name]}) == 1
    assert fold.check() == []


def test_test_usage_and_other_customers_are_apart():
    send(turn(), turn(environment="test"), turn(environment="test"))
    send(turn(), customer=RIVAL)
    fold_now()
    assert amount("turns") == 1
    assert amount("turns", environment="test") == 2


def test_usage_by_local_day():
    send(turn(time=datetime(2026, 11, 20, 22, 59, tzinfo=UTC)), turn(time=datetime(2026, 11, 20, 23, 0, tzinfo=UTC)))
    fold_now()
    first = datetime(2026, 11, 19, 23, tzinfo=UTC)
    found = read("turns", first, first + 48 * HOUR, window=Span.DAY, zone="Europe/Berlin")
    assert [(row.starts_at.isoformat(), row.quantity) for row in found.rows] == [
        ("2026-11-20T00:00:00+01:00", 1),
        ("2026-11-21T00:00:00+01:00", 1),
    ]


def test_usage_as_of_a_fold_never_changes():
    send(turn())
    first = fold_now()
    send(turn(), turn())
    assert amount("turns", as_of=first) == 1
    second = fold_now()
    assert (amount("turns", as_of=first), amount("turns", as_of=second), amount("turns")) == (1, 3, 3)
    assert read("turns", as_of=first).fold == first
    assert amount("turns", as_of=0) == 0
    with pytest.raises(UnknownFoldError):
        amount("turns", as_of=second + 1)


def test_a_read_between_two_folds_reads_the_events_where_the_windows_have_moved_on(monkeypatch):
    send(turn())
    first = fold_now()
    send(turn())
    monkeypatch.setattr(usage, "latest_fold", lambda: first)
    fold_now()
    assert amount("turns", as_of=first) == 1


def test_late_usage_has_a_higher_fold():
    send(turn())
    first = fold_now()
    send(turn(time=NOON - 700 * HOUR))
    assert usage.catch_up(now=NOON) > first
    assert amount("turns", NOON - 701 * HOUR, NOON) == 1
    assert fold.check() == []


def test_a_fold_of_nothing_is_no_fold():
    assert fold.fold(now=NOON) == fold.Folded(number=None, batches=0, events=0)


def test_folds_take_a_bounded_number_of_batches_until_none_waits():
    for _ in range(3):
        send(turn())
    assert fold.fold(now=NOON, limit=2).batches == 2
    assert amount("turns") == 2
    assert fold.fold_all(now=NOON).events == 1


def new_meter(**changes):
    given = {"key": "tokens", "name": "Tokens", "unit": "token", "event_type": "other", "value_field": "n"}
    return meters.define(rule=Rule(**{**given, "aggregation": AGGREGATIONS["sum"], **changes}))


def test_a_meter_that_is_younger_than_its_events_counts_them_at_once_and_skips_what_it_cannot_read():
    send(
        *(usage_event("other", {"n": n, "who": who}) for n, who in [(1, "a"), ("x", "a"), (None, "a"), (2, "y" * 200)])
    )
    fold_now()
    new_meter(dimensions=("who",))
    from_events = table(read("tokens", group_by=["who"]))
    assert from_events == {("a",): 1, (None,): 2}
    list(backfill.run(meter="tokens"))
    assert fold.check() == []
    assert table(read("tokens", group_by=["who"])) == from_events
    assert verdicts(send(usage_event("other", {"n": "x"}))) == ["rejected"]


def test_only_events_that_a_meter_counts_must_carry_its_value():
    new_meter(filters=(Filter("method", ("unavailable",), excludes=True),))
    absent, present = {"method": "unavailable", "n": None}, {"method": "counter", "n": None}
    assert verdicts(send(usage_event("other", absent), usage_event("other", present))) == ["accepted", "rejected"]


def test_a_level_keeps_six_digits_for_its_seconds():
    new_meter(aggregation=AGGREGATIONS["level"])
    events = [usage_event("other", {"n": n}) for n in ("0.0000001", "-1.000001")]
    assert verdicts(send(*events)) == ["rejected", "accepted"]


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"value_field": ""}, "value_field"),
        ({"scale": Decimal(0)}, "scale"),
        ({"key": "no spaces"}, "key"),
        ({"dimensions": ("a", "a")}, "dimensions"),
        ({"dimensions": tuple("abcdefghijk")}, "dimensions"),
    ],
)
def test_a_meter_that_makes_no_sense_is_refused_by_its_field(changes, field):
    with pytest.raises(InvalidMeterError) as refusal:
        new_meter(**changes)
    assert refusal.value.parameter == field


def test_a_meter_needs_a_key_of_its_own():
    with pytest.raises(MeterTakenError, match="turns"):
        new_meter(key="turns")


def test_huge_values_do_not_overflow_a_window():
    send(*(compute("999999999999999.999", agent=None) for _ in range(40)))
    fold_now()
    assert str(amount("compute-seconds")) == "39999999999999.99996"


def test_check_names_a_window_that_is_wrong():
    send(turn())
    fold_now()
    from metering.models import Window  # noqa: PLC0415 - only this test tampers

    Window.objects.filter(width=900, is_total=True).update(count=2)
    (wrong,) = fold.check()
    assert (wrong.meter, wrong.width, wrong.dimensions, wrong.windows[0], wrong.events[0]) == (
        "turns",
        900,
        "all",
        2,
        1,
    )


@pytest.mark.parametrize(
    ("error", "question"),
    [
        (UnknownMeterError, {"meter": "miles"}),
        (UnknownDimensionError, {"group_by": ["mood"]}),
        (UnknownDimensionError, {"filters": {"mood": ["good"]}}),
        (InvalidQueryError, {"filters": {"agent": []}}),
        (InvalidQueryError, {"filters": {"agent": ["\0"]}}),
        (InvalidQueryError, {"group_by": ["agent", "agent"]}),
        (InvalidQueryError, {"zone": "Mars/Base"}),
        (InvalidQueryError, {"window": "week"}),
        (InvalidQueryError, {"environment": "staging"}),
        (InvalidQueryError, {"ends_at": NOON}),
    ],
)
def test_a_question_that_cannot_be_answered_names_what_is_wrong(error, question):
    with pytest.raises(error):
        read(**{"meter": "turns", **question})


def test_the_meters_say_what_they_are():
    found = {one.key: one for one in usage.meters()}
    assert set(found) == {"seats", "compute-seconds", "turns", "decisions", "tasks", "finished-tasks", "decision-peak"}
    assert (found["seats"].aggregation, found["seats"].unit, found["seats"].is_summable) == (
        "level",
        "seat-second",
        True,
    )


def test_a_customer_whose_usage_waits_is_told_from_one_whose_usage_is_counted():
    send(turn())
    assert (usage.has_unfolded(customer_id=ACME), usage.has_unfolded(customer_id=RIVAL)) == (True, False)
    fold_now()
    assert not usage.has_unfolded(customer_id=ACME)
