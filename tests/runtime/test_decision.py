"""A decision: its grammar, its validation, and the hard rules that overrule it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime import grammar, policy
from runtime.errors import UnusableDecisionError
from runtime.grammar import Action, Decision, Priority
from runtime.situation import ALARMS, HOTTEST, ROLES, SMALL_TALK, Situation

GOOD = {"action": "alert", "priority": "high", "reason": "operator reported danger"}

situations = st.builds(
    Situation,
    role=st.sampled_from(ROLES),
    temperature=st.integers(-20, 120),
    battery=st.integers(0, 100),
    load=st.integers(0, 100),
    queue=st.integers(0, 9999),
    link=st.booleans(),
    said=st.sampled_from(ALARMS + SMALL_TALK),
)
decisions = st.builds(
    Decision, action=st.sampled_from(Action), priority=st.sampled_from(Priority), reason=st.just("it seemed right")
)


def test_a_good_decision_is_read():
    decision = grammar.parse(json.dumps(GOOD), actions=tuple(Action))

    assert decision == Decision(action=Action.ALERT, priority=Priority.HIGH, reason="operator reported danger")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "not JSON"),
        ('{"action":"alert"', "not JSON"),
        ("[]", "not an object"),
        ("{}", "not an object"),
        (json.dumps(GOOD | {"extra": 1}), "not an object"),
        (json.dumps(GOOD | {"action": "explode"}), "action"),
        (json.dumps(GOOD | {"action": ["alert"]}), "action"),
        (json.dumps(GOOD | {"action": "sleep"}), "action: 'sleep' is not allowed here"),
        (json.dumps(GOOD | {"priority": "HIGH"}), "priority"),
        (json.dumps(GOOD | {"priority": None}), "priority"),
        (json.dumps(GOOD | {"reason": ""}), "reason"),
        (json.dumps(GOOD | {"reason": "x" * 61}), "reason"),
        (json.dumps(GOOD | {"reason": "No!"}), "reason"),
        (json.dumps(GOOD | {"reason": 7}), "reason"),
    ],
)
def test_what_is_no_decision_is_unusable_and_says_why(text, why):
    with pytest.raises(UnusableDecisionError, match=why):
        grammar.parse(text, actions=(Action.ALERT, Action.CONTINUE))


def test_the_longest_decision_fits_the_token_limit():
    longest = {"action": max(Action, key=len), "priority": "high", "reason": "x" * grammar.LONGEST_REASON}

    assert len(json.dumps(longest, separators=(",", ":"))) <= grammar.LONGEST_DECISION


def test_a_grammar_names_the_allowed_actions_only():
    text = grammar.write(actions=(Action.ALERT, Action.SLEEP))

    assert 'action ::= "alert" | "sleep"' in text
    with pytest.raises(ValueError, match="at least one action"):
        grammar.write(actions=())


@given(situation=situations, decision=decisions)
def test_danger_always_alerts_people(situation, decision):
    ruling = policy.guard(decision=decision, situation=situation)

    if situation.said in ALARMS:
        assert ruling.decision.action is Action.ALERT


@given(situation=situations, decision=decisions)
def test_a_machine_that_is_too_hot_is_never_left_alone(situation, decision):
    ruling = policy.guard(decision=decision, situation=situation)

    if situation.temperature >= HOTTEST:
        assert ruling.decision.action not in (Action.CONTINUE, Action.SYNC_NOW, Action.DEFER_SYNC, Action.SWAP_MODEL)


@given(situation=situations, decision=decisions)
def test_a_ruling_names_its_rule_exactly_when_it_changed_the_action(situation, decision):
    ruling = policy.guard(decision=decision, situation=situation)

    assert (ruling.rule is None) == (ruling.decision == decision)
    assert ruling.rule in (None, "danger", "heat")
    if ruling.rule:
        assert ruling.decision.priority is Priority.HIGH


def test_the_guard_hears_danger_in_words_it_was_not_trained_on():
    situation = Situation(role="pump", temperature=40, battery=50, load=50, queue=0, link=True, said="Smoke everywhere")
    calm = Decision(action=Action.CONTINUE, priority=Priority.LOW, reason="all readings are normal")

    assert policy.guard(decision=calm, situation=situation).rule == "danger"
