"""What is on a paper: texts alone, all of them from what never changes after issue."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

from billing import pay_links, subtotals
from billing.models import CreditNote, Invoice, InvoiceLine
from billing.models.invoices import LineKind
from billing.money import Money
from billing.portal.wording import STORED_PLACES, day_text, money_text, price_text, quantity_text, span_text


@dataclass(frozen=True, slots=True)
class Step:
    """One row of a line's formula."""

    text: str
    quantity: str
    unit_price: str
    amount: str


@dataclass(frozen=True, slots=True)
class Row:
    """One line, and how it was computed."""

    description: str
    span: str
    quantity: str
    unit: str
    amount: str
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """The lines of one period; a merged invoice has several."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Group:
    """What falls to one agent or project, line for line."""

    label: str
    rows: tuple[tuple[str, str], ...]
    amount: str


@dataclass(frozen=True, slots=True)
class Paper:
    """An invoice or a credit note; a field is empty where there is nothing of it."""

    kind: str
    number: str
    seller: str
    buyer: str
    facts: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    sums: tuple[tuple[str, str], ...]
    groups: tuple[Group, ...]
    notes: tuple[str, ...]
    pay_url: str
    digest: str
    created: str


def of_invoice(*, invoice: Invoice) -> Paper:
    """Return the paper of an issued invoice: what is on it was fixed when it was issued, so it never differs."""
    assert invoice.number and invoice.issued_at  # noqa: S101, PT018 - a constraint says so for all but drafts
    zone = ZoneInfo(invoice.period.subscription.time_zone)
    return Paper(
        kind="Invoice",
        number=invoice.number,
        seller=invoice.seller,
        buyer=invoice.buyer,
        facts=tuple(_facts(invoice, zone)),
        sections=tuple(_sections(invoice, zone)),
        sums=tuple(_sums(invoice)),
        groups=tuple(_groups(invoice)),
        notes=(
            "The rows below a line show how it was computed, before rounding; each line is rounded once, half up.",
            f"Quantities are as of usage fold {invoice.fold}. Days and times are in {zone.key}.",
        ),
        pay_url=pay_links.url_of(invoice=invoice) if invoice.due else "",
        digest=invoice.digest,
        created=_instant(invoice.issued_at),
    )


def of_note(*, note: CreditNote) -> Paper:
    """Return the paper of an issued credit note, which mirrors lines of its invoice."""
    assert note.number and note.issued_at  # noqa: S101, PT018 - a constraint says so for all that are issued
    zone = ZoneInfo(note.invoice.period.subscription.time_zone)
    currency = note.currency
    rows = tuple(
        Row(line.description, "", "", "", money_text(Money(-line.amount, currency)), ())
        for line in note.lines.order_by("position")
    )
    ways = {
        "Taken off what was due": note.applied,
        "Paid back": note.refund,
        "Kept as prepaid credit": note.credit,
        "Settled otherwise": note.outside,
    }
    sums = {"Subtotal before tax": -note.subtotal, "Tax": -note.tax, "Total": -note.total}
    sums |= {name: amount for name, amount in ways.items() if amount}
    issued = day_text(note.issued_at.astimezone(zone))
    return Paper(
        kind="Credit note",
        number=note.number,
        seller=note.seller,
        buyer=note.buyer,
        facts=(("Issued", issued), ("On invoice", note.invoice.number or ""), ("Why", note.explanation)),
        sections=(Section("", rows),),
        sums=tuple((name, money_text(Money(amount, currency))) for name, amount in sums.items()),
        groups=(),
        notes=(),
        pay_url="",
        digest=note.digest,
        created=_instant(note.issued_at),
    )


def _facts(invoice: Invoice, zone: ZoneInfo) -> Iterable[tuple[str, str]]:
    assert invoice.issued_at is not None  # noqa: S101 - as above
    yield "Issued", day_text(invoice.issued_at.astimezone(zone))
    if invoice.due_at is not None and invoice.due:
        yield "Due", day_text(invoice.due_at.astimezone(zone))
    if invoice.purchase_order:
        yield "Purchase order", invoice.purchase_order
    if not invoice.parts.exists():
        yield "Plan", _plan(invoice)
        yield "Period", _span(invoice, zone)


def _sections(invoice: Invoice, zone: ZoneInfo) -> Iterable[Section]:
    """Yield one section without a title, or one for each draft that was merged, in the order of their lines."""
    lines = list(invoice.lines.select_related("part__period", "part__version__plan").order_by("position"))
    parts = {line.part_id: line.part for line in lines}
    for part_id, part in parts.items():
        title = "" if part is None else f"{_plan(part)}, {_span(part, zone)}"
        own = [line for line in lines if line.part_id == part_id]
        yield Section(title, tuple(_row(line, invoice.currency, zone) for line in own))


def _row(line: InvoiceLine, currency: str, zone: ZoneInfo) -> Row:
    is_whole = line.kind in {LineKind.TAX, LineKind.CREDIT} or not line.unit
    return Row(
        description=line.description,
        span="" if line.kind == LineKind.TAX else span_text(line.starts_at, line.ends_at, zone),
        quantity="" if is_whole else quantity_text(line.quantity, places=STORED_PLACES),
        unit=line.unit,
        amount=money_text(Money(line.amount, currency)),
        steps=tuple(_step(row, currency) for row in line.detail),
    )


def _step(row: dict[str, str], currency: str) -> Step:
    unit_price, amount = (price_text(Decimal(row[name]), currency) if row[name] else "" for name in _PRICES)
    return Step(row["text"], quantity_text(Decimal(row["quantity"]), places=STORED_PLACES), unit_price, amount)


_PRICES = ("unit_price", "amount")


def _sums(invoice: Invoice) -> Iterable[tuple[str, str]]:
    def shown(amount: Decimal) -> str:
        return money_text(Money(amount, invoice.currency))

    if invoice.tax or invoice.carried:
        yield "Subtotal before tax", shown(invoice.subtotal)
    if invoice.tax:
        yield "Tax", shown(invoice.tax)
    if invoice.carried:
        yield "Kept as your prepaid credit", shown(invoice.carried)
    yield "Total", shown(invoice.total)
    if invoice.prepaid:
        yield "Paid from prepaid credit", shown(-invoice.prepaid)
        yield "To pay", shown(invoice.due)


def _groups(invoice: Invoice) -> Iterable[Group]:
    for group in subtotals.of(invoice=invoice):
        rows = tuple(
            (share.line.description, money_text(Money(share.amount, invoice.currency))) for share in group.shares
        )
        yield Group(group.label, rows, money_text(group.amount))


def _plan(invoice: Invoice) -> str:
    return f"{invoice.version.plan.name}, version {invoice.version.number}"


def _span(invoice: Invoice, zone: ZoneInfo) -> str:
    return span_text(invoice.period.starts_at, invoice.period.ends_at, zone)


def _instant(at: datetime) -> str:
    """Return an instant as a PDF's metadata has it, from which its creation date is taken."""
    return at.astimezone(ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%M:%SZ")
