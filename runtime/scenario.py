"""A deterministic stream of incidents for the demonstration agents.

An incident is a machine in trouble. Its script, drawn from the seed beforehand, says how it starts, what its operator
says in each turn and how it answers to each action; nothing else is left to chance, so a seed and a model give the
same turns and decisions on every run.

How a task ends: completed when the agent says `continue` to a steady machine; failed when people are alerted twice
(`escalated`) or when four turns did not help (`unresolved`); canceled when the machine is taken out of service before
a turn begins (`withdrawn`).
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

from runtime.grammar import Action
from runtime.situation import ALARMS, HOTTEST, LONGEST, ROLES, SMALL_TALK, Situation
from runtime.wire import TaskState, TurnOutcome

MOST_TURNS = 4
MOST_DECISIONS = 3
_ALERTS_TO_ESCALATE = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """How a task ended and why, in a word."""

    state: TaskState
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reaction:
    """What the world made of an action: nothing yet, the end of the turn, or the end of the task as well."""

    outcome: TurnOutcome | None = None
    ending: Ending | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """Everything about an incident that was drawn beforehand.

    `said` holds the operator's line of each turn; `cooling`, `relief`, `drain` and `charge` are what one action takes
    off the temperature, the load and the queue, or adds to the battery; `link_returns` and `withdrawn` are the turns
    before which that happens, None for never.
    """

    start: Situation
    said: tuple[str, ...]
    cooling: int
    relief: int
    drain: int
    charge: int
    link_returns: int | None
    withdrawn: int | None


class Incident:
    """A machine in trouble, played by its script."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self.situation = script.start
        self.turn = 0
        self._decisions = 0
        self._alerts = 0
        self._is_charging = False

    def begin_turn(self) -> Ending | None:
        """Move on to the next turn, or return how the task ended before it could begin."""
        if self._script.withdrawn == self.turn + 1:
            return Ending(state=TaskState.CANCELED, reason="withdrawn")
        self.turn += 1
        self._decisions = 0
        changed = replace(self.situation, said=self._script.said[self.turn - 1])
        if self._script.link_returns == self.turn:
            changed = replace(changed, link=True)
        if self._is_charging:
            changed = replace(changed, battery=min(99, changed.battery + self._script.charge))
            self._is_charging = False
        self.situation = changed
        return None

    def react(self, action: Action) -> Reaction:
        """Play an action and return what came of it."""
        self._decisions += 1
        if action is Action.ALERT:
            return self._hand_to_people()
        if action is Action.CONTINUE and self.situation.is_steady:
            ending = Ending(state=TaskState.COMPLETED, reason="steady")
            return Reaction(outcome=TurnOutcome.ANSWERED, ending=ending)
        self._change(action)
        if self._decisions < MOST_DECISIONS and action not in (Action.CONTINUE, Action.SLEEP, Action.DEFER_SYNC):
            return Reaction()
        return self._end_turn(TurnOutcome.ANSWERED)

    def _change(self, action: Action) -> None:
        now, script = self.situation, self._script
        if action is Action.THROTTLE:
            self.situation = replace(now, temperature=max(20, now.temperature - script.cooling))
        elif action is Action.SHED_LOAD:
            self.situation = replace(now, load=max(1, now.load - script.relief))
        elif action is Action.SYNC_NOW:
            self.situation = replace(now, queue=max(0, now.queue - script.drain))
        elif action is Action.SLEEP:
            self._is_charging = True

    def _hand_to_people(self) -> Reaction:
        self._alerts += 1
        if self._alerts == _ALERTS_TO_ESCALATE:
            ending = Ending(state=TaskState.FAILED, reason="escalated")
            return Reaction(outcome=TurnOutcome.INPUT_REQUIRED, ending=ending)
        return self._end_turn(TurnOutcome.INPUT_REQUIRED)

    def _end_turn(self, outcome: TurnOutcome) -> Reaction:
        if self.turn == MOST_TURNS:
            return Reaction(outcome=outcome, ending=Ending(state=TaskState.FAILED, reason="unresolved"))
        return Reaction(outcome=outcome)


def incidents(*, seed: int) -> Iterator[Incident]:
    """Yield incidents for ever; the n-th depends on the seed and n alone."""
    number = 0
    while True:
        yield Incident(draw(random.Random(f"{seed}:{number}")))  # noqa: S311 - a demonstration, not a secret
        number += 1


def draw(chance: random.Random) -> Script:
    """Return the script of one incident."""
    return Script(
        start=_draw_start(chance),
        said=_draw_lines(chance),
        cooling=chance.randint(6, 20),
        relief=chance.randint(15, 50),
        drain=chance.randint(250, 900),
        charge=chance.randint(10, 40),
        link_returns=chance.choice((2, 3, 4, None)),
        withdrawn=chance.choice((2, 3)) if chance.random() < 0.25 else None,  # noqa: PLR2004 - one in four
    )


def _draw_start(chance: random.Random) -> Situation:
    """Return a machine with no, one or two troubles, every reading within what the models were trained on."""
    role, link = chance.choice(ROLES), chance.choice((True, True, False))
    calm = {
        "temperature": chance.randint(20, 84),
        "battery": chance.randint(15, 99),
        "load": chance.randint(1, 89),
        "queue": chance.randint(0, 499),
    }
    trouble = {
        "temperature": chance.randint(HOTTEST, 99),
        "battery": chance.randint(1, 14),
        "load": chance.randint(90, 99),
        "queue": chance.randint(LONGEST, 999),
    }
    troubled = chance.sample(sorted(trouble), chance.choice((0, 1, 1, 1, 2)))
    readings = calm | {name: trouble[name] for name in troubled}
    return Situation(role=role, link=link, said=SMALL_TALK[0], **readings)


def _draw_lines(chance: random.Random) -> tuple[str, ...]:
    """Return what the operator says turn by turn; one incident in five begins with an alarm, half of them last."""
    alarms = chance.choice((0, 0, 0, 0, 0, 0, 0, 0, 1, 2))
    return tuple(chance.choice(ALARMS if turn < alarms else SMALL_TALK) for turn in range(MOST_TURNS))
