"""Tax from Stripe Tax: asked for a draft, before the invoice is issued, so that an issued one never changes (ADR 0013).

Asking records nothing at Stripe. The answer becomes tax lines of the draft, once, and is booked with the invoice as any
other tax; what was issued is then recorded at Stripe by messages of the outbox, for its reports.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Final

from django.conf import settings
from django.db import transaction

from billing import profiles
from billing.errors import InvoiceStateError
from billing.models import Invoice, InvoiceLine
from billing.models.invoices import InvoiceStatus, LineKind
from billing.models.profiles import TaxSource
from billing.money import Money, allocate, from_minor_units, to_minor_units
from billing.stripe import client as stripe_client
from billing.stripe import content, outbox, reversals
from billing.stripe.content import Content
from billing.stripe.errors import DifferenceError, TaxNotAssessedError
from billing.stripe.remotes import RemoteCalculation, RemoteTax

SOURCE: Final = "stripe:"
"""Begins the source of a tax line that Stripe Tax gave: `stripe:{calculation}:{place}:{tax}:{percentage}`."""
# Stripe Tax takes 100 lines a calculation.
MAX_LINES: Final = 100
_TAX_CODE: Final = "txcd_"
_EXEMPTIONS: Final = {"none": "none", "exempt": "customer_exempt", "reverse": "reverse_charge"}


def is_missing(*, invoice: Invoice) -> bool:
    """Say whether an invoice must not be issued yet, because Stripe Tax was not asked about it."""
    if invoice.subtotal <= 0 or profiles.of(customer=invoice.customer).tax_source != TaxSource.STRIPE:
        return False
    return not _given(invoice)


def require(*, invoice: Invoice) -> None:
    """Raise TaxNotAssessedError where an invoice waits for Stripe Tax."""
    if is_missing(invoice=invoice):
        raise TaxNotAssessedError(f"Invoice {invoice.pk} waits for Stripe Tax.")


def assess(*, invoice: Invoice) -> Invoice:
    """Ask Stripe Tax about a draft and write the answer as its tax lines; once, and outside a transaction.

    Returns the draft as it then is; one that needs nothing of it unchanged. Raises CallError where Stripe did not
    answer (the same question is asked again later), DifferenceError where the answer does not add up,
    InvoiceStateError for what is no draft any more.
    """
    if not is_missing(invoice=invoice):
        return invoice
    answer = reversals.calculate_tax(stripe_client.connect(), params=question(invoice=invoice))
    _require_sum(answer, invoice)
    return _keep(invoice.pk, answer)


def record(*, invoice: Invoice, now: datetime) -> None:
    """Have the tax of an invoice just issued recorded at Stripe; in the transaction that issues it."""
    calculations = sorted({line.source.split(":")[1] for line in _given(invoice)})
    for number, calculation in enumerate(calculations, start=1):
        outbox.enqueue_tax(invoice=invoice, calculation=calculation, part=number, now=now)


def question(*, invoice: Invoice) -> Content:
    """Return what Stripe Tax is asked: amounts above zero only, which add up to the invoice before tax."""
    customer = invoice.customer
    address = {**content.address_of(customer), "country": customer.country}
    details = {"address": address, "address_source": "billing", "taxability_override": _EXEMPTIONS[customer.tax_exempt]}
    return {
        "currency": invoice.currency.lower(),
        "customer_details": details,
        "line_items": _items(invoice),
    }


def _items(invoice: Invoice) -> list[Content]:
    """One line for each charge, discounts spread over them: Stripe Tax refuses negative ones. More than 100 are one."""
    charges = list(
        invoice.lines.filter(amount__gt=0).exclude(kind=LineKind.TAX).select_related("rate_card").order_by("position")
    )
    before_tax = Money(invoice.subtotal, invoice.currency)
    if len(charges) > MAX_LINES:
        return [_item("all", before_tax, "")]
    shares = allocate(before_tax, [line.amount for line in charges])
    return [
        _item(str(line.position), share, _code_of(line)) for line, share in zip(charges, shares, strict=True) if share
    ]


def _item(reference: str, amount: Money, code: str) -> Content:
    told: Content = {"amount": to_minor_units(amount), "reference": reference, "tax_behavior": "exclusive"}
    return {**told, "tax_code": code or settings.STRIPE_TAX_CODE} if code or settings.STRIPE_TAX_CODE else told


def _code_of(line: InvoiceLine) -> str:
    """The card's tax category, where that is one of Stripe's codes."""
    category = line.rate_card.tax_category if line.rate_card else ""
    return category if category.startswith(_TAX_CODE) else ""


def _require_sum(answer: RemoteCalculation, invoice: Invoice) -> None:
    rates = sum(rate.amount for rate in answer.rates)
    if rates != answer.tax or answer.currency != invoice.currency or not answer.rates:
        raise DifferenceError(f"{answer.stripe_id} says {answer.tax} {answer.currency} of tax, its rates say {rates}.")


@transaction.atomic
def _keep(invoice_id: int, answer: RemoteCalculation) -> Invoice:
    """Write the answer once: whoever holds the draft first. The trigger refuses lines of what is issued."""
    invoice = Invoice.objects.select_for_update().get(pk=invoice_id)
    if invoice.status != InvoiceStatus.DRAFT:
        raise InvoiceStateError(f"Invoice {invoice.pk} is {invoice.status}; its tax is settled.")
    if _given(invoice):
        return invoice
    lines = list(invoice.lines.order_by("position"))
    InvoiceLine.objects.bulk_create(
        _line(invoice, lines, number, rate, answer.stripe_id) for number, rate in enumerate(answer.rates, start=1)
    )
    tax = from_minor_units(answer.tax, answer.currency).amount
    invoice.tax, invoice.total = invoice.tax + tax, invoice.total + tax
    invoice.save(update_fields=["tax", "total"])
    return invoice


def _line(
    invoice: Invoice, lines: Sequence[InvoiceLine], number: int, rate: RemoteTax, calculation: str
) -> InvoiceLine:
    base, amount = (from_minor_units(units, invoice.currency) for units in (rate.taxable, rate.amount))
    row = {"text": rate.words, "quantity": f"{base.amount:f}", "amount": f"{amount.amount:f}"}
    return InvoiceLine(
        invoice=invoice,
        position=lines[-1].position + number,
        kind=LineKind.TAX,
        source=f"{SOURCE}{calculation}:{rate.source}"[:120],
        description=rate.words[:250],
        quantity=Decimal(0),
        unit="",
        amount=amount.amount,
        starts_at=min(line.starts_at for line in lines),
        ends_at=max(line.ends_at for line in lines),
        detail=[row],
    )


def _given(invoice: Invoice) -> list[InvoiceLine]:
    return list(invoice.lines.filter(kind=LineKind.TAX, source__startswith=SOURCE))
