"""The unmodified OpenTelemetry SDK, its OTLP exporter and pydantic-ai against the running service."""

from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Status, StatusCode
from pydantic_ai import Agent
from pydantic_ai.models.instrumented import InstrumentationSettings
from pydantic_ai.models.test import TestModel

from agents.models import Span, Trace
from agents.otlp import arrivals, traces
from config import errors
from metering.models import Event
from tests.factories import api_key, customer
from tests.otlp.factories import SECRET
from tests.otlp.test_traces import ONE_RUN, kinds, tables_with


@pytest.fixture
def acme(committed):
    return customer("acme")


@pytest.fixture
def exporter(live_server, acme):
    """The exporter as a customer sets it up: an address, a key."""
    made = OTLPSpanExporter(
        endpoint=f"{live_server.url}/v1/traces",
        headers={"Authorization": f"Bearer {api_key(acme)}"},
        compression=Compression.Gzip,
        timeout=5,
    )
    yield made
    made.shutdown()


@pytest.fixture
def provider():
    made = TracerProvider(resource=Resource.create({"service.name": "desk"}))
    yield made
    made.shutdown()


def complete():
    return traces.complete_due(now=datetime.now(UTC) + timedelta(minutes=2))


@pytest.fixture
def instrumented(provider):
    Agent.instrument_all(InstrumentationSettings(tracer_provider=provider))
    yield
    Agent.instrument_all(False)


@pytest.mark.usefixtures("instrumented")
def test_a_pydantic_ai_run_is_a_turn_two_decisions_and_a_tool_call(provider, exporter):
    provider.add_span_processor(BatchSpanProcessor(exporter))
    agent = Agent(TestModel(), name="triage")

    @agent.tool_plain
    def look(where: str) -> str:
        return f"{SECRET} in {where}"

    assert SECRET in agent.run_sync(f"Tell me: {SECRET}").output
    assert provider.force_flush()
    assert complete() == 1
    assert kinds() == ONE_RUN
    assert {row.data["agent"] for row in Event.objects.all()} == {"triage"}
    assert tables_with(SECRET) == []


def test_every_batch_sent_twice_counts_once(provider, exporter):
    memory = InMemorySpanExporter()
    provider.add_span_processor(BatchSpanProcessor(memory))
    tracer = provider.get_tracer("some.framework")
    with tracer.start_as_current_span("invoke_agent", attributes={"gen_ai.operation.name": "invoke_agent"}):
        for code in (StatusCode.UNSET, StatusCode.OK, StatusCode.ERROR):
            with tracer.start_as_current_span("chat", attributes={"gen_ai.operation.name": "chat"}) as span:
                span.set_status(Status(code))
    provider.force_flush()
    for _ in range(2):
        assert exporter.export(memory.get_finished_spans()) is SpanExportResult.SUCCESS
    assert complete() == 1
    assert exporter.export(memory.get_finished_spans()) is SpanExportResult.SUCCESS
    assert complete() == 0
    outcomes = sorted(row.data["outcome"] for row in Event.objects.all())
    assert outcomes == ["answered", "unusable", "usable", "usable"]
    assert {row.data["agent"] for row in Event.objects.all()} == {"desk"}
    assert (Trace.objects.count(), Span.objects.count()) == (1, 4)


def test_a_fault_of_ours_is_retried_by_the_exporter_and_nothing_is_lost(provider, exporter, monkeypatch):
    memory = InMemorySpanExporter()
    provider.add_span_processor(BatchSpanProcessor(memory))
    provider.get_tracer("x").start_span("run", attributes={"gen_ai.operation.name": "invoke_agent"}).end()
    provider.force_flush()
    store, calls = arrivals.store, []

    def broken_once(**asked):
        calls.append(asked)
        if len(calls) == 1:
            raise RuntimeError("disk on fire")
        return store(**asked)

    monkeypatch.setattr(arrivals, "store", broken_once)
    monkeypatch.setattr(errors, "RETRY_SECONDS", 1)
    assert exporter.export(memory.get_finished_spans()) is SpanExportResult.SUCCESS
    assert (len(calls), Span.objects.count()) == (2, 1)
