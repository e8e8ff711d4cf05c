"""The sandbox's own time: that of the machine, or a test's, moved on by command."""

import time
from collections.abc import Callable


def read_machine() -> int:
    """Unix seconds."""
    return int(time.time())


class Clock:
    """Unix seconds: `base` tells them, and what was advanced is added."""

    def __init__(self, *, base: Callable[[], int]) -> None:
        self._base = base
        self._ahead = 0

    def __call__(self) -> int:
        """The moment."""
        return self._base() + self._ahead

    def advance(self, *, seconds: int) -> int:
        """Let time pass; the new moment."""
        self._ahead += seconds
        return self()
