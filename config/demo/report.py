"""What the demonstration prints: usage, lines and totals of each invoice, then where to look and how to sign in."""

from decimal import Decimal

from rich.console import Console
from rich.table import Table

from billing.models import Invoice
from billing.money import Money
from config.demo.seed import Login
from config.demo.stage import Stage
from metering import usage

UNITS = ("tasks", "turns", "decisions", "compute-seconds")


def show_invoice(console: Console, invoice: Invoice) -> None:
    """Print what the customer used and what it came to."""
    table = Table(title=f"{invoice.customer.name}: {invoice.version.plan.name}", title_justify="left", expand=False)
    table.add_column("Line")
    table.add_column("Quantity", justify="right")
    table.add_column("Amount", justify="right")
    for line in invoice.lines.order_by("position"):
        quantity = f"{_plain(line.quantity)} {line.unit}"
        table.add_row(line.description, quantity, str(Money(line.amount, invoice.currency)))
    table.add_section()
    table.add_row(
        f"[bold]{invoice.number}[/] ({invoice.status})", "", f"[bold]{Money(invoice.total, invoice.currency)}[/]"
    )
    console.print(f"\nUsage: {_usage(invoice)}")
    console.print(table)


def show_way_in(console: Console, stage: Stage, logins: list[Login]) -> None:
    """Print addresses and logins."""
    table = Table(title="Sign in", title_justify="left")
    for column in ("Where", "Name", "Password"):
        table.add_column(column)
    for login in logins:
        table.add_row(login.what, login.name, login.password)
    console.print()
    console.print(table)
    console.print(f"Portal          {stage.web_url}/portal/")
    console.print(f"Admin           {stage.web_url}/admin/")
    console.print(f"Stripe sandbox  {stage.sandbox_url}/")


def _usage(invoice: Invoice) -> str:
    return ", ".join(f"{_plain(_used(invoice, unit))} {unit}" for unit in UNITS)


def _used(invoice: Invoice, unit: str) -> Decimal:
    period = invoice.period
    return usage.quantity(
        customer_id=invoice.customer_id, meter=unit, starts_at=period.starts_at, ends_at=period.ends_at
    )


def _plain(quantity: Decimal) -> str:
    """Return a quantity without the zeros that only its column's scale adds."""
    return f"{quantity.normalize():f}"
