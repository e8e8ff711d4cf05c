"""The invoice report: one row for each line of each issued invoice, compared with the ledger as it is written."""

import csv
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from typing import TYPE_CHECKING, Final, TextIO, TypedDict

from django.db.models import OuterRef, Subquery, Sum, Value
from django.db.models.functions import Coalesce, Concat

from billing.models import Invoice, InvoiceLine, LedgerEntry
from billing.models.invoices import InvoiceStatus, LineKind
from billing.models.ledger import Account
from billing.money import Money
from billing.rating.numbers import text_of
from billing.reports.cells import text_cell

if TYPE_CHECKING:
    from django_stubs_ext import WithAnnotations

    class _Booked(TypedDict):
        booked: Decimal

    BookedLine = WithAnnotations[InvoiceLine, _Booked]

COLUMNS: Final = (
    "invoice",
    "status",
    "customer",
    "customer_name",
    "issued_at",
    "due_at",
    "paid_at",
    "starts_at",
    "ends_at",
    "plan",
    "version",
    "line",
    "kind",
    "rate_card",
    "description",
    "meter",
    "quantity",
    "unit",
    "amount",
    "currency",
)
_LINES_AT_ONCE: Final = 1000


@dataclass
class Totals:
    """What was written, and what the ledger says of the same invoices, by currency; tax is no revenue and left out."""

    invoices: int = 0
    lines: int = 0
    billed: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    booked: dict[str, Decimal] = field(default_factory=lambda: defaultdict(Decimal))
    differing: list[str] = field(default_factory=list)

    def add(self, invoice: Invoice, lines: Sequence[InvoiceLine], booked: Decimal) -> None:
        """Count an invoice and its lines."""
        billed = sum((line.amount for line in lines if line.kind != LineKind.TAX), Decimal(0))
        self.invoices, self.lines = self.invoices + 1, self.lines + len(lines)
        self.billed[invoice.currency] += billed
        self.booked[invoice.currency] += booked
        if billed != booked:
            self.differing.append(str(invoice.number))

    def __str__(self) -> str:
        sums = [
            f" {Money(self.billed[code], code)} invoiced, {Money(self.booked[code], code)} booked as revenue."
            for code in sorted(self.billed)
        ]
        return f"{self.lines} lines of {self.invoices} invoices.{''.join(sums)}"


def write_csv(*, out: TextIO, since: datetime | None = None, until: datetime | None = None) -> Totals:
    """Write the lines of the invoices issued in `[since, until)` as CSV (RFC 4180), invoice by invoice; return totals.

    Lines and ledger come from one statement, so that an invoice issued meanwhile is in both or in neither.
    """
    writer, totals = csv.writer(out), Totals()
    writer.writerow(COLUMNS)
    for _, group in groupby(_lines(since, until), key=lambda line: line.invoice_id):
        lines = list(group)
        writer.writerows(_cells(line) for line in lines)
        totals.add(lines[0].invoice, lines, -lines[0].booked)
    return totals


def _lines(since: datetime | None, until: datetime | None) -> "Iterator[BookedLine]":
    """Yield issued lines, each with what was booked at issue as revenue, earned or not: negative, as a credit is."""
    revenue = LedgerEntry.objects.filter(
        transaction__key=Concat(Value("invoice:"), OuterRef("invoice__number")),
        account__in=(Account.REVENUE, Account.DEFERRED),
    )
    bounds: dict[str, datetime] = {}
    if since is not None:
        bounds["invoice__issued_at__gte"] = since
    if until is not None:
        bounds["invoice__issued_at__lt"] = until
    lines = InvoiceLine.objects.exclude(invoice__status=InvoiceStatus.DRAFT).filter(**bounds)
    booked = Coalesce(Subquery(revenue.values("transaction").annotate(sum=Sum("amount")).values("sum")), Decimal(0))
    return (
        lines.annotate(booked=booked)
        .select_related("rate_card", "invoice__customer", "invoice__period", "invoice__version__plan")
        .order_by("invoice_id", "position")
        .iterator(chunk_size=_LINES_AT_ONCE)
    )


def _cells(line: InvoiceLine) -> list[str]:
    invoice = line.invoice
    return [
        text_cell(str(invoice.number)),
        invoice.status,
        text_cell(invoice.customer.key),
        text_cell(invoice.customer.name),
        _instant(invoice.issued_at),
        _instant(invoice.due_at),
        _instant(invoice.paid_at),
        _instant(line.starts_at),
        _instant(line.ends_at),
        text_cell(invoice.version.plan.key),
        str(invoice.version.number),
        str(line.position),
        line.kind,
        text_cell(line.rate_card.key if line.rate_card else ""),
        text_cell(line.description),
        text_cell(line.meter),
        text_of(line.quantity),
        text_cell(line.unit),
        f"{Money(line.amount, invoice.currency).amount:f}",
        invoice.currency,
    ]


def _instant(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).isoformat()
