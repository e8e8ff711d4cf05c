"""Verifies invoices from raw events: `manage.py verify INV-000001 INV-000002`, or `manage.py verify --all`."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from billing import verification
from billing.errors import BillingError
from billing.models import Invoice
from metering.errors import MeteringError


class Command(BaseCommand):
    help = "Rate invoices again from raw events, never from windows; each must come out the same to the byte."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("numbers", nargs="*", metavar="INVOICE", help="numbers of invoices")
        parser.add_argument("--all", action="store_true", help="every issued invoice")
        parser.add_argument("--archives", type=Path, default=settings.ARCHIVE_DIR, help="where archived months are")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        if options["all"] == bool(options["numbers"]):
            raise CommandError("Name invoices, or say --all.")
        wrong = [str(invoice.number) for invoice in _asked(options) if not self._verify(invoice, options["archives"])]
        if wrong:
            raise CommandError(f"Not proved: {', '.join(wrong)}")

    def _verify(self, invoice: Invoice, archives: Path) -> bool:
        started = time.monotonic()
        try:
            found = verification.verify(invoice=invoice, archives=archives)
        except (BillingError, MeteringError) as error:
            self.stdout.write(f"{invoice.number}: cannot be rated again: {error}")
            return False
        taken = time.monotonic() - started
        self.stdout.write(f"{invoice.number}: {'equal' if found.is_equal else 'DIFFERS'} ({taken:.1f} s)")
        for difference in found.differences:
            self.stdout.write(f"  {difference}")
        return found.is_equal


def _asked(options: dict[str, Any]) -> Iterator[Invoice]:
    if options["all"]:
        yield from verification.issued().iterator(chunk_size=200)
        return
    for number in options["numbers"]:
        try:
            yield verification.find(number=number)
        except BillingError as error:
            raise CommandError(str(error)) from error
