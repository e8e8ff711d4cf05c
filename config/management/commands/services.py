"""`manage.py services start|stop|status`: the embedded PostgreSQL and Redis."""

from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from config.services import ServiceError
from config.services.home import services


class Command(BaseCommand):
    help = "Start, stop or show the embedded PostgreSQL and Redis under .local/."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("action", choices=["start", "stop", "status"])

    def handle(self, *_args: object, action: str, **_options: object) -> None:
        try:
            {"start": self._start, "stop": self._stop, "status": self._status}[action]()
        except ServiceError as error:
            raise CommandError(str(error)) from error

    def _start(self) -> None:
        endpoints = services().start()
        self.stdout.write(f"DATABASE_URL={endpoints.database_url}\nREDIS_URL={endpoints.redis_url}")

    def _stop(self) -> None:
        self.stdout.write("Stopped." if services().stop() else "Nothing to stop, or another command still uses them.")

    def _status(self) -> None:
        endpoints = services().endpoints()
        if endpoints is None:
            self.stdout.write("Never started. Run: make services")
            return
        self.stdout.write(f"DATABASE_URL={endpoints.database_url}\nREDIS_URL={endpoints.redis_url}")
