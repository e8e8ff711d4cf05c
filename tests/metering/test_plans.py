"""What the database does for an answer and for a fold: months come from windows, and a fold reads what is new."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.db import connection, transaction

from metering import fold, meters, readings, usage
from metering.aggregation import AGGREGATIONS
from metering.models import StoredEvent
from metering.usage import Span
from tests.metering.factories import ACME, LATER, fold_now, send, usage_event
from tests.metering.streams import RULES, TYPE, ZONES

pytestmark = pytest.mark.django_db


def event(n, time):
    return usage_event(TYPE, {"n": n, "tag": str(n), "agent": f"agent-{n % 3}", "byoc": False}, time=time)


@pytest.fixture
def statements(monkeypatch):
    """The statements that reads run, as they run them."""
    seen = []
    fetch = readings.fetch

    def note(query):
        seen.append(query.as_string(connection.connection))
        return fetch(query)

    monkeypatch.setattr(readings, "fetch", note)
    return seen


def plan_of(statement):
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (FORMAT JSON) " + statement)
        return json.dumps(cursor.fetchone()[0])


def test_a_month_as_of_an_older_fold_is_read_from_windows_and_what_came_since(statements):
    first = datetime(2026, 10, 1, tzinfo=UTC)
    rule = meters.define(rule=RULES[list(AGGREGATIONS).index("sum")])
    send(*(event(n, first + timedelta(hours=n)) for n in range(200)))
    number = fold_now()
    send(*(event(n, first + timedelta(hours=n)) for n in range(5)))
    fold_now()
    statements.clear()
    last = first + timedelta(days=31)
    found = usage.read(customer_id=ACME, meter=rule.key, starts_at=first, ends_at=last, as_of=number)
    assert [row.quantity for row in found.rows] == [sum(range(200)) / 2]
    with connection.cursor() as cursor:
        cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statements[-1])
        plan = cursor.fetchone()[0][0]["Plan"]
    assert _rows_of(plan, "metering_window") > 0
    assert _rows_of(plan, "metering_event_2026_11") <= 5


@pytest.mark.parametrize("zone", ZONES)
def test_a_month_touches_no_event_whatever_is_asked_in_whichever_zone(statements, zone):
    first = datetime(2026, 10, 1, tzinfo=ZoneInfo(zone))
    last = datetime(2026, 11, 1, tzinfo=ZoneInfo(zone))
    for rule in RULES:
        meters.define(rule=rule)
    send(*(event(n, first + timedelta(hours=9 * n)) for n in range(60)))
    fold_now()
    questions: list[dict[str, Any]] = [
        {},
        {"window": Span.DAY},
        {"window": Span.HOUR},
        {"group_by": ["agent"]},
        {"filters": {"byoc": ["false"]}},
    ]
    for rule in RULES:
        if rule.aggregation.key == "peak" and rule.window_seconds > 900:
            continue  # its windows are its own, and the bounds of local months need not be theirs
        for question in questions:
            statements.clear()
            usage.read(customer_id=ACME, meter=rule.key, starts_at=first, ends_at=last, zone=zone, **question)
            (statement,) = statements
            assert "metering_window" in statement
            assert "metering_storedevent" not in plan_of(statement)
            assert "metering_event" not in plan_of(statement)


def test_a_month_reads_a_row_a_day_of_each_series(statements):
    first = datetime(2026, 10, 1, tzinfo=UTC)
    rule = meters.define(rule=RULES[list(AGGREGATIONS).index("sum")])
    send(*(event(n, first + timedelta(minutes=40 * n)) for n in range(1000)))
    fold_now()
    for names, most in (((), 31), (("agent",), 3 * 31)):
        statements.clear()
        last = first + timedelta(days=31)
        usage.read(customer_id=ACME, meter=rule.key, starts_at=first, ends_at=last, group_by=names)
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN (ANALYZE, FORMAT JSON) " + statements[0])
            rows = _rows_of(cursor.fetchone()[0][0]["Plan"], "metering_window")
        assert 0 < rows <= most


def _rows_of(plan, relation):
    own = plan["Actual Rows"] * plan["Actual Loops"] if plan.get("Relation Name") == relation else 0
    return own + sum(_rows_of(inner, relation) for inner in plan.get("Plans", []))


def _buffers_of_a_fold(monkeypatch):
    """Return how many pages the statement that adds to windows touches for the same 50 events."""
    send(*(event(n, LATER - timedelta(minutes=n)) for n in range(50)))
    seen = []

    def explain(query):
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) " + query.as_string(connection.connection))
            plan = cursor.fetchone()[0][0]["Plan"]
        seen.append(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])
        return 0

    with monkeypatch.context() as patched:
        patched.setattr(readings, "run", explain)
        fold.fold(now=LATER)
    return seen[0]


def test_a_fold_costs_the_same_however_much_is_stored(monkeypatch):
    meters.define(rule=RULES[list(AGGREGATIONS).index("sum")])
    few = _buffers_of_a_fold(monkeypatch)
    for _ in range(20):
        send(*(event(n, LATER - timedelta(minutes=n)) for n in range(1000)))
    fold_now()
    assert StoredEvent.objects.count() > 20_000
    with connection.cursor() as cursor:  # what autovacuum would have told the planner by then
        cursor.execute("ANALYZE metering_storedevent; ANALYZE metering_batch")
    assert _buffers_of_a_fold(monkeypatch) < 2 * few + 100
    transaction.set_rollback(True)
