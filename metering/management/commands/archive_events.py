"""Writes old months of events to Parquet files, checks the files, and drops the months from the database."""

import re
from argparse import ArgumentTypeError
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from metering import archive
from metering.errors import MeteringError
from metering.partitions import Month


def _month(text: str) -> Month:
    found = re.fullmatch(r"(\d{4})-(0[1-9]|1[0-2])", text)
    if not found:
        raise ArgumentTypeError(f"{text!r} is no month, such as 2026-01")
    return Month(int(found[1]), int(found[2]))


class Command(BaseCommand):
    """`manage.py archive_events --before 2026-01 --out DIR [--keep]`: may be stopped at any time and run again."""

    help = "Archive every month of events before --before to Parquet files under --out; keys and windows stay."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        """Read up to which month, and where to."""
        parser.add_argument(
            "--before", type=_month, required=True, metavar="YYYY-MM", help="the first month that stays"
        )
        parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="where the files go")
        parser.add_argument("--keep", action="store_true", help="write and check the files, drop nothing")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        """Archive month by month, a line each."""
        before, folder, keep = options["before"], options["out"], options["keep"]
        try:
            for one in archive.archive_before(before=before, folder=folder, now=datetime.now(UTC), keep=keep):
                each = one.size / one.content.rows if one.content.rows else 0
                end = "dropped" if one.dropped else "kept"
                self.stdout.write(f"{one.month}: {one.content.rows} events, {each:.0f} bytes each, {one.path}, {end}")
        except MeteringError as error:
            raise CommandError(str(error)) from error
        self.stdout.write("Done.")
