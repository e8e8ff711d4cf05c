"""The loop of an agent: a task is turns, a turn is decisions, and what each used is in the spool before the next."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from runtime import grammar, policy
from runtime.engine import Engine
from runtime.errors import DecodeAbortedError, EngineError, UnusableDecisionError
from runtime.grammar import LONGEST_DECISION, Action, Decision
from runtime.inference import generate
from runtime.recorder import Event, Recorder
from runtime.scenario import Ending, Reaction
from runtime.situation import Situation
from runtime.stopwatch import Stopwatch
from runtime.wire import TaskState, TurnOutcome


class Work(Protocol):
    """What an agent works on: something that shows a situation and reacts to actions."""

    @property
    def situation(self) -> Situation:
        """What there is to see now."""
        ...

    def begin_turn(self) -> Ending | None:
        """Begin a turn, or say how the task ended before it."""
        ...

    def react(self, action: Action) -> Reaction:
        """Take an action and say what came of it."""
        ...


class Journal(Protocol):
    """Where events go; the spool is one."""

    def require_room(self) -> None:
        """Raise SpoolFullError when a whole task might not fit."""
        ...

    def append(self, events: Sequence[Event]) -> int:
        """Store all events durably, or none."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on what one task may use, and the actions it may choose from."""

    decisions: int = 10
    tokens: int = LONGEST_DECISION
    actions: tuple[Action, ...] = tuple(Action)


@dataclass(slots=True, kw_only=True)
class Tally:
    """What a task, or a run of tasks, came to."""

    states: dict[str, int] = field(default_factory=dict)
    turns: int = 0
    decisions: int = 0
    unusable: int = 0
    overruled: int = 0
    tokens: int = 0
    milliseconds: int = 0

    @property
    def tasks(self) -> int:
        """How many tasks ended."""
        return sum(self.states.values())

    def add(self, other: "Tally") -> None:
        """Add another tally to this one."""
        for state, count in other.states.items():
            self.states[state] = self.states.get(state, 0) + count
        for name in ("turns", "decisions", "unusable", "overruled", "tokens", "milliseconds"):
            setattr(self, name, getattr(self, name) + getattr(other, name))


@dataclass(slots=True, kw_only=True)
class _Turn:
    """A turn under way: its events so far, and how it and perhaps its task ended."""

    task: str
    key: str
    events: list[Event] = field(default_factory=list)
    decisions: int = 0
    outcome: TurnOutcome = TurnOutcome.RUNTIME_FAULT
    ending: Ending | None = None


class Agent:
    """Works on one task at a time and records every turn before it begins the next."""

    def __init__(
        self,
        *,
        engine: Engine,
        recorder: Recorder,
        journal: Journal,
        limits: Limits | None = None,
        stopwatch: Stopwatch | None = None,
    ) -> None:
        self._engine = engine
        self._recorder = recorder
        self._journal = journal
        self._limits = limits or Limits()
        self._stopwatch = stopwatch or Stopwatch()
        self._grammar = grammar.write(actions=self._limits.actions)
        self.is_stopping = False

    def stop(self) -> None:
        """End the task under way as canceled, as soon as the engine lets go; callable from a signal handler."""
        self.is_stopping = True
        self._engine.abort()

    def work(self, work: Work) -> Tally:
        """Carry one task to its terminal state and return what it came to.

        Raises SpoolFullError before the task begins when the spool might not hold its events, so that nothing billable
        is done that could not be recorded.
        """
        self._journal.require_room()
        tally, task = Tally(), self._recorder.identify()
        ending: Ending | None = None
        while ending is None:
            ending = self._begin_turn(work)
            events: list[Event] = []
            if ending is None:
                turn = self._take_turn(work, task, tally)
                events, ending = turn.events, turn.ending
            if ending is not None:
                events.append(self._recorder.task_ended(task=task, state=ending.state, reason=ending.reason))
            self._journal.append(events)
        tally.states[ending.state.value] = 1
        return tally

    def _begin_turn(self, work: Work) -> Ending | None:
        if self.is_stopping:
            return Ending(state=TaskState.CANCELED, reason="stopped")
        return work.begin_turn()

    def _take_turn(self, work: Work, task: str, tally: Tally) -> _Turn:
        """Run one turn under the stopwatch and close it, whatever became of it."""
        turn = _Turn(task=task, key=self._recorder.identify())
        self._stopwatch.start()
        try:
            self._decide_until_over(turn, work, tally)
        except DecodeAbortedError:
            turn.outcome = TurnOutcome.CANCELED
            turn.ending = Ending(state=TaskState.CANCELED, reason="stopped")
        except EngineError:
            turn.outcome = TurnOutcome.RUNTIME_FAULT
            turn.ending = Ending(state=TaskState.FAILED, reason="runtime_fault")
        finally:
            self._engine.synchronize()
            used = self._stopwatch.stop()
        turn.events.append(self._recorder.compute_used(turn=turn.key, task=task, used=used))
        turn.events.append(
            self._recorder.turn_completed(turn=turn.key, task=task, outcome=turn.outcome, decisions=turn.decisions)
        )
        tally.turns += 1
        tally.milliseconds += used.milliseconds
        return turn

    def _decide_until_over(self, turn: _Turn, work: Work, tally: Tally) -> None:
        """Decide and act until control goes back; sets how the turn, and perhaps the task, ended."""
        while True:
            if tally.decisions == self._limits.decisions:
                turn.outcome = TurnOutcome.INPUT_REQUIRED
                turn.ending = Ending(state=TaskState.FAILED, reason="decision_limit")
                return
            decision = self._decide(turn, work.situation, tally)
            if decision is None:
                turn.outcome = TurnOutcome.INPUT_REQUIRED
                turn.ending = Ending(state=TaskState.FAILED, reason="unusable_decision")
                return
            reaction = work.react(decision.action)
            if reaction.outcome is not None:
                turn.outcome, turn.ending = reaction.outcome, reaction.ending
                return

    def _decide(self, turn: _Turn, situation: Situation, tally: Tally) -> Decision | None:
        """Make and record one decision; None when the model's output was unusable."""
        made = generate(
            engine=self._engine, prompt=situation.prompt(), grammar=self._grammar, max_tokens=self._limits.tokens
        )
        ruling: policy.Ruling | None = None
        try:
            decision = grammar.parse(made.text, actions=self._limits.actions)
            ruling = policy.guard(decision=decision, situation=situation)
        except UnusableDecisionError:
            tally.unusable += 1
        turn.decisions += 1
        tally.decisions += 1
        tally.tokens += made.prompt_tokens + made.completion_tokens
        tally.overruled += ruling is not None and ruling.rule is not None
        turn.events.append(
            self._recorder.decision_made(
                turn=turn.key,
                task=turn.task,
                number=turn.decisions,
                action=ruling.decision.action.value if ruling else None,
                guard=ruling.rule if ruling else None,
                prompt_tokens=made.prompt_tokens,
                completion_tokens=made.completion_tokens,
            )
        )
        return ruling.decision if ruling else None
