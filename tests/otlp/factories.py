"""Traces in the shapes that frameworks were seen to send (standards.md, part 3), and short ways to send them."""

import itertools
from datetime import UTC, datetime, timedelta

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from agents.auth import Caller
from agents.models import ApiKey
from agents.otlp import arrivals, spans, traces

NOW = datetime(2026, 11, 15, 12, tzinfo=UTC)
START = 1_794_740_400_000_000_000  # 2026-11-15T11:00:00Z
SECRET = "attack at dawn"
_ids = itertools.count(1)

PYDANTIC_AI = "pydantic-ai"
LANGCHAIN = "opentelemetry.instrumentation.langchain"
OPENAI_AGENTS = "opentelemetry.instrumentation.openai_agents"
OPENINFERENCE = "openinference.instrumentation.openai_agents"


def span_id():
    return next(_ids).to_bytes(8)


def trace_id():
    return next(_ids).to_bytes(16)


def value(raw):
    if isinstance(raw, bool):
        return AnyValue(bool_value=raw)
    if isinstance(raw, int):
        return AnyValue(int_value=raw)
    if isinstance(raw, float):
        return AnyValue(double_value=raw)
    return AnyValue(string_value=raw)


def span(trace, parent=None, *, failed=False, at=0, name="a span", **attributes):
    """A span that takes a second; attributes are named with __ for a dot."""
    return Span(
        trace_id=trace,
        span_id=span_id(),
        parent_span_id=parent.span_id if parent is not None else b"",
        name=name,
        start_time_unix_nano=START + at * 1_000_000_000,
        end_time_unix_nano=START + (at + 1) * 1_000_000_000,
        attributes=[KeyValue(key=key.replace("__", "."), value=value(raw)) for key, raw in attributes.items()],
        status=Status(code=Status.STATUS_CODE_ERROR, message=SECRET) if failed else None,
    )


def gen_ai(trace, operation, parent=None, *, agent=None, **rest):
    named = {} if agent is None else {"gen_ai__agent__name": agent}
    return span(trace, parent, gen_ai__operation__name=operation, **named, **rest)


def chat(trace, parent, **rest):
    tokens = {"gen_ai__usage__input_tokens": 52, "gen_ai__usage__output_tokens": 5}
    content = {"gen_ai__input__messages": SECRET, "gen_ai__output__messages": SECRET}
    return gen_ai(trace, "chat", parent, gen_ai__request__model="nano", **tokens, **content, **rest)


def tool(trace, parent, **rest):
    named = {"gen_ai__tool__name": "look", "gen_ai__tool__call__id": "call-1"}
    content = {"gen_ai__tool__call__arguments": SECRET, "gen_ai__tool__call__result": SECRET}
    return gen_ai(trace, "execute_tool", parent, **named, **content, **rest)


def pydantic_ai(trace):
    root = gen_ai(
        trace, "invoke_agent", agent="triage", final_result=SECRET, gen_ai__aggregated_usage__input_tokens=104
    )
    return PYDANTIC_AI, [
        chat(trace, root, agent="triage"),
        tool(trace, root, agent="triage", at=1),
        chat(trace, root, agent="triage", at=2),
        root,
    ]


def langchain(trace):
    root = gen_ai(trace, "invoke_agent", agent="triage", gen_ai__agent__id="random-1", traceloop__span__kind="workflow")
    flow = gen_ai(trace, "invoke_agent", root, agent="triage", gen_ai__agent__id="random-2", name="triage.workflow")
    steps = [gen_ai(trace, "execute_task", flow, at=n, traceloop__entity__input=SECRET) for n in range(3)]
    return LANGCHAIN, [
        chat(trace, steps[0]),
        tool(trace, steps[1], at=1),
        chat(trace, steps[2], at=2),
        *steps,
        flow,
        root,
    ]


def openai_agents(trace):
    root = gen_ai(trace, "invoke_agent", gen_ai__agent__id="agent", name="Agent workflow")
    inner = gen_ai(trace, "invoke_agent", root, agent="triage", gen_ai__agent__id="agent")
    turns = [gen_ai(trace, "unknown", inner, at=n) for n in range(3)]
    model = {"gen_ai__response__model": "nano", "gen_ai__prompt": SECRET}
    return OPENAI_AGENTS, [
        gen_ai(trace, "text_completion", turns[0], **model),
        tool(trace, turns[1], at=1),
        gen_ai(trace, "text_completion", turns[2], at=2, **model),
        *turns,
        inner,
        root,
    ]


def openinference(trace):
    def of_kind(kind, parent=None, **rest):
        return span(trace, parent, openinference__span__kind=kind, input__value=SECRET, **rest)

    root = of_kind("AGENT", name="Agent workflow")
    inner = of_kind("AGENT", root, agent__name="triage", graph__node__id="triage")
    turns = [of_kind("CHAIN", inner, at=n, name="turn") for n in range(2)]
    model = {"llm__model_name": "nano", "llm__token_count__prompt": 52, "llm__token_count__completion": 5}
    return OPENINFERENCE, [
        of_kind("LLM", turns[0], **model),
        of_kind("TOOL", turns[0], at=1, tool__name="look"),
        of_kind("LLM", turns[1], at=1, **model),
        *turns,
        inner,
        root,
    ]


FRAMEWORKS = [pydantic_ai, langchain, openai_agents, openinference]


def export(scope, sent, *, service="desk"):
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.append(KeyValue(key="service.name", value=value(service)))
    scoped = resource.scope_spans.add()
    scoped.scope.name = scope
    scoped.spans.extend(sent)
    return request


def read(scope, sent):
    """Return what is kept of the spans."""
    return spans.read(request=export(scope, sent)).spans


def caller_of(customer, environment="live"):
    key = ApiKey.objects.filter(customer=customer, environment=environment).first()
    if key is None:
        key = ApiKey.objects.create(
            customer=customer,
            name="otlp",
            digest=span_id() * 4,
            hint="am_",
            environment=environment,
            scopes=[],
            created_at=NOW,
        )
    return Caller(key_id=key.pk, customer_id=customer.pk, environment=environment, scopes=frozenset())


def send(customer, scope, sent, *, now=NOW, environment="live"):
    return arrivals.store(caller=caller_of(customer, environment), spans=read(scope, sent), now=now)


def complete(after=timedelta(minutes=2), *, now=NOW):
    return traces.complete_due(now=now + after)
