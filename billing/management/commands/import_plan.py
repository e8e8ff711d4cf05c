"""Takes plan documents into the catalogue: `manage.py import_plan plans/*.toml --publish`."""

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pghistory
from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from billing import catalog
from billing.errors import PlanError


class Command(BaseCommand):
    help = (
        "Check plan documents (TOML) and keep each as a draft version; the plans that are shipped where none is named."
    )

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("files", nargs="*", type=Path)
        parser.add_argument(
            "--publish", action="store_true", help="freeze the versions, so that customers can have them"
        )

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        # In the history of prices: who was on the server, and by which command.
        with pghistory.context(name=getpass.getuser(), address="manage.py import_plan"):
            for path in options["files"] or sorted(catalog.PLANS.glob("*.toml")):
                try:
                    self._take(path, publish=options["publish"])
                except (PlanError, OSError) as error:
                    raise CommandError(f"{path}: {error}") from error

    def _take(self, path: Path, *, publish: bool) -> None:
        now = datetime.now(UTC)
        version = catalog.import_plan(document=catalog.read(path=path), now=now)
        if publish:
            version = catalog.publish(version=version, now=now)
        self.stdout.write(f"{version.plan.key} version {version.number}: {version.status}")
