"""Writes a report of billing as a file: `manage.py export invoices --format csv --out invoices.csv`."""

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from billing.management import arguments
from billing.reports import invoices


class Command(BaseCommand):
    help = "Write a report: one row for each line of each issued invoice. The totals go to standard error."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("report", choices=["invoices"])
        parser.add_argument("--format", choices=["csv"], default="csv")
        parser.add_argument("--out", type=Path, help="file to write; standard output where it is not given")
        parser.add_argument("--from", dest="since", type=arguments.day, help="first day of issue, as YYYY-MM-DD in UTC")
        parser.add_argument("--to", dest="until", type=arguments.day, help="day of issue before which to stop")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        bounds = {"since": options["since"], "until": options["until"]}
        if options["out"] is None:
            totals = invoices.write_csv(out=sys.stdout, **bounds)
        else:
            totals = self._write_file(options["out"], bounds)
        self.stderr.write(str(totals))
        if totals.differing:
            raise CommandError(f"The ledger differs from the lines of {', '.join(totals.differing)}.")

    def _write_file(self, path: Path, bounds: dict[str, datetime | None]) -> invoices.Totals:
        try:
            with path.open("w", encoding="utf-8", newline="") as out:
                return invoices.write_csv(out=out, **bounds)
        except OSError as error:
            raise CommandError(f"--out: {error}") from error
