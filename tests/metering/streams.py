"""Streams of events near the bounds of windows, a meter of every kind, and what the plain definitions say of both."""

from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from django.db import transaction
from hypothesis import strategies as st

from metering import usage
from metering.aggregation import AGGREGATIONS, Period, aggregate
from metering.quantities import text_of
from metering.rules import Filter, Rule
from metering.usage import Span
from tests.metering.factories import ACME, fold_now, send, usage_event

START = datetime(2026, 11, 20, tzinfo=UTC)
TYPE = "com.example.reading.v1"
COLUMNS = {"count": "", "unique": "tag"}
ZONES = ["UTC", "Asia/Kolkata", "Asia/Kathmandu", "America/St_Johns", "Europe/Berlin"]


def meter(key, width=3600, statistic="max", dimensions=("agent", "byoc")):
    return Rule(
        key=f"{key}-{width}-{statistic}-{len(dimensions)}",
        name=key,
        unit="unit",
        event_type=TYPE,
        aggregation=AGGREGATIONS[key],
        value_field=COLUMNS.get(key, "n"),
        scale=Decimal(1) if key in COLUMNS else Decimal("0.5"),
        window_seconds=width,
        statistic=statistic,
        dimensions=dimensions,
        filters=(Filter("outcome", ("fault",), excludes=True),),
    )


PEAKS = [("peak", 7200), ("peak", 900), ("peak", 5400), ("peak", 300, "p95"), ("peak", 3600, "p95"), ("peak", 86_400)]
RULES = [*(meter(key) for key in AGGREGATIONS), *(meter(*peak) for peak in PEAKS)]
PLAIN = [meter(key, dimensions=()) for key in AGGREGATIONS]

# Few distinct instants near the bounds of quarters, hours and days, where mistakes live; tiny numbers, so that examples
# stay readable.
instants = st.builds(
    lambda hour, microseconds: START + timedelta(hours=hour, microseconds=microseconds),
    st.integers(-2, 50),
    st.sampled_from([0, 1, 15 * 60 * 10**6, 30 * 60 * 10**6, 30 * 60 * 10**6 + 1, 45 * 60 * 10**6, 3600 * 10**6 - 1]),
)
periods = st.lists(instants, min_size=2, max_size=2, unique=True).map(sorted)


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
def deliveries(draw, most=8):
    """A stream, and how it arrives: every event at least once, shuffled and re-batched, with folds in between."""
    stream = draw(st.lists(events(), min_size=1, max_size=most))
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
    period = Period(starts_at, ends_at, width=rule.window_seconds, statistic=rule.statistic)
    return aggregate(key=rule.aggregation.key, readings=counted, period=period)


def asked(rule, starts_at, ends_at, **rest):
    return usage.read(customer_id=ACME, meter=rule.key, starts_at=starts_at, ends_at=ends_at, **rest).rows


def deliver(batches):
    for batch, folds in batches:
        send(*batch)
        if folds:
            fold_now()
    return fold_now()


def compare(rule, stream, starts_at, ends_at, *, zone="Asia/Kolkata", as_of=None):
    """Compare the quantity, the quantities by group, and those by local hour and day, with the definition."""
    (whole,) = asked(rule, starts_at, ends_at, as_of=as_of)
    assert whole.quantity == expected(rule, stream, starts_at, ends_at)
    _compare_groups(rule, stream, starts_at, ends_at, as_of)
    for span in (Span.HOUR, Span.DAY):
        slices = asked(rule, starts_at, ends_at, window=span, zone=zone, as_of=as_of)
        for row in slices:
            assert row.quantity == expected(rule, stream, row.starts_at.astimezone(UTC), row.ends_at.astimezone(UTC))
        if rule.aggregation.is_summable:
            assert sum(row.quantity for row in slices) == whole.quantity


def _compare_groups(rule, stream, starts_at, ends_at, as_of):
    if not rule.dimensions:
        return
    for row in asked(rule, starts_at, ends_at, group_by=["byoc", "agent"], as_of=as_of):
        assert row.quantity == expected(rule, stream, starts_at, ends_at, **row.group)
    for row in asked(rule, starts_at, ends_at, group_by=["agent"], window=Span.DAY, as_of=as_of):
        bounds = row.starts_at.astimezone(UTC), row.ends_at.astimezone(UTC)
        assert row.quantity == expected(rule, stream, *bounds, **row.group)
    for row in asked(rule, starts_at, ends_at, filters={"byoc": ["true"]}, as_of=as_of):
        assert row.quantity == expected(rule, stream, starts_at, ends_at, byoc="true")
