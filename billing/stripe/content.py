"""What we tell Stripe about our rows, fixed as canonical JSON before anything is sent; knows no SDK.

Every name of ours at Stripe is metadata: by it a lost answer is found again, and reconciliation compares. The
installation is part of it, because several databases may share one Stripe account.
Ids of Stripe's own objects are no part of the content: they are filled in from rows that never change.
"""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any, Final, TypeAlias

from agents.models import Customer
from billing.models import BillingProfile, CreditNote, Invoice, Refund
from billing.models.profiles import Collection
from billing.money import Money, to_minor_units
from billing.stripe import lines
from billing.stripe.lines import ToldLine

INSTALLATION: Final = "agentmeter_installation"
CUSTOMER: Final = "agentmeter_customer"
INVOICE: Final = "agentmeter_invoice"
DIGEST: Final = "agentmeter_digest"
LINE: Final = "agentmeter_line"
CREDIT_NOTE: Final = "agentmeter_credit_note"
REFUND: Final = "agentmeter_refund"
_LONGEST_MEMO: Final = 500
# Which bank takes a transfer depends on where the account is: Stripe's types of bank_transfer by currency.
_TRANSFERS: Final[Mapping[str, str]] = {
    "USD": "us_bank_transfer",
    "EUR": "eu_bank_transfer",
    "GBP": "gb_bank_transfer",
    "JPY": "jp_bank_transfer",
}

Content: TypeAlias = dict[str, Any]


def customer_content(customer: Customer, *, installation: str) -> Content:
    """What Stripe is told about a customer; the address is printed on the hosted invoice."""
    return {**_facts(customer), "metadata": {INSTALLATION: installation, CUSTOMER: customer.key}}


def customer_change(customer: Customer) -> Content:
    """What of a customer may change: what is told when it did."""
    return _facts(customer)


def draft_content(invoice: Invoice, profile: BillingProfile, *, installation: str) -> Content:
    """The draft, without lines: nothing advances by itself, nothing pending is swept in, no tax is added.

    Tax is on our lines, also where Stripe Tax worked it out (ADR 0013), so that automatic tax is always off, aloud.
    """
    told: Content = {
        "auto_advance": False,
        "automatic_tax": {"enabled": False},
        "currency": invoice.currency.lower(),
        "metadata": {INSTALLATION: installation, INVOICE: invoice.number, DIGEST: invoice.digest},
        "number": invoice.number,
        "pending_invoice_items_behavior": "exclude",
        **_collection(invoice, profile),
    }
    if invoice.purchase_order:
        told["custom_fields"] = [{"name": "Purchase order", "value": invoice.purchase_order}]
    return told


def lines_content(invoice: Invoice) -> Content:
    """The lines, each with its amount already rounded: Stripe rounds nothing.

    Raises MoneyError for an amount that is no whole smallest unit.
    """
    return {"lines": [_line(line) for line in told_lines(invoice)]}


def told_lines(invoice: Invoice) -> tuple[ToldLine, ...]:
    """Read an invoice's lines as Stripe is told them."""
    return lines.told(invoice=invoice, lines=list(invoice.lines.select_related("rate_card")))


def finalize_content() -> Content:
    """Finalize, and still advance nothing by itself."""
    return {"auto_advance": False}


def refund_content(refund: Refund, *, installation: str) -> Content:
    """A refund of a payment; the payment's id is Stripe's, but it came with the payment and never changes."""
    return {
        "amount": to_minor_units(Money(refund.amount, refund.currency)),
        "metadata": {INSTALLATION: installation, REFUND: refund.reference},
        "payment_intent": refund.payment.stripe_id,
        "reason": "requested_by_customer",
    }


def credit_note_content(note: CreditNote, refunds: Sequence[Refund], *, installation: str) -> Content:
    """An issued credit note; its refunds are named by our references, and by Stripe's ids when it is sent.

    What became credit for later invoices, or was settled past us, is told as settled elsewhere: Stripe must not give it
    to the customer once more. What is left lowers what the invoice still asks for (stripe.md C8).
    """
    told: Content = {
        "amount": _minor(note, note.total),
        "email_type": "none",
        "memo": note.explanation[:_LONGEST_MEMO],
        "metadata": {INSTALLATION: installation, CREDIT_NOTE: note.number},
        "reason": note.reason,
        "refunds": [{"reference": one.reference, "amount": _minor(note, one.amount)} for one in refunds],
    }
    if elsewhere := note.credit + note.outside:
        told["out_of_band_amount"] = _minor(note, elsewhere)
    return told


def encode(content: Mapping[str, Any]) -> str:
    """Return the one text of a content: the same content is the same text for ever."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def decode(text: str) -> Content:
    """Return the content of a text."""
    content: Content = json.loads(text)
    return content


def address_of(customer: Customer) -> Content:
    """A customer's address as Stripe keeps it: two lines and a country."""
    first, _, rest = customer.address.strip().partition("\n")
    address = {"line1": first.strip(), "line2": ", ".join(rest.split("\n")).strip(), "country": customer.country}
    return {name: text for name, text in address.items() if text}


def _facts(customer: Customer) -> Content:
    return {
        "name": customer.name,
        "email": customer.email,
        "address": address_of(customer),
        "tax_exempt": customer.tax_exempt,  # our words are Stripe's
    }


def _collection(invoice: Invoice, profile: BillingProfile) -> Content:
    """How it is paid: a card on file is charged by us, everything else is asked for by Stripe's page and e-mail."""
    if profile.collection == Collection.CARD_ON_FILE:
        return {"collection_method": "charge_automatically"}
    asked: Content = {"collection_method": "send_invoice", "days_until_due": _days_until_due(invoice)}
    if profile.collection == Collection.BANK_TRANSFER:
        asked["payment_settings"] = _transfer(invoice)
    return asked


def _transfer(invoice: Invoice) -> Content:
    transfer: Content = {"type": _TRANSFERS[invoice.currency]}
    if invoice.currency == "EUR":
        transfer["eu_bank_transfer"] = {"country": "DE"}  # Stripe asks for one; transfers reach it from all of SEPA
    options = {"customer_balance": {"bank_transfer": transfer, "funding_type": "bank_transfer"}}
    return {"payment_method_options": options, "payment_method_types": ["customer_balance"]}


def _line(line: ToldLine) -> Content:
    quantity = "" if line.quantity is None else f"{line.quantity.normalize():f}"
    printed = f"{line.description} ({quantity} × {line.unit})" if line.meter else line.description  # noqa: RUF001 times
    metadata = {LINE: line.label}
    if line.starts_at is not None:
        metadata |= {"meter": line.meter, "quantity": quantity, "unit": line.unit}
    if line.count > 1:
        metadata["lines"] = str(line.count)
    told: Content = {"amount": to_minor_units(line.amount), "description": printed, "metadata": metadata}
    if line.starts_at is not None and line.ends_at is not None:
        told["period"] = {"start": int(line.starts_at.timestamp()), "end": int(line.ends_at.timestamp())}
    return told


def _days_until_due(invoice: Invoice) -> int:
    """Whole days from issue to due date, a begun day counted in full; Stripe counts them from finalization."""
    if invoice.due_at is None or invoice.issued_at is None:
        return 0
    begun = -((invoice.issued_at - invoice.due_at) // timedelta(days=1))
    return max(begun, 0)


def _minor(note: CreditNote, amount: Decimal) -> int:
    return to_minor_units(Money(amount, note.currency))
