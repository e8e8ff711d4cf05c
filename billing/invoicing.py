"""Invoices: drafted from a rated period, frozen with a number, and paid; each step once."""

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, Sum

from agents.models import Customer
from billing import ledger
from billing.errors import InvoiceStateError, PaymentConflictError
from billing.ledger import Entry
from billing.models import BillingPeriod, Invoice, InvoiceLine, InvoiceSequence, Payment
from billing.models.invoices import InvoiceStatus
from billing.models.ledger import Account
from billing.money import Money, zero
from billing.rating.charges import RatedPeriod
from billing.rating.numbers import text_of
from billing.stripe import outbox
from runtime.wire import canonical as canonical_json

DUE_AFTER: Final = timedelta(days=14)
OWED: Final = (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)


@transaction.atomic
def draft(*, period: BillingPeriod, rated: RatedPeriod, now: datetime) -> Invoice:
    """Write what was rated as a draft with its lines; a period has one invoice, by constraint."""
    subscription = period.subscription
    invoice = Invoice.objects.create(
        customer=subscription.customer,
        period=period,
        version=subscription.version,
        currency=rated.currency,
        total=rated.total.amount,
        fold=rated.fold,
        created_at=now,
    )
    cards = {card.key: card for card in subscription.version.rate_cards.all()}
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            invoice=invoice,
            position=position,
            rate_card=cards[charge.card],
            description=charge.description,
            meter=charge.meter,
            quantity=charge.quantity,
            unit=charge.unit,
            amount=charge.amount.amount,
            starts_at=period.starts_at,
            ends_at=period.ends_at,
            detail=charge.detail(),
        )
        for position, charge in enumerate(rated.charges, start=1)
    )
    return invoice


@transaction.atomic
def finalize(*, invoice: Invoice, now: datetime) -> Invoice:
    """Freeze a draft: number, parties, due date and digest; book it, and ask for its collection, all or nothing.

    An invoice over nothing is issued and paid at once: nothing is booked and nothing is sent to Stripe.
    Raises InvoiceStateError where it is no draft.
    """
    owed = Money(invoice.total, invoice.currency)
    invoice.status = InvoiceStatus.OPEN if owed else InvoiceStatus.PAID
    invoice.number = _take_number(prefix=settings.INVOICE_PREFIX)
    invoice.seller, invoice.buyer = _seller(), _buyer(invoice.customer)
    invoice.issued_at, invoice.due_at = now, now + DUE_AFTER
    invoice.paid_at = None if owed else now
    invoice.digest = hashlib.sha256(canonical(invoice)).hexdigest()
    frozen = ("status", "number", "seller", "buyer", "issued_at", "due_at", "paid_at", "digest")
    drafts = Invoice.objects.filter(pk=invoice.pk, status=InvoiceStatus.DRAFT)
    if drafts.update(**{name: getattr(invoice, name) for name in frozen}) != 1:
        raise InvoiceStateError(f"Invoice {invoice.pk} is no draft.")
    if owed:
        _book_claim(invoice, owed, now)
        outbox.enqueue_invoice(invoice=invoice, now=now)
    return invoice


@transaction.atomic
def mark_paid(*, invoice_id: int, payment_id: str, amount: Money, paid_at: datetime, now: datetime) -> Invoice:
    """Record money that arrived for an invoice, once for each `payment_id` (the provider's); paid when all has come.

    Less than what is owed leaves the invoice open; more is booked as it came, so that the customer's balance shows it.
    Raises InvoiceStateError for a draft or void invoice, CurrencyMismatchError, PaymentConflictError.
    """
    invoice = Invoice.objects.select_for_update().get(pk=invoice_id)  # two parts at once must see each other
    facts = {"invoice": invoice, "amount": amount.amount, "currency": amount.currency, "paid_at": paid_at}
    payment, is_new = Payment.objects.get_or_create(stripe_id=payment_id, defaults=facts)
    if not is_new:
        _require_same(payment, invoice, amount)
        return invoice
    if invoice.status not in {*OWED, InvoiceStatus.PAID}:
        raise InvoiceStateError(f"Payment {payment_id} came for {invoice}, which is {invoice.status}.")
    _book_payment(invoice, payment_id, amount, now)
    missing = Money(invoice.total, invoice.currency) - _received(invoice)
    if missing <= zero(invoice.currency):
        Invoice.objects.filter(pk=invoice.pk, status__in=OWED).update(status=InvoiceStatus.PAID, paid_at=paid_at)
        invoice.refresh_from_db()
    return invoice


