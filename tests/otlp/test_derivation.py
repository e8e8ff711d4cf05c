"""What a trace amounts to, whichever framework wrote it."""

import random

import pytest

from agents.models.traces import UnitKind
from agents.otlp import derivation
from tests.otlp import factories as make


def derive(scope, sent):
    return derivation.derive(spans=make.read(scope, sent))


def counted(derived):
    kinds = [unit.kind for unit in derived.units]
    return {str(kind): kinds.count(kind) for kind in UnitKind if kind in kinds}


@pytest.mark.parametrize("framework", make.FRAMEWORKS)
def test_the_same_work_counts_alike_in_every_framework(framework):
    derived = derive(*framework(make.trace_id()))
    assert derived.is_whole
    assert counted(derived) == {"turn": 1, "decision": 2, "tool_call": 1}
    assert {unit.facts["agent"] for unit in derived.units} == {"triage"}
    turn = next(unit for unit in derived.units if unit.kind is UnitKind.TURN)
    assert {unit.turn for unit in derived.units} == {turn.span.span_id}


@pytest.mark.parametrize("framework", make.FRAMEWORKS)
def test_the_order_of_arrival_changes_nothing(framework):
    scope, sent = framework(make.trace_id())
    expected = derive(scope, sent)
    for seed in range(5):
        shuffled = random.Random(seed).sample(sent, len(sent))
        assert derive(scope, shuffled) == expected


def test_tokens_and_models_stay_with_the_decision_and_the_roots_sum_is_not_added():
    derived = derive(*make.pydantic_ai(make.trace_id()))
    decisions = [unit.facts for unit in derived.units if unit.kind is UnitKind.DECISION]
    assert [(one["prompt_tokens"], one["completion_tokens"], one["model_name"]) for one in decisions] == [
        (52, 5, "nano")
    ] * 2
    turn = next(unit.facts for unit in derived.units if unit.kind is UnitKind.TURN)
    assert "prompt_tokens" not in turn


def test_a_sub_agent_by_another_name_is_a_turn_under_its_parents():
    trace = make.trace_id()
    root = make.gen_ai(trace, "invoke_agent", agent="triage")
    call = make.tool(trace, root)
    nested = make.gen_ai(trace, "invoke_agent", call, agent="billing")
    derived = derive("x", [make.chat(trace, nested), nested, call, root])
    assert counted(derived) == {"turn": 1, "subturn": 1, "decision": 1, "tool_call": 1}
    decision = next(unit for unit in derived.units if unit.kind is UnitKind.DECISION)
    assert (decision.facts["agent"], decision.turn) == ("billing", root.span_id.hex())


def test_an_agent_within_an_agent_of_the_same_name_is_the_same_hand_over():
    trace = make.trace_id()
    root = make.gen_ai(trace, "invoke_agent", agent="triage")
    again = make.gen_ai(trace, "invoke_agent", root, agent="triage")
    assert counted(derive("x", [root, again])) == {"turn": 1}


def test_two_runs_in_one_trace_are_two_turns():
    trace = make.trace_id()
    request = make.span(trace, name="POST /chat")
    runs = [make.gen_ai(trace, "invoke_agent", request, agent="triage", at=n) for n in range(2)]
    assert counted(derive("x", [*runs, request])) == {"turn": 2}


def test_an_inference_seen_by_two_instrumentations_is_one_decision():
    trace = make.trace_id()
    root = make.gen_ai(trace, "invoke_agent", agent="triage")
    outer = make.chat(trace, root)
    wire = make.span(trace, outer, name="POST")
    inner = make.chat(trace, wire)
    assert counted(derive("x", [inner, wire, outer, root])) == {"turn": 1, "decision": 1}


def test_a_model_called_by_a_tool_decides_for_itself():
    trace = make.trace_id()
    root = make.gen_ai(trace, "invoke_agent", agent="triage")
    call = make.tool(trace, root)
    assert counted(derive("x", [make.chat(trace, call), call, root])) == {"turn": 1, "tool_call": 1, "decision": 1}


def test_embeddings_retrieval_memory_and_workflows_are_nothing():
    trace = make.trace_id()
    root = make.gen_ai(trace, "invoke_workflow")
    others = [make.gen_ai(trace, name, root) for name in ("embeddings", "retrieval", "create_agent", "search_memory")]
    derived = derive("x", [root, *others])
    assert (derived.is_whole, derived.units) == (True, ())


def test_a_trace_is_whole_once_every_span_hangs_from_a_root():
    trace = make.trace_id()
    root = make.gen_ai(trace, "invoke_agent", agent="triage")
    step = make.span(trace, root)
    decision = make.chat(trace, step)
    assert not derive("x", [decision]).is_whole
    assert not derive("x", [decision, root]).is_whole
    assert derive("x", [decision, step, root]).is_whole
    assert not derive("x", []).is_whole


def test_a_circle_of_parents_is_neither_whole_nor_endless():
    trace = make.trace_id()
    one, other = make.chat(trace, None), make.chat(trace, None)
    one.parent_span_id, other.parent_span_id = other.span_id, one.span_id
    root = make.gen_ai(trace, "invoke_agent", agent="triage")
    derived = derive("x", [one, other, root])
    assert not derived.is_whole
    assert counted(derived) == {"turn": 1}


def test_a_very_deep_trace_is_read_without_recursion():
    trace = make.trace_id()
    chain = [make.gen_ai(trace, "invoke_agent")]
    for _ in range(5_000):
        chain.append(make.gen_ai(trace, "invoke_agent", chain[-1]))
    assert counted(derive("x", chain)) == {"turn": 1}
