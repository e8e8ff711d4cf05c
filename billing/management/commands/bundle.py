"""Packs what proves an invoice: `manage.py bundle INV-000001 --out FILE`; `python -m billing.proof FILE` checks it."""

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from billing import bundles, verification
from billing.errors import BillingError
from metering.errors import MeteringError


class Command(BaseCommand):
    help = "Write a zip from which anybody can prove an invoice without the service: python -m billing.proof FILE."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", metavar="INVOICE", help="the number of an issued invoice")
        parser.add_argument("--out", type=Path, required=True, metavar="FILE", help="the zip to write")
        parser.add_argument("--archives", type=Path, default=settings.ARCHIVE_DIR, help="where archived months are")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        draft = options["out"].with_name(f"{options['out'].name}.draft")
        try:
            with draft.open("wb") as out:
                invoice = verification.find(number=options["number"])
                bundles.write(invoice=invoice, out=out, archives=options["archives"])
            draft.replace(options["out"])  # there is no half a bundle under this name
        except (BillingError, MeteringError, OSError) as error:
            raise CommandError(str(error)) from error
        finally:
            draft.unlink(missing_ok=True)
        self.stdout.write(f"{options['out']}: {options['out'].stat().st_size} bytes, digest {invoice.digest}")
