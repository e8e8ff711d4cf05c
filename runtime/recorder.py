"""Writes down what an agent did as wire events, each with the dimensions it may be priced by."""

import platform
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from uuid_utils import uuid7

from runtime import wire
from runtime.stopwatch import Slice

_CPUINFO = Path("/proc/cpuinfo")

Event = dict[str, object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dimensions:
    """What every event of a run has in common; the names are those of `wire.DIMENSIONS`."""

    agent: str
    device: str
    processor: str
    model: str
    model_name: str
    architecture: str
    quantization: str
    environment: str
    byoc: bool = False
    hardware_class: str = "cpu"


def new_id() -> str:
    """Return a time-ordered unique id (UUIDv7) as text."""
    return str(uuid7())


def read_clock() -> datetime:
    """Return the wall clock's time in UTC; the device's clock may be wrong, which the service allows for."""
    return datetime.now(UTC)


def read_processor() -> str:
    """Return the processor's model name, or the machine type where the system does not tell."""
    if _CPUINFO.exists():
        for line in _CPUINFO.read_text().splitlines():
            name, _, value = line.partition(":")
            if name.strip() == "model name" and value.strip():
                return value.strip()
    return platform.processor() or platform.machine()


class Recorder:
    """Makes the events of one run."""

    def __init__(
        self,
        *,
        dimensions: Dimensions,
        clock: Callable[[], datetime] = read_clock,
        identify: Callable[[], str] = new_id,
    ) -> None:
        self._dimensions = asdict(dimensions)
        self._agent = dimensions.agent
        self._device = dimensions.device
        self._clock = clock
        self.identify = identify

    def task_ended(self, *, task: str, state: wire.TaskState, reason: str | None) -> Event:
        """Return the event of a task's terminal state."""
        return self._compose(wire.TASK_STATE_CHANGED, task=task, state=state.value, reason=reason)

    def turn_completed(self, *, turn: str, task: str, outcome: wire.TurnOutcome, decisions: int) -> Event:
        """Return the event of a turn that gave control back."""
        return self._compose(wire.TURN_COMPLETED, turn=turn, task=task, outcome=outcome.value, decisions=decisions)

    def decision_made(
        self,
        *,
        turn: str,
        task: str,
        number: int,
        action: str | None,
        guard: str | None,
        prompt_tokens: int,
        completion_tokens: int,
    ) -> Event:
        """Return the event of one inference: usable with the action acted on, unusable with none.

        `guard` names the hard rule that replaced the model's own action, if one did.
        """
        outcome = wire.DecisionOutcome.UNUSABLE if action is None else wire.DecisionOutcome.USABLE
        return self._compose(
            wire.DECISION_MADE,
            turn=turn,
            task=task,
            number=number,
            outcome=outcome.value,
            action=action,
            guard=guard,
            prompt_tokens=prompt_tokens,
            completion_tokens=completion_tokens,
        )

    def compute_used(self, *, turn: str, task: str, used: Slice) -> Event:
        """Return the event of one execution slice."""
        return self._compose(
            wire.COMPUTE_USED, slice=self.identify(), turn=turn, task=task, resource="cpu", **asdict(used)
        )

    def _compose(self, kind: str, **data: object) -> Event:
        return wire.compose(
            event_id=self.identify(),
            kind=kind,
            device=self._device,
            agent=self._agent,
            time=self._clock(),
            data={**data, **self._dimensions},
        )
