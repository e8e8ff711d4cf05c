"""Meters are defined by what someone writes; what makes no sense is refused by its fields, and nothing is stored."""

from decimal import Decimal

import pytest
from django.db import ProgrammingError, transaction

from metering import backfill, definitions, fold, meters, usage
from metering.errors import InvalidMeterError, MeterArchivedError, MeterTakenError, UnknownMeterError
from metering.models import Coverage, Meter
from metering.preview import preview
from tests.metering.factories import ACME, LATER, NOON, fold_now, send, usage_event, verdicts
from tests.metering.test_corrections import HOUR

pytestmark = pytest.mark.django_db
TOKENS = {
    "key": "tokens",
    "name": "Tokens",
    "unit": "token",
    "event_type": "com.example.tokens",
    "aggregation": "sum",
    "value_field": "n",
    "scale": "0.001",
    "dimensions": ["agent"],
    "filters": [{"field": "kind", "operator": "in", "values": ["out"]}],
}
PEAK = TOKENS | {"key": "peak", "aggregation": "peak", "window_seconds": 300, "statistic": "p95"}


def define(**changes):
    written = {name: value for name, value in (TOKENS | changes).items() if value is not ...}
    return meters.define(rule=definitions.rule_of(definition=written))


def tokens(n, **rest):
    return usage_event("com.example.tokens", {"n": n, "kind": "out", "agent": "a"}, **rest)


def amount(key="tokens", **rest):
    return usage.quantity(customer_id=ACME, meter=key, starts_at=NOON, ends_at=NOON + HOUR, **rest)


@pytest.mark.parametrize("written", [TOKENS, PEAK])
def test_a_definition_is_stored_as_it_was_written(written):
    stored = meters.define(rule=definitions.rule_of(definition=written))
    assert definitions.definition_of(rule=meters.find(key=stored.key)) == written


def condition(operator, *values, field="kind"):
    return {"field": field, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("changes", "fields"),
    [
        ({"key": "Not A Slug"}, {"key"}),
        ({"key": ...}, {"key"}),
        ({"name": ""}, {"name"}),
        ({"unit": 5}, {"unit"}),
        ({"event_type": "a\0b"}, {"event_type"}),
        ({"aggregation": "median"}, {"aggregation"}),
        ({"aggregation": ["sum"]}, {"aggregation"}),
        ({"colour": "red"}, {"colour"}),
        ({"value_field": ""}, {"value_field", "scale"}),
        ({"aggregation": "count"}, {"value_field", "scale"}),
        ({"aggregation": "unique"}, {"scale"}),
        ({"scale": "0"}, {"scale"}),
        ({"scale": "1e3"}, {"scale"}),
        ({"scale": 0.5}, {"scale"}),
        ({"scale": "1000001"}, {"scale"}),
        ({"window_seconds": 300}, {"window_seconds"}),
        ({"statistic": "p95"}, {"statistic"}),
        ({"aggregation": "peak", "window_seconds": 5}, {"window_seconds"}),
        ({"aggregation": "peak", "window_seconds": True}, {"window_seconds"}),
        ({"aggregation": "peak", "statistic": "p99"}, {"statistic"}),
        ({"dimensions": "agent"}, {"dimensions"}),
        ({"dimensions": ["a", "a"]}, {"dimensions"}),
        ({"dimensions": [f"d{n}" for n in range(11)]}, {"dimensions"}),
        ({"dimensions": [["a"]]}, {"dimensions"}),
        ({"filters": {"kind": "out"}}, {"filters"}),
        ({"filters": [{"field": "kind"}]}, {"filters"}),
        ({"filters": [condition("like", "out")]}, {"filters"}),
        ({"filters": [condition("in")]}, {"filters"}),
        ({"filters": [condition("in", 5)]}, {"filters"}),
        ({"filters": [condition("in", "a"), condition("in", "b")]}, {"filters"}),
        ({"filters": [condition("in", "a", "b"), condition("not_in", "b", "a")]}, {"filters"}),
        ({"key": "", "unit": "", "filters": [5]}, {"key", "unit", "filters"}),
    ],
)
def test_what_cannot_be_or_contradicts_itself_is_refused_by_every_field_at_fault(changes, fields):
    with pytest.raises(InvalidMeterError) as refusal:
        define(**changes)
    assert {name for name, _ in refusal.value.faults} == fields
    assert all(detail.strip() for _, detail in refusal.value.faults)
    assert not Meter.objects.filter(event_type="com.example.tokens").exists()


