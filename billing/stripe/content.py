"""What we tell Stripe about our rows, fixed as canonical JSON before anything is sent; knows no SDK.

Every name of ours at Stripe is metadata: by it a lost answer is found again, and reconciliation compares.
Ids of Stripe's own objects are no part of the content: they are filled in from rows that never change.
"""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final, TypeAlias

from agents.models import Customer
from billing.models import Invoice, InvoiceLine
from billing.money import Money, to_minor_units
from billing.stripe.errors import TooManyLinesError

CUSTOMER: Final = "agentmeter_customer"
INVOICE: Final = "agentmeter_invoice"
DIGEST: Final = "agentmeter_digest"
LINE: Final = "agentmeter_line"
PREPAID: Final = "prepaid"  # stands for the position of the line that takes off what credit has paid
# Stripe's limit an invoice, enforced since its API version of 2016-02-22.
MAX_LINES: Final = 250

Content: TypeAlias = dict[str, Any]


def customer_content(customer: Customer) -> Content:
    """What Stripe is told about a customer; the address is printed on the hosted invoice."""
    first, _, rest = customer.address.strip().partition("\n")
    address = {"line1": first.strip(), "line2": ", ".join(rest.split("\n")).strip(), "country": customer.country}
    return {
        "name": customer.name,
        "email": customer.email,
        "address": {name: text for name, text in address.items() if text},
        "metadata": {CUSTOMER: customer.key},
    }


def draft_content(invoice: Invoice) -> Content:
    """The draft, without lines: nothing advances by itself, nothing pending is swept in, no tax is added."""
    return {
        "auto_advance": False,
        "automatic_tax": {"enabled": False},
        "collection_method": "send_invoice",
        "currency": invoice.currency.lower(),
        "days_until_due": _days_until_due(invoice),
        "metadata": {INVOICE: invoice.number, DIGEST: invoice.digest},
        "number": invoice.number,
        "pending_invoice_items_behavior": "exclude",
    }


def lines_content(invoice: Invoice) -> Content:
    """The lines, each with its amount already rounded: Stripe rounds nothing.

    Raises TooManyLinesError beyond what Stripe takes, MoneyError for an amount that is no whole smallest unit.
    """
    lines = list(invoice.lines.order_by("position"))
    if len(lines) + bool(invoice.prepaid) > MAX_LINES:
        raise TooManyLinesError(f"Invoice {invoice.number} has {len(lines)} lines; Stripe takes {MAX_LINES}.")
    told = [_line(invoice, line) for line in lines]
    return {"lines": [*told, _prepaid(invoice)] if invoice.prepaid else told}


def finalize_content() -> Content:
    """Finalize, and still advance nothing by itself."""
    return {"auto_advance": False}


def encode(content: Mapping[str, Any]) -> str:
    """Return the one text of a content: the same content is the same text for ever."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def decode(text: str) -> Content:
    """Return the content of a text."""
    content: Content = json.loads(text)
    return content


def _line(invoice: Invoice, line: InvoiceLine) -> Content:
    quantity = f"{line.quantity.normalize():f}"
    printed = f"{line.description} ({quantity} × {line.unit})" if line.meter else line.description  # noqa: RUF001 times
    return {
        "amount": to_minor_units(Money(line.amount, invoice.currency)),
        "description": printed,
        "metadata": {LINE: str(line.position), "meter": line.meter, "quantity": quantity, "unit": line.unit},
        "period": {"start": int(line.starts_at.timestamp()), "end": int(line.ends_at.timestamp())},
    }


def _prepaid(invoice: Invoice) -> Content:
    """What prepaid credit has paid: Stripe collects the rest."""
    return {
        "amount": -to_minor_units(Money(invoice.prepaid, invoice.currency)),
        "description": "Paid from prepaid credit",
        "metadata": {LINE: PREPAID},
    }


def _days_until_due(invoice: Invoice) -> int:
    """Whole days from issue to due date, a begun day counted in full; Stripe counts them from finalization."""
    if invoice.due_at is None or invoice.issued_at is None:
        return 0
    begun = -((invoice.issued_at - invoice.due_at) // timedelta(days=1))
    return max(begun, 0)
