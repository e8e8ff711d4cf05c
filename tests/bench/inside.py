"""What is measured from within: storage, folds, reads; imported once the database is there."""

import hashlib
import json
import statistics
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import django

django.setup()

from django.core.management import call_command
from django.db import connection

from agents import cloudevents, keys
from agents.models import Customer
from agents.models.keys import Environment, Scope
from metering import ingest, meters, usage
from metering.aggregation import AGGREGATIONS
from metering.fold import fold_all
from metering.ingest import BatchEvidence
from metering.models import Batch, Event
from metering.rules import Rule
from tests.bench import typical
from tests.bench.events import TYPE, events

TYPICAL_BYTES = 471  # reference: performance, part 6
NEW = 50_000
READS = 200
DAYS = 28


def prepare() -> str:
    """Make the tables, a customer, a meter of the events and a key; returns the key."""
    call_command("migrate", verbosity=0)
    typical.make_table()
    now = datetime.now(UTC)
    owner = Customer.objects.create(
        key="bench", name="Bench", email="bench@bench.example", country="DE", currency="EUR", created_at=now
    )
    meters.define(
        rule=Rule(
            key="bench-tokens",
            name="Tokens",
            unit="token",
            event_type=TYPE,
            aggregation=AGGREGATIONS["sum"],
            value_field="tokens",
            dimensions=("agent",),
        )
    )
    return keys.create(customer=owner, name="bench", environment=Environment.LIVE, scopes=list(Scope), now=now)[1]


def storage(report: Any) -> None:
    """Report bytes an event, indexes and keys included."""
    count = Event.objects.count()
    ours = _size("metering_eventkey") + _size("metering_origin") + _partitions_size()
    report.add("stored, with indexes and keys", ours / count, "bytes/event", "typical table", TYPICAL_BYTES)
    rows = typical.TypicalEvent._default_manager.count()
    report.add("stored, typical table of this run", _size("bench_typical") / rows, "bytes/event")


def fold_and_read(report: Any, against: dict[str, float] | None = None) -> dict[str, float]:
    """Report what a fold of new events costs, and what a month by hour takes to read, at what is stored now."""
    fold_all(now=datetime.now(UTC))
    stored = Event.objects.count()
    found = {"fold": _fold_cost(), "read": 0.0}
    name = f"{stored:,} stored"
    report.add(f"fold, {name}", found["fold"], "us/event", "fewer stored", against and against["fold"])
    times = _read_times()
    found["read"] = times[len(times) // 2]
    report.add(f"a month by hour, {name}, p50", found["read"], "ms", "fewer stored", against and against["read"])
    report.add(f"a month by hour, {name}, p99", times[int(len(times) * 0.99)], "ms")
    return found


def waiting() -> int:
    """Return how many batches no fold has counted."""
    return Batch.objects.filter(fold=None).count()


def store(count: int) -> None:
    """Take in events of the last weeks, in requests of 1,000."""
    for _ in range(count // 1000):
        _take(1000)


def _take(count: int) -> None:
    now = datetime.now(UTC)
    made = events(count, now=now, spread=DAYS * 86_400)
    parsed = [
        cloudevents.parse(document=json.loads(one), index=place, environment="live", received_at=now)
        for place, one in enumerate(made)
    ]
    owner = Customer.objects.get(key="bench").pk
    evidence = BatchEvidence(digest=hashlib.sha256(str(now).encode()).digest())
    ingest.record(customer_id=owner, submissions=parsed, received_at=now, evidence=evidence)


def _fold_cost() -> float:
    costs = []
    for _ in range(3):
        store(NEW)
        start = time.perf_counter()
        folded = fold_all(now=datetime.now(UTC))
        costs.append((time.perf_counter() - start) * 1e6 / folded.events)
    return statistics.median(costs)


def _read_times() -> list[float]:
    owner = Customer.objects.get(key="bench").pk
    until = datetime.now(UTC).replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    times = []
    for _ in range(READS):
        start = time.perf_counter()
        usage.read(
            customer_id=owner, meter="bench-tokens", starts_at=until - timedelta(days=30), ends_at=until, window="hour"
        )
        times.append((time.perf_counter() - start) * 1000)
    return sorted(times)


def _size(table: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_total_relation_size(%s::regclass)", [table])
        return int(cursor.fetchone()[0])


def _partitions_size() -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(inhrelid)) FROM pg_inherits"
            " WHERE inhparent = 'metering_storedevent'::regclass"
        )
        return int(cursor.fetchone()[0])