def canonical(invoice: Invoice) -> bytes:
    """Return the one text of an invoice, over which its digest is made: canonical JSON, numbers as plain texts.

    It holds what never changes after issue, so that anybody with the invoice can check the digest at any time.
    """
    version = invoice.version
    content = {
        "number": invoice.number,
        "customer": invoice.customer.key,
        "seller": invoice.seller,
        "buyer": invoice.buyer,
        "plan": version.plan.key,
        "version": version.number,
        "fold": invoice.fold,
        "starts_at": _instant(invoice.period.starts_at),
        "ends_at": _instant(invoice.period.ends_at),
        "issued_at": _instant(invoice.issued_at),
        "due_at": _instant(invoice.due_at),
        "currency": invoice.currency,
        "total": text_of(invoice.total),
        "lines": [_line_content(line) for line in invoice.lines.select_related("rate_card").order_by("position")],
    }
    return canonical_json(content)


def _line_content(line: InvoiceLine) -> dict[str, object]:
    return {
        "position": line.position,
        "rate_card": line.rate_card.key,
        "description": line.description,
        "meter": line.meter,
        "quantity": text_of(line.quantity),
        "unit": line.unit,
        "amount": text_of(line.amount),
        "starts_at": _instant(line.starts_at),
        "ends_at": _instant(line.ends_at),
        "detail": line.detail,
    }


def _instant(at: datetime | None) -> str | None:
    return None if at is None else at.astimezone(UTC).isoformat()


def _take_number(*, prefix: str) -> str:
    """Return the next number of a series; the UPDATE locks its row until the transaction ends, so that none is lost."""
    InvoiceSequence.objects.bulk_create([InvoiceSequence(prefix=prefix)], ignore_conflicts=True)
    sequence = InvoiceSequence.objects.filter(prefix=prefix)
    sequence.update(next_number=F("next_number") + 1)
    return f"{prefix}-{sequence.get().next_number - 1:06}"


def _seller() -> str:
    return f"{settings.SELLER_NAME}\n{settings.SELLER_ADDRESS}"


def _buyer(customer: Customer) -> str:
    return "\n".join(part for part in (customer.name, customer.address, customer.country, customer.email) if part)


def _book_claim(invoice: Invoice, owed: Money, now: datetime) -> None:
    ledger.post(
        key=f"invoice:{invoice.number}",
        description=f"Invoice {invoice.number}",
        entries=[
            Entry(Account.RECEIVABLE, invoice.customer, owed),
            Entry(Account.REVENUE, invoice.customer, -owed),
        ],
        booked_at=now,
    )


def _book_payment(invoice: Invoice, payment_id: str, amount: Money, now: datetime) -> None:
    ledger.post(
        key=f"payment:{payment_id}",
        description=f"Payment {payment_id} of invoice {invoice.number}",
        entries=[
            Entry(Account.CASH, invoice.customer, amount),
            Entry(Account.RECEIVABLE, invoice.customer, -amount),
        ],
        booked_at=now,
    )


def _require_same(payment: Payment, invoice: Invoice, amount: Money) -> None:
    if payment.invoice_id != invoice.pk or Money(payment.amount, payment.currency) != amount:
        raise PaymentConflictError(f"{payment.stripe_id} is recorded as {payment}, not {amount} for {invoice}.")


def _received(invoice: Invoice) -> Money:
    """Return what came in for an invoice. Raises CurrencyMismatchError for money of another currency."""
    sums = invoice.payments.values("currency").annotate(sum=Sum("amount"))
    return sum((Money(Decimal(row["sum"]), row["currency"]) for row in sums), zero(invoice.currency))
