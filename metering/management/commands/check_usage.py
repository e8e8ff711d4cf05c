"""Says whether windows are what the events add up to, and whether every accepted event is accounted for."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from typing_extensions import override

from metering import audit


class Command(BaseCommand):
    """`manage.py check_usage`: exits with 1 and names every window that differs and every customer who lacks events."""

    help = "Compare windows with a scan of all folded events, and accepted events with stored ones; count their states."

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Print the states of each customer's events, then what is wrong."""
        for customer, account in audit.accounts().items():
            states = ", ".join(f"{count} {state}" for state, count in asdict(account).items())
            self.stdout.write(f"customer {customer}: {account.accepted} events: {states}")
        faults = [*self._windows(), *self._shortfalls()]
        for fault in faults:
            self.stdout.write(fault)
        if faults:
            raise CommandError(f"{len(faults)} faults: windows differ from their events, or events are missing.")
        self.stdout.write("Every window is what its events add up to, and every accepted event is stored.")

    def _windows(self) -> list[str]:
        return [
            f"{one.meter} customer {one.customer_id} {one.starts_at.isoformat()} {one.width} s {one.environment} "
            f"{one.dimensions}: windows {one.windows}, events {one.events}"
            for one in audit.check()
        ]

    def _shortfalls(self) -> list[str]:
        return [
            f"customer {one.customer_id}: {one.accepted} events were accepted, {one.stored} are stored"
            for one in audit.shortfalls()
        ]
