"""What the runtime asks of an inference engine, whichever it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """What an engine did since it was loaded, counted in tokens and steps, not in time."""

    decoded_tokens: int = 0
    sampled_tokens: int = 0
    aborted_steps: int = 0


class Sampler(Protocol):
    """Chooses tokens greedily among those its grammar allows; one per decision, never used twice."""

    def sample(self) -> int:
        """Return the next token, and take it into the grammar's state."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Engine(Protocol):
    """A loaded model with one context."""

    @property
    def context_tokens(self) -> int:
        """How many tokens the context holds."""
        ...

    def tokenize(self, text: str) -> list[int]:
        """Return the tokens of a prompt, with the model's own start token where it has one."""
        ...

    def piece(self, token: int) -> bytes:
        """Return the bytes a token stands for; a piece may be part of a character."""
        ...

    def is_end(self, token: int) -> bool:
        """Whether the token ends a generation."""
        ...

    def clear(self) -> None:
        """Forget everything decoded so far."""
        ...

    def decode(self, tokens: Sequence[int]) -> None:
        """Take tokens into the context. Raises DecodeError, or DecodeAbortedError after `abort`."""
        ...

    def sampler(self, *, grammar: str) -> Sampler:
        """Return a fresh sampler; raises GrammarRefusedError rather than run unconstrained."""
        ...

    def synchronize(self) -> None:
        """Return when no work is pending, so that none of it is measured in a later slice."""
        ...

    def abort(self) -> None:
        """Make the running or else the next `decode` raise DecodeAbortedError, once; callable from any thread."""
        ...

    def counters(self) -> Counters:
        """Return what was done since the model was loaded."""
        ...

    def close(self) -> None:
        """Give back the memory; the engine is of no use afterwards."""
        ...