def test_conditions_that_can_be_met_together_are_no_contradiction():
    assert define(filters=[condition("in", "a", "b"), condition("not_in", "b"), condition("not_in", "x", field="y")])


def test_a_key_is_taken_for_ever():
    define()
    with pytest.raises(MeterTakenError):
        define(name="Other")


def test_a_definition_never_changes_and_no_meter_is_deleted():
    define()
    for change in ({"scale": Decimal(2)}, {"statistic": "p95"}, {"event_type": "other"}):
        with pytest.raises(ProgrammingError), transaction.atomic():
            Meter.objects.filter(key="tokens").update(**change)
    with pytest.raises(ProgrammingError), transaction.atomic():
        Meter.objects.filter(key="tokens").delete()


def test_an_archived_meter_keeps_what_it_counted_and_counts_and_asks_nothing_more():
    define()
    send(tokens(1000))
    first = fold_now()
    send(tokens(500))
    archived = meters.archive(key="tokens", now=LATER)
    assert archived.last_fold == first
    fold_now()
    assert amount() == amount(as_of=usage.latest_fold()) == amount(as_of=first) == 1
    assert amount(as_of=0) == 0
    assert verdicts(send(tokens("no number"))) == ["accepted"]
    assert "tokens" not in {one.key for one in usage.meters()}
    assert fold.check() == []
    with pytest.raises(MeterArchivedError):
        meters.archive(key="tokens", now=LATER)
    with pytest.raises(ProgrammingError), transaction.atomic():
        Meter.objects.filter(key="tokens").update(archived_at=None, last_fold=None)


def test_an_unknown_meter_is_named():
    with pytest.raises(UnknownMeterError, match="miles"):
        meters.archive(key="miles", now=LATER)
    for ask in (backfill.progress, backfill.restart, backfill.step):
        with pytest.raises(UnknownMeterError, match="miles"):
            ask(meter="miles")


def test_a_back_fill_goes_step_by_step_and_usage_is_exact_at_every_step():
    for n in range(5):
        send(tokens(1000 * 10**n))
        fold_now()
    define()
    seen = [(backfill.progress(meter="tokens").done, amount())]
    while backfill.step(meter="tokens", limit=1):
        seen.append((backfill.progress(meter="tokens").done, amount()))
        assert fold.check() == []
    assert [quantity for _, quantity in seen] == [11_111] * len(seen)
    assert [done for done, _ in seen] == [0, 1, 2, 3, 4]
    assert backfill.progress(meter="tokens").is_complete
    assert (amount(), "tokens" in backfill.incomplete()) == (11_111, False)


def test_a_fold_that_comes_before_the_back_fill_is_not_counted_twice():
    send(tokens(1000))
    fold_now()
    define()
    send(tokens(2000))
    second = fold_now()
    row = Coverage.objects.get(meter__key="tokens")
    assert (row.from_fold, row.through_fold) == (second, 0)
    assert amount() == 3
    list(backfill.run(meter="tokens"))
    assert amount() == 3
    assert fold.check() == []


def test_a_preview_shows_which_stored_events_would_count_and_why_others_would_not():
    send(tokens(1000, id="good"), tokens("many", id="bad"))
    send(usage_event("com.example.tokens", {"n": 1, "kind": "in"}, id="other"), usage_event("unrelated"))
    found = preview(rule=definitions.rule_of(definition=TOKENS))
    assert (found.events, found.counted) == (3, 1)
    assert {one.event_id: (one.counts, one.reason) for one in found.examples} == {
        "good": (True, ""),
        "bad": (False, "has no usable value"),
        "other": (False, "does not meet the conditions"),
    }
    assert found.examples[0].dimensions == {"agent": "a"}
    assert Decimal(found.examples[0].value or 0) == 1
