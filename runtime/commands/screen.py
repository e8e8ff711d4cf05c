"""Where commands write: results to standard output, everything else to standard error."""

import json
import sys
from collections.abc import Mapping

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


def show(line: str) -> None:
    """Write a line of result."""
    sys.stdout.write(line + "\n")


def show_json(values: Mapping[str, object]) -> None:
    """Write a result for programs."""
    show(json.dumps(values, indent=2))


def tell(line: str) -> None:
    """Write a line for people that is no result."""
    sys.stderr.write(line + "\n")


class ProgressLine:
    """How far a command is: a bar on a terminal, else a line at each tenth.

    Nothing is drawn but when `advance` is called: a bar that redraws itself from a thread would be CPU time that the
    stopwatch counts as the agent's.
    """

    def __init__(self, *, what: str, total: int) -> None:
        self._what, self._total, self._done = what, total, 0
        console = Console(stderr=True)
        self._bar: Progress | None = None
        if console.is_terminal:
            self._bar = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("{task.fields[note]}"),
                console=console,
                auto_refresh=False,
            )
            self._bar.start()
            self._row = self._bar.add_task(what, total=total, note="")

    def advance(self, *, to: int, note: str = "") -> None:
        """Say that `to` of the total are done."""
        before, self._done = self._done, to
        if self._bar is not None:
            self._bar.update(self._row, completed=to, total=max(self._total, to), note=note, refresh=True)
        elif to == self._total or to * 10 // max(self._total, 1) > before * 10 // max(self._total, 1):
            tell(f"{self._what}: {to} of {self._total}{f', {note}' if note else ''}")

    def close(self) -> None:
        """Leave the screen as it is."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
