"""Explains an invoice: `manage.py explain INV-000001`, or with `--line 2` one line down to its events."""

from collections.abc import Iterator
from datetime import UTC
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from billing import explain, verification
from billing.errors import BillingError
from billing.explain import Explained, Measured, Sourced
from billing.models import Invoice
from billing.rating.numbers import text_of
from metering.errors import MeteringError


class Command(BaseCommand):
    help = "Show how the lines of an invoice came about: formulas, and of one line windows, events and signatures."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("number", metavar="INVOICE", help="the number of an issued invoice")
        parser.add_argument("--line", type=int, metavar="N", help="the position of a line")
        parser.add_argument("--limit", type=int, default=20, help="how many events at most (20)")
        parser.add_argument("--archives", type=Path, default=settings.ARCHIVE_DIR, help="where archived months are")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        try:
            invoice = verification.find(number=options["number"])
            for text in _told(invoice, options):
                self.stdout.write(text)
        except (BillingError, MeteringError) as error:
            raise CommandError(str(error)) from error


def _told(invoice: Invoice, options: dict[str, Any]) -> Iterator[str]:
    yield f"{invoice.number}: {text_of(invoice.total)} {invoice.currency}, fold {invoice.fold}, digest {invoice.digest}"
    if options["line"] is None:
        for one in explain.lines(invoice=invoice):
            yield from _line(one, invoice.currency)
        return
    one = explain.line(invoice=invoice, position=options["line"])
    yield from _line(one, invoice.currency)
    if one.measured is not None:
        yield from _windows(one.measured, invoice, options["archives"])
        yield from _events(one.measured, options)


def _line(one: Explained, currency: str) -> Iterator[str]:
    line = one.line
    quantity, amount = f"{text_of(line.quantity)} {line.unit}", f"{text_of(line.amount)} {currency}"
    yield f"{line.position}. {line.description}: {quantity}, {amount}"
    for row in line.detail:
        price = f" x {row['unit_price']}" if row["unit_price"] else ""
        amount = f" = {row['amount']}" if row["amount"] else ""
        yield f"   {row['text']}: {row['quantity']}{price}{amount}"
    if one.measured is not None:
        asked = one.measured
        filters = "".join(f", {name} in {'/'.join(values)}" for name, values in asked.filters.items())
        yield f"   meter {asked.meter}{filters}, {asked.starts_at:%Y-%m-%d %H:%M} to {asked.ends_at:%Y-%m-%d %H:%M}"


def _windows(measured: Measured, invoice: Invoice, archives: Path) -> Iterator[str]:
    zone = invoice.period.subscription.time_zone
    for row in explain.windows(measured=measured, zone=zone, archives=archives).rows:
        group = "".join(f", {name} {value or 'none'}" for name, value in row.group.items())
        yield f"   {row.starts_at:%Y-%m-%d}{group}: {text_of(row.quantity)}"


def _events(measured: Measured, options: dict[str, Any]) -> Iterator[str]:
    page = explain.events(measured=measured, archives=options["archives"], limit=options["limit"])
    for one in page.events:
        yield f"   {_event(one)}"
    if page.following is not None:
        yield f"   ... more than {options['limit']} events; ask for more with --limit"


def _event(one: Sourced) -> str:
    event, batch = one.event, one.batch
    source = f"batch {batch.id}, received {batch.received_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    if one.signed is None:
        proof = "not signed"
    else:
        holds = {True: "signature holds", False: "SIGNATURE DOES NOT HOLD", None: "key not kept"}[one.signed.holds]
        proof = f"{one.signed.device} {one.signed.epoch}/{one.signed.sequence}, {holds}"
    return f"{event.time.astimezone(UTC):%Y-%m-%d %H:%M:%S} {event.id} of {event.source} ({source}; {proof})"
