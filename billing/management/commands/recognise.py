"""Earns deferred revenue up to now, and shows how it moved: `manage.py recognise --from 2026-05-01 --to 2026-06-01`."""

from datetime import UTC, datetime
from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from typing_extensions import override

from billing import recognition
from billing.management import arguments

COLUMNS = ("opening", "billed", "recognised", "returned", "credited", "voided", "restored", "closing")


class Command(BaseCommand):
    help = "Earn the deferred revenue of every day that is over, once; then show the roll-forward of a span of time."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--from", dest="since", type=arguments.day, help="first day of the roll-forward (YYYY-MM-DD, UTC)"
        )
        parser.add_argument(
            "--to", dest="until", type=arguments.day, help="day before which it stops; now where not given"
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        now = datetime.now(UTC)
        earned = recognition.recognise(now=now)
        sums = ", ".join(str(amount) for amount in earned.amounts.values()) or "nothing"
        self.stdout.write(f"{earned.days} days of lines earned: {sums}.")
        if options["since"] is None:
            return
        for row in recognition.roll_forward(since=options["since"], until=options["until"] or now):
            self.stdout.write(row.currency)
            for name in COLUMNS:
                self.stdout.write(f"  {name:<11} {getattr(row, name).amount:>16f}")
