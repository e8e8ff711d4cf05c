"""`manage.py close`: invoices every period that is due, with a bar that shows how far it is."""

import multiprocessing
import sys
import time
from argparse import ArgumentParser
from datetime import UTC, datetime
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from typing_extensions import override

from billing import runs, workers
from billing.management import arguments
from billing.models import CloseRun

_LOOKS: Final = 10  # a second, at how far the workers are


class Command(BaseCommand):
    """Finishes what an interrupted run has left, then closes all that is due."""

    help = "Invoice every period that is due; what was interrupted before is finished first."

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        """Declare as of when, and by how many processes."""
        parser.add_argument("--now", type=arguments.instant, help="close as of this ISO 8601 time, with an offset")
        parser.add_argument("--workers", type=int, default=1, help="so many processes at once (1)")
        parser.add_argument("--run", type=int, help="only do what is left of this run that no other process is on")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Close, run after run, until nothing is left but what waits."""
        if options["run"] is not None:
            for _ in runs.work_through(run_id=options["run"], clock=_clock):
                pass
            return
        number = options["workers"]
        if number < 1:
            raise CommandError("--workers: at least one has to work.")
        as_of = options["now"] or _clock()
        for unfinished in runs.unfinished():
            self._do(unfinished, number)
        while (run := runs.start(as_of=as_of, now=_clock())) is not None:
            self._do(run, number)
            if not runs.has_more(run=run):
                return

    def _do(self, run: CloseRun, number: int) -> None:
        """Let the workers do all chunks of a run, and show how far they are."""
        others = _started(run.pk, number - 1)
        columns = (TextColumn("closing"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
            task = bar.add_task("closing", total=run.found)
            while not runs.is_finished(run_id=run.pk):
                for _ in runs.work_through(run_id=run.pk, clock=_clock):
                    bar.update(task, completed=runs.progress(run=run).done)
                # Another worker is on what is left; should it die, the chunk is ours at the next look.
                time.sleep(0 if runs.is_finished(run_id=run.pk) else 1 / _LOOKS)
            bar.update(task, completed=run.found)
        for other in others:
            other.join()
        run.refresh_from_db()
        self.stdout.write(f"{run}: {run.closed} closed, {run.parked} parked, {run.waiting} waiting")


def _started(run_id: int, number: int) -> list[multiprocessing.process.BaseProcess]:
    """Start processes that work on a run, each with a connection of its own."""
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=workers.work, args=(run_id,), daemon=True) for _ in range(number)]
    for one in processes:
        one.start()
    return list(processes)


def _clock() -> datetime:
    return datetime.now(UTC)
