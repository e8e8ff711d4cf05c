"""Measures the compute of a slice: CPU time of this process, all its threads included, in whole milliseconds."""

import time
from collections.abc import Callable
from dataclasses import dataclass

_NANOSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Slice:
    """The compute of one slice. A quantity that was not measured is None and says so by its method, never zero."""

    milliseconds: int
    gpu_milliseconds: int | None = None
    gpu_method: str = "unavailable"
    energy_millijoules: int | None = None
    energy_source: str = "unavailable"


def process_cpu_nanoseconds() -> int:
    """Return the CPU time this process has used, workers of the engine included; waiting does not count."""
    return time.clock_gettime_ns(time.CLOCK_PROCESS_CPUTIME_ID)


class Stopwatch:
    """Cuts CPU time into slices of whole milliseconds.

    What is below a millisecond is carried into the next slice, so that the sum over slices stays within one
    millisecond of the truth however many there are.
    """

    def __init__(self, *, read: Callable[[], int] = process_cpu_nanoseconds) -> None:
        self._read = read
        self._started: int | None = None
        self._carried = 0

    def start(self) -> None:
        """Begin a slice; raises RuntimeError when one is running."""
        if self._started is not None:
            raise RuntimeError("a slice is already running")
        self._started = self._read()

    def stop(self) -> Slice:
        """End the slice and return it; raises RuntimeError when none is running."""
        if self._started is None:
            raise RuntimeError("no slice is running")
        elapsed = self._read() - self._started
        self._started = None
        milliseconds, self._carried = divmod(elapsed + self._carried, _NANOSECONDS)
        return Slice(milliseconds=milliseconds)
