"""Fills the windows of meters that are younger than their events, and shows how far it is."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from metering import backfill
from metering.errors import UnknownMeterError, YoungMeterError


class Command(BaseCommand):
    """`manage.py fill_meters [METER ...] [--anew]`: may be stopped at any time, and goes on where it was."""

    help = "Fill the windows of the meters named, or of all that miss events; --anew throws away what they hold first."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        """Read which meters, and whether to start over."""
        parser.add_argument("meters", nargs="*", metavar="METER")
        parser.add_argument("--anew", action="store_true", help="start over; needs the meters to be named")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Go through the meters, a line per step."""
        named: list[str] = options["meters"]
        if options["anew"] and not named:
            raise CommandError("Name the meters whose windows are to be made anew.")
        try:
            for key in named or backfill.incomplete():
                self._fill(key, anew=options["anew"])
        except (UnknownMeterError, YoungMeterError) as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Every window asked for is filled.")

    def _fill(self, key: str, *, anew: bool) -> None:
        if anew:
            backfill.restart(meter=key)
        for one in backfill.run(meter=key):
            self.stdout.write(f"{one.meter}: {one.done} of {one.events} events")
