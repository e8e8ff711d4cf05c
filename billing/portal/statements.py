"""Invoices as the customer reads them: issued ones only, drafts are ours."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import QuerySet

from agents.models import Customer
from billing import pay_links
from billing.models import Invoice, InvoiceLine
from billing.models.invoices import InvoiceStatus
from billing.money import Money
from billing.portal.sheets import Cell
from billing.portal.wording import STORED_PLACES, money_text, price_text, quantity_text, span_text
from billing.rating.numbers import plain

LINE_HEAD: Final = [
    "invoice",
    "position",
    "kind",
    "description",
    "meter",
    "starts_at",
    "ends_at",
    "quantity",
    "unit",
    "amount",
    "currency",
]


@dataclass(frozen=True, slots=True)
class State:
    """Where an invoice stands: `key` for the style sheet, `label` for people."""

    key: str
    label: str


@dataclass(frozen=True, slots=True)
class InvoiceRow:
    """One invoice in a list; `pay_url` is Stripe's page for it while there is something to pay."""

    number: str
    span: str
    issued_at: datetime
    state: State
    total: str
    pay_url: str


@dataclass(frozen=True, slots=True)
class FormulaRow:
    """One step of how a line was computed."""

    text: str
    quantity: str
    unit_price: str
    amount: str


@dataclass(frozen=True, slots=True)
class Line:
    """One charge with its formula."""

    description: str
    quantity: str
    unit: str
    amount: str
    rows: tuple[FormulaRow, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """A whole invoice; `tax`, `carried` and `prepaid` are empty where there is none."""

    number: str
    plan: str
    span: str
    state: State
    seller: str
    buyer: str
    issued_at: datetime
    due_at: datetime | None
    paid_at: datetime | None
    voided_at: datetime | None
    currency: str
    lines: tuple[Line, ...]
    subtotal: str
    tax: str
    carried: str
    total: str
    prepaid: str
    due: str
    fold: int
    digest: str
    pay_url: str


def issued_invoices(*, customer: Customer) -> QuerySet[Invoice]:
    """Return the customer's issued invoices, newest first."""
    issued = Invoice.objects.filter(customer=customer).exclude(status=InvoiceStatus.DRAFT)
    return issued.select_related("period", "stripe").order_by("-issued_at", "-pk")


def find_invoice(*, customer: Customer, number: str) -> Invoice | None:
    """Return one issued invoice of this customer; None where it has none with this number, whoever else may."""
    return issued_invoices(customer=customer).select_related("version__plan").filter(number=number).first()


def row_of(*, invoice: Invoice, zone: ZoneInfo, now: datetime) -> InvoiceRow:
    """Return an issued invoice for a list."""
    assert invoice.number and invoice.issued_at  # noqa: S101, PT018 - a constraint says so for all but drafts
    return InvoiceRow(
        number=invoice.number,
        span=span_text(invoice.period.starts_at, invoice.period.ends_at, zone),
        issued_at=invoice.issued_at,
        state=_state(invoice, now),
        total=money_text(Money(invoice.total, invoice.currency)),
        pay_url=pay_links.hosted_page(invoice=invoice),
    )


def statement_of(*, invoice: Invoice, zone: ZoneInfo, now: datetime) -> Statement:
    """Return everything that is on an issued invoice."""
    row = row_of(invoice=invoice, zone=zone, now=now)
    return Statement(
        number=row.number,
        plan=f"{invoice.version.plan.name} plan, version {invoice.version.number}",
        span=row.span,
        state=row.state,
        seller=invoice.seller,
        buyer=invoice.buyer,
        issued_at=row.issued_at,
        due_at=invoice.due_at,
        paid_at=invoice.paid_at,
        voided_at=invoice.voided_at,
        currency=invoice.currency,
        lines=tuple(_line(line, invoice.currency) for line in _lines(invoice)),
        subtotal=_money(invoice.subtotal, invoice),
        tax=_money(invoice.tax, invoice) if invoice.tax else "",
        carried=_money(invoice.carried, invoice) if invoice.carried else "",
        total=row.total,
        prepaid=_money(-invoice.prepaid, invoice) if invoice.prepaid else "",
        due=_money(invoice.due, invoice),
        fold=invoice.fold,
        digest=invoice.digest,
        pay_url=row.pay_url,
    )


def sheet_of(*, invoice: Invoice) -> tuple[list[str], list[list[Cell]]]:
    """Return head and rows of a file with the lines of an issued invoice: exact numbers, times with their offset."""
    return LINE_HEAD, [
        [
            invoice.number,
            line.position,
            line.kind,
            line.description,
            line.meter,
            line.starts_at.isoformat(),
            line.ends_at.isoformat(),
            plain(line.quantity),
            line.unit,
            Money(line.amount, invoice.currency).amount,
            invoice.currency,
        ]
        for line in _lines(invoice)
    ]


def _money(amount: Decimal, invoice: Invoice) -> str:
    return money_text(Money(amount, invoice.currency))


def _lines(invoice: Invoice) -> QuerySet[InvoiceLine]:
    return invoice.lines.order_by("position")


def _line(line: InvoiceLine, currency: str) -> Line:
    return Line(
        description=line.description,
        quantity=quantity_text(line.quantity, places=STORED_PLACES) if line.unit else "",
        unit=line.unit,
        amount=money_text(Money(line.amount, currency)),
        rows=tuple(_formula_row(row, currency) for row in line.detail),
    )


def _formula_row(row: dict[str, str], currency: str) -> FormulaRow:
    return FormulaRow(
        text=row["text"],
        quantity=quantity_text(Decimal(row["quantity"]), places=STORED_PLACES),
        unit_price=_price(row["unit_price"], currency),
        amount=_price(row["amount"], currency),
    )


def _price(text: str, currency: str) -> str:
    """Return a price or exact amount with its symbol; empty where the step has none."""
    return price_text(Decimal(text), currency) if text else ""


def _state(invoice: Invoice, now: datetime) -> State:
    if invoice.status == InvoiceStatus.OPEN and invoice.due_at is not None and invoice.due_at < now:
        return State(key="overdue", label="Overdue")
    return State(key=invoice.status, label=InvoiceStatus(invoice.status).label)
