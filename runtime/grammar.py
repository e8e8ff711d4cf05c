"""The form of a decision: a GBNF grammar that the sampler obeys, and the check of what came out.

A grammar guarantees form, not sense, and a cut-off output is not even well formed; so every output is parsed and
validated again.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from runtime.errors import UnusableDecisionError

LONGEST_REASON = 60
# Decision texts of this many bytes or fewer cannot be cut off by a limit of as many tokens.
LONGEST_DECISION = 128

_REASON = re.compile(rf"[a-z ]{{1,{LONGEST_REASON}}}")


class Action(StrEnum):
    """What the demonstration agent may do with its machine."""

    CONTINUE = "continue"
    THROTTLE = "throttle"
    SHED_LOAD = "shed_load"
    SYNC_NOW = "sync_now"
    DEFER_SYNC = "defer_sync"
    SWAP_MODEL = "swap_model"
    ALERT = "alert"
    SLEEP = "sleep"


class Priority(StrEnum):
    """How soon people should look at a decision."""

    LOW = "low"
    MID = "mid"
    HIGH = "high"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """A usable output: the next action, how urgent it is, and the model's reason."""

    action: Action
    priority: Priority
    reason: str


def write(*, actions: Sequence[Action]) -> str:
    """Return the GBNF grammar that admits these actions only; raises ValueError when there are none."""
    if not actions:
        raise ValueError("actions: a decision needs at least one action to choose from")
    return "\n".join(
        (
            r'root ::= "{\"action\":\"" action "\",\"priority\":\"" priority "\",\"reason\":\"" reason "\"}"',
            f"action ::= {_alternatives(actions)}",
            f"priority ::= {_alternatives(tuple(Priority))}",
            f"reason ::= [a-z ]{{1,{LONGEST_REASON}}}",
        )
    )


def _alternatives(words: Sequence[str]) -> str:
    return " | ".join(f'"{word}"' for word in words)


def parse(text: str, *, actions: Sequence[Action]) -> Decision:
    """Read a decision; raises UnusableDecisionError saying what is wrong with it."""
    try:
        values = json.loads(text)
    except ValueError as error:
        raise UnusableDecisionError(f"not JSON: {text[:80]!r}") from error
    if not isinstance(values, dict) or set(values) != {"action", "priority", "reason"}:
        raise UnusableDecisionError("not an object of action, priority and reason")
    action, priority, reason = values["action"], values["priority"], values["reason"]
    if action not in tuple(actions):
        raise UnusableDecisionError(f"action: {action!r} is not allowed here")
    if priority not in tuple(Priority):
        raise UnusableDecisionError(f"priority: {priority!r} is unknown")
    if not isinstance(reason, str) or not _REASON.fullmatch(reason):
        raise UnusableDecisionError(f"reason: not 1 to {LONGEST_REASON} lower-case letters and spaces")
    return Decision(action=Action(action), priority=Priority(priority), reason=reason)
