"""Verification: an issued invoice is rated again from raw events, and must come out the same to the byte."""

import hashlib
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from django.db.models import QuerySet

from billing import invoicing, issuing, merging, sources
from billing.errors import InvoiceStateError
from billing.models import Invoice, InvoiceLine
from billing.models.invoices import InvoiceStatus
from metering import evidence, usage


@dataclass(frozen=True, slots=True)
class Difference:
    """What is stored otherwise than it is worked out: of a line by its position, or of the invoice where that is 0."""

    position: int
    name: str
    stored: str
    worked_out: str

    def __str__(self) -> str:
        where = f"line {self.position}, {self.name}" if self.position else self.name
        return f"{where}: {self.stored!r} is stored, {self.worked_out!r} was worked out"


@dataclass(frozen=True, slots=True)
class Verification:
    """What became of an invoice that was verified: its digest, the one worked out, and what differs."""

    number: str
    digest: str
    worked_out: str
    differences: tuple[Difference, ...]

    @property
    def is_equal(self) -> bool:
        """Whether it is the same to the byte."""
        return self.digest == self.worked_out and not self.differences


def issued() -> QuerySet[Invoice]:
    """Return every invoice that `verify` has an answer for; what a void one drew from credit was given back."""
    drafts_and_void = (InvoiceStatus.DRAFT, InvoiceStatus.VOID)
    found = Invoice.objects.exclude(status__in=drafts_and_void)
    return found.select_related("customer", "period__subscription__customer", "version__plan").order_by("pk")


def find(*, number: str) -> Invoice:
    """Return an issued invoice. Raises InvoiceStateError where there is none."""
    invoice = issued().filter(number=number).first()
    if invoice is None:
        raise InvoiceStateError(f"No issued invoice has the number {number}.")
    return invoice


def verify(*, invoice: Invoice, archives: Path) -> Verification:
    """Rate an issued invoice again, from raw events as of its fold and under the contract it was closed under.

    `archives` is where archived months are. Writes nothing. Raises what rating and metering raise.
    """
    parts = merging.parts_of(invoice=invoice)
    with evidence.reading(customer_id=invoice.customer_id, as_of=invoice.fold, folder=archives) as reading:
        lines = [line for part in parts for line in _lines(part, reading.read)]
    fresh = _worked_out(invoice, lines)
    text = invoicing.canonical(fresh, lines)
    differences = (*_digest_differs(invoice), *_sums_differ(invoice, fresh), *_lines_differ(invoice, lines))
    return Verification(
        number=invoice.number or "",
        digest=invoice.digest,
        worked_out=hashlib.sha256(text).hexdigest(),
        differences=differences,
    )


def _lines(part: Invoice, read: Callable[..., usage.Usage]) -> list[InvoiceLine]:
    bill = issuing.bill(question=sources.question_of(part=part, read=read))
    return [*invoicing.lines_of(invoice=part, assessed=bill.assessed), *sources.given(part=part)]


def _worked_out(invoice: Invoice, lines: list[InvoiceLine]) -> Invoice:
    """Return the invoice, unsaved, with the sums of the lines, which are numbered through."""
    fresh, no_money = copy(invoice), Decimal(0)
    for position, line in enumerate(lines, start=1):
        line.position = position
    fresh.tax = sum((line.amount for line in lines if line.kind == "tax"), no_money)
    fresh.subtotal = sum((line.amount for line in lines if line.kind != "tax"), no_money)
    fresh.carried = max(-(fresh.subtotal + fresh.tax), no_money)
    fresh.total = fresh.subtotal + fresh.tax + fresh.carried
    return fresh


def _digest_differs(invoice: Invoice) -> Iterator[Difference]:
    """Yield that what is stored is not what the digest was made of."""
    stored = hashlib.sha256(invoicing.canonical(invoice)).hexdigest()
    if stored != invoice.digest:
        yield Difference(0, "digest", invoice.digest, stored)


def _sums_differ(invoice: Invoice, fresh: Invoice) -> Iterator[Difference]:
    for name in ("subtotal", "tax", "carried", "total"):
        if getattr(invoice, name) != getattr(fresh, name):
            yield Difference(0, name, str(getattr(invoice, name)), str(getattr(fresh, name)))


def _lines_differ(invoice: Invoice, lines: list[InvoiceLine]) -> Iterator[Difference]:
    stored = list(invoice.lines.select_related("rate_card").order_by("position"))
    for place in range(max(len(stored), len(lines))):
        before = invoicing.line_content(stored[place]) if place < len(stored) else {}
        after = invoicing.line_content(lines[place]) if place < len(lines) else {}
        for name in dict.fromkeys((*before, *after)):
            if before.get(name) != after.get(name):
                yield Difference(place + 1, name, str(before.get(name, "")), str(after.get(name, "")))
