"""What each instrumentation calls things: the one table by which spans are read, and the list of all that is kept.

The conventions for generative AI are not stable (standards.md, part 3), so names are data. An attribute that no row
names is never stored: prompts, answers, tool arguments and results travel in attributes, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from agents.models.traces import SpanKind

AGENT_NAME: Final = "agent"
MODEL_NAME: Final = "model_name"
PROVIDER: Final = "provider"
TOOL_NAME: Final = "tool"
TOOL_CALL: Final = "call"
CONVERSATION: Final = "conversation"
TASK: Final = "task"
PROMPT_TOKENS: Final = "prompt_tokens"
COMPLETION_TOKENS: Final = "completion_tokens"
TOKENS: Final = frozenset({PROMPT_TOKENS, COMPLETION_TOKENS})

SERVICE_ATTRIBUTE: Final = "service.name"  # of the resource; stands in for an agent without a name

Names = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Convention:
    """How the spans of some instrumentations are read.

    `scopes` are beginnings of instrumentation scope names; `kinds` maps, per attribute, a value to what the span is,
    the first attribute that says something deciding; `facts` lists per fact the attributes that may hold it, the first
    that is there winning.
    """

    name: str
    scopes: Names
    kinds: Mapping[str, Mapping[str, SpanKind]]
    facts: Mapping[str, Names]


_MODEL_OPERATIONS: Final = MappingProxyType(
    dict.fromkeys(("chat", "generate_content", "text_completion"), SpanKind.MODEL)
)
_OPERATIONS: Final = MappingProxyType(
    {"invoke_agent": SpanKind.AGENT, "execute_tool": SpanKind.TOOL, **_MODEL_OPERATIONS}
)

# Cached and reasoning tokens are within the input and output tokens: they are not added.
_GEN_AI: Final[Mapping[str, Names]] = MappingProxyType(
    {
        AGENT_NAME: ("gen_ai.agent.name",),
        MODEL_NAME: ("gen_ai.response.model", "gen_ai.request.model"),
        PROVIDER: ("gen_ai.provider.name", "gen_ai.system"),
        TOOL_NAME: ("gen_ai.tool.name",),
        TOOL_CALL: ("gen_ai.tool.call.id",),
        CONVERSATION: ("gen_ai.conversation.id",),
        TASK: ("agentmeter.task.id",),
        PROMPT_TOKENS: ("gen_ai.usage.input_tokens", "gen_ai.usage.prompt_tokens"),
        COMPLETION_TOKENS: ("gen_ai.usage.output_tokens", "gen_ai.usage.completion_tokens"),
    }
)

# gen_ai.agent.id is in no row: LangChain makes a random one for each run, the OpenAI Agents SDK sends one for all.
CONVENTIONS: Final[Sequence[Convention]] = (
    Convention(
        name="OpenInference",
        scopes=("openinference.instrumentation",),
        kinds=MappingProxyType(
            {
                "openinference.span.kind": MappingProxyType(
                    {"AGENT": SpanKind.AGENT, "LLM": SpanKind.MODEL, "TOOL": SpanKind.TOOL}
                )
            }
        ),
        facts=MappingProxyType(
            {
                AGENT_NAME: ("agent.name", "graph.node.id"),
                MODEL_NAME: ("llm.model_name",),
                PROVIDER: ("llm.provider", "llm.system"),
                TOOL_NAME: ("tool.name",),
                TOOL_CALL: ("tool_call.id", "tool.id"),
                CONVERSATION: ("session.id",),
                TASK: ("agentmeter.task.id",),
                PROMPT_TOKENS: ("llm.token_count.prompt",),
                COMPLETION_TOKENS: ("llm.token_count.completion",),
            }
        ),
    ),
    Convention(
        name="pydantic-ai",  # the root's gen_ai.aggregated_usage.* repeats its children's tokens and is in no row
        scopes=("pydantic-ai",),
        kinds=MappingProxyType({"gen_ai.operation.name": _OPERATIONS}),
        facts=MappingProxyType({**_GEN_AI, AGENT_NAME: ("gen_ai.agent.name", "agent_name")}),
    ),
    Convention(
        name="LangChain, LangGraph by OpenLLMetry",  # its execute_task and create_agent spans are of no kind
        scopes=("opentelemetry.instrumentation.langchain", "opentelemetry.instrumentation.langgraph"),
        kinds=MappingProxyType(
            {
                "gen_ai.operation.name": _OPERATIONS,
                "llm.request.type": MappingProxyType({"chat": SpanKind.MODEL, "completion": SpanKind.MODEL}),
                "traceloop.span.kind": MappingProxyType({"agent": SpanKind.AGENT, "tool": SpanKind.TOOL}),
            }
        ),
        facts=MappingProxyType({**_GEN_AI, TOOL_NAME: ("gen_ai.tool.name", "traceloop.entity.name")}),
    ),
    Convention(
        name="OpenAI Agents by OpenTelemetry",  # model calls come as text_completion, the rest as `unknown`
        scopes=("opentelemetry.instrumentation.openai_agents",),
        kinds=MappingProxyType({"gen_ai.operation.name": _OPERATIONS}),
        facts=_GEN_AI,
    ),
    Convention(
        name="the OpenTelemetry conventions for generative AI",
        scopes=("",),
        kinds=MappingProxyType({"gen_ai.operation.name": _OPERATIONS}),
        facts=_GEN_AI,
    ),
)


def find(*, scope: str) -> Convention:
    """Return the row for an instrumentation scope; the last one fits every scope."""
    return next(row for row in CONVENTIONS if scope.startswith(row.scopes))
