"""Hard rules that stand after the model: what it may not decide, however sure it is.

A small model imitates rules; outside what it was trained on it is confidently wrong. These rules do not ask it.
"""

from dataclasses import dataclass, replace

from runtime.grammar import Action, Decision, Priority
from runtime.situation import Situation

_COOLING = frozenset({Action.THROTTLE, Action.SHED_LOAD, Action.SLEEP, Action.ALERT})


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The decision that is acted on, and the rule that replaced the model's, if one did."""

    decision: Decision
    rule: str | None = None


def guard(*, decision: Decision, situation: Situation) -> Ruling:
    """Return the decision itself, or the safe one that a hard rule puts in its place.

    danger: when the operator speaks of danger, people are alerted, whatever the model says.
    heat: at or over the temperature limit, only what lets a machine cool down or alerts people is allowed.
    """
    if situation.is_dangerous and decision.action is not Action.ALERT:
        return Ruling(decision=_safe(decision, Action.ALERT), rule="danger")
    if situation.is_hot and decision.action not in _COOLING:
        return Ruling(decision=_safe(decision, Action.THROTTLE), rule="heat")
    return Ruling(decision=decision)


def _safe(decision: Decision, action: Action) -> Decision:
    return replace(decision, action=action, priority=Priority.HIGH)
