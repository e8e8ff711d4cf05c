"""Compares an invoice of ours with Stripe's, to the cent and without tolerance; pure."""

from collections import Counter
from collections.abc import Sequence

from billing.errors import UnknownCurrencyError
from billing.models import Invoice
from billing.money import Money, from_minor_units
from billing.stripe import content
from billing.stripe.counterparts import RemoteInvoice, RemoteLine
from billing.stripe.errors import DifferenceError
from billing.stripe.lines import ToldLine


def require_same(*, invoice: Invoice, remote: RemoteInvoice, customer_id: str) -> None:
    """Raise DifferenceError, listing every difference, unless Stripe's invoice stands for ours.

    `customer_id` is Stripe's id of our customer.
    """
    _require(remote, differences(invoice=invoice, remote=remote, customer_id=customer_id))


def require_same_lines(*, invoice: Invoice, remote: RemoteInvoice, lines: Sequence[RemoteLine]) -> None:
    """Raise DifferenceError, listing every difference, unless Stripe's lines are ours."""
    _require(remote, line_differences(ours=content.told_lines(invoice), theirs=lines))


def differences(*, invoice: Invoice, remote: RemoteInvoice, customer_id: str) -> list[str]:
    """Name what differs between the heads of the two invoices; `total` is what is due before Stripe's balances."""
    pairs = (
        ("customer", remote.customer_id, customer_id),
        ("currency", remote.currency, invoice.currency),
        ("total", amount_text(remote.total, remote.currency), str(Money(invoice.due, invoice.currency))),
        ("invoice number in metadata", remote.metadata.get(content.INVOICE, ""), invoice.number),
        ("digest in metadata", remote.metadata.get(content.DIGEST, ""), invoice.digest),
    )
    return [f"{name} is {theirs!r} there, {ours!r} here" for name, theirs, ours in pairs if theirs != ours]


def line_differences(*, ours: Sequence[ToldLine], theirs: Sequence[RemoteLine]) -> list[str]:
    """Name what differs between the lines: how many there are, and each one's amount."""
    here = Counter((line.label, str(line.amount)) for line in ours)
    there = Counter((line.metadata.get(content.LINE, "?"), amount_text(line.amount, line.currency)) for line in theirs)
    found = [f"{len(theirs)} lines there, {here.total()} here"] if len(theirs) != here.total() else []
    found += [f"line {position} of {amount} is there only" for position, amount in (there - here).elements()]
    found += [f"line {position} of {amount} is here only" for position, amount in (here - there).elements()]
    return found


def amount_text(units: int, currency: str) -> str:
    """Print an amount of Stripe's, also in a currency that we do not invoice in."""
    try:
        return str(from_minor_units(units, currency))
    except UnknownCurrencyError:
        return f"{units} smallest units of {currency}"


def money_of(units: int, currency: str) -> Money | None:
    """Return an amount of Stripe's as money; None in a currency that we do not invoice in."""
    try:
        return from_minor_units(units, currency)
    except UnknownCurrencyError:
        return None


def _require(remote: RemoteInvoice, found: Sequence[str]) -> None:
    if found:
        raise DifferenceError(f"Stripe's invoice {remote.stripe_id} is not ours: {'; '.join(found)}.")
