"""Says whether the windows are what the events add up to."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from metering import fold


class Command(BaseCommand):
    """`manage.py check_usage`: exits with 1 and names every window that differs."""

    help = "Compare the hourly windows with a scan of all folded events."

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Print each difference."""
        differences = fold.check()
        for one in differences:
            self.stdout.write(
                f"{one.meter} customer {one.customer_id} {one.starts_at.isoformat()} {one.environment} "
                f"{one.dimensions}: windows {one.windows}, events {one.events}"
            )
        if differences:
            raise CommandError(f"{len(differences)} windows differ from their events.")
        self.stdout.write("Every window is what its events add up to.")
