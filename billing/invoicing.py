"""Invoices: drafted from a rated period, frozen with a number, and paid; each step once."""

import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from django.conf import settings
from django.db import transaction

from agents.models import Customer
from billing import claims, credits, deferring, ledger, merging, numbering, profiles, subtotals, surroundings
from billing.assessment import Assessment, Question, Reference
from billing.credits import Award
from billing.dunning import suspensions
from billing.endpoints import announcing
from billing.errors import InvoiceStateError, PaymentConflictError
from billing.ledger import Entry
from billing.models import Invoice, InvoiceLine, Payment
from billing.models.credits import Funding, GrantKind
from billing.models.endpoints import EventType
from billing.models.invoices import InvoiceStatus, Moment
from billing.models.ledger import Account
from billing.models.profiles import TaxSource
from billing.money import Money, zero
from billing.proof import values
from billing.rating.lines import Line
from billing.rating.numbers import text_of
from billing.stripe import outbox
from billing.stripe import taxes as stripe_taxes
from runtime.wire import canonical as canonical_json

_AT_ISSUE: Final = (
    *("prepaid", "status", "number", "seller", "buyer", "purchase_order", "issued_at", "due_at", "paid_at", "digest"),
)
OWED: Final = (InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE)


@transaction.atomic
def draft(*, question: Question, assessed: Assessment, now: datetime) -> Invoice:
    """Write what was assessed as a draft with its lines; a period has one invoice a moment, by constraint.

    A sum below nothing makes an invoice over nothing: what is left over is carried, and becomes prepaid credit.
    """
    rated, period = assessed.rated, question.period
    carried = max(-rated.total.amount, Decimal(0))
    invoice = Invoice.objects.create(
        customer=period.subscription.customer,
        period=period,
        moment=question.moment,
        version=surroundings.version_at_end(question.contract, question.cycle),
        change_id=assessed.change_id,
        currency=rated.currency,
        subtotal=rated.subtotal.amount,
        tax=rated.tax.amount,
        carried=carried,
        total=rated.total.amount + carried,
        fold=rated.fold,
        tax_rule={"rule": values.write(assessed.tax)},
        created_at=now,
    )
    InvoiceLine.objects.bulk_create(lines_of(invoice=invoice, assessed=assessed))
    subtotals.keep(invoice=invoice)
    return invoice


def lines_of(*, invoice: Invoice, assessed: Assessment) -> list[InvoiceLine]:
    """Return the lines that an invoice has of what was assessed, unsaved."""
    lines = zip(assessed.rated.lines, assessed.references, strict=True)
    return [_line_of(invoice, position, line, reference) for position, (line, reference) in enumerate(lines, start=1)]


@transaction.atomic
def finalize(*, invoice: Invoice, now: datetime) -> Invoice:
    """Freeze a draft: number, parties, due date and digest; book it, and ask for its collection, all or nothing.

    Prepaid credit pays first. An invoice with nothing left to pay is issued and paid at once, and not sent to Stripe.
    Raises InvoiceStateError where it is no draft, TaxNotAssessedError where Stripe Tax was not asked yet.
    """
    stripe_taxes.require(invoice=invoice)
    invoice.prepaid = credits.apply(invoice=invoice, now=now).amount
    invoice.status = InvoiceStatus.OPEN if invoice.due else InvoiceStatus.PAID
    invoice.number = numbering.take(prefix=settings.INVOICE_PREFIX)
    invoice.seller, invoice.buyer = _seller(), _buyer(invoice.customer)
    profile = profiles.of(customer=invoice.customer)
    invoice.purchase_order = profile.purchase_order
    invoice.issued_at, invoice.due_at = now, now + timedelta(days=profile.payment_days)
    invoice.paid_at = None if invoice.due else now
    invoice.digest = hashlib.sha256(canonical(invoice)).hexdigest()
    drafts = Invoice.objects.filter(pk=invoice.pk, status=InvoiceStatus.DRAFT, merged_into=None)
    if drafts.update(**{name: getattr(invoice, name) for name in _AT_ISSUE}) != 1:
        raise InvoiceStateError(f"Invoice {invoice.pk} is no draft.")
    _book_claim(invoice, now)
    if invoice.due:
        outbox.enqueue_invoice(invoice=invoice, now=now)
    if profile.tax_source == TaxSource.STRIPE:
        stripe_taxes.record(invoice=invoice, now=now)
    announcing.tell_invoice(invoice=invoice, kind=EventType.INVOICE_FINALIZED, now=now)
    if not invoice.due:
        announcing.tell_invoice(invoice=invoice, kind=EventType.INVOICE_PAID, now=now)
    return invoice


@transaction.atomic
def mark_paid(*, invoice_id: int, payment_id: str, amount: Money, paid_at: datetime, now: datetime) -> Invoice:
    """Record money that arrived for an invoice, once for each `payment_id` (the provider's); paid when all has come.

    Less than what is owed leaves the invoice open; more is booked as it came, so that the customer's balance shows it.
    Money for an invoice that was written off takes the write-off back.
    Raises InvoiceStateError for a draft or void invoice, CurrencyMismatchError, PaymentConflictError.
    """
    invoice = claims.hold(invoice_id=invoice_id)  # two parts at once must see each other
    owed = claims.outstanding(invoice=invoice)
    facts = {"invoice": invoice, "amount": amount.amount, "currency": amount.currency, "paid_at": paid_at}
    payment, is_new = Payment.objects.get_or_create(stripe_id=payment_id, defaults=facts)
    if not is_new:
        _require_same(payment, invoice, amount)
        return invoice
    if invoice.status not in {*OWED, InvoiceStatus.PAID}:
        raise InvoiceStateError(f"Payment {payment_id} came for {invoice}, which is {invoice.status}.")
    _book_payment(payment, invoice, owed, now)
    announcing.tell_payment(payment=payment, invoice=invoice, now=now)
    if owed <= amount:
        Invoice.objects.filter(pk=invoice.pk, status__in=OWED).update(status=InvoiceStatus.PAID, paid_at=paid_at)
        invoice.refresh_from_db()
        announcing.tell_invoice(invoice=invoice, kind=EventType.INVOICE_PAID, now=now)
        suspensions.lift_settled(customer=invoice.customer, now=now)
    return invoice


def canonical(invoice: Invoice, lines: Iterable[InvoiceLine] | None = None) -> bytes:
    """Return the one text of an invoice, over which its digest is made: canonical JSON, numbers as plain texts.

    It holds what never changes after issue, so that anybody with the invoice can check the digest at any time. With
    `lines` it is the text that the invoice would have, were those its lines.
    """
    stored = invoice.lines.select_related("rate_card").order_by("position")
    version = invoice.version
    content = {
        "number": invoice.number,
        "customer": invoice.customer.key,
        "seller": invoice.seller,
        "buyer": invoice.buyer,
        "purchase_order": invoice.purchase_order,
        "plan": version.plan.key,
        "version": version.number,
        "moment": invoice.moment,
        "fold": invoice.fold,
        "starts_at": _instant(invoice.period.starts_at),
        "ends_at": _instant(invoice.period.ends_at),
        "issued_at": _instant(invoice.issued_at),
        "due_at": _instant(invoice.due_at),
        "currency": invoice.currency,
        "subtotal": text_of(invoice.subtotal),
        "tax": text_of(invoice.tax),
        "carried": text_of(invoice.carried),
        "total": text_of(invoice.total),
        "prepaid": text_of(invoice.prepaid),
        "lines": [line_content(line) for line in (stored if lines is None else lines)],
    }
    return canonical_json(content | _parts_content(invoice))


def _parts_content(invoice: Invoice) -> dict[str, object]:
    """Return what a merged invoice says of each draft it was made of, and which lines are of it; else nothing."""
    if invoice.moment != Moment.MERGED:
        return {}
    owners = list(invoice.lines.order_by("position").values_list("position", "part_id"))
    return {
        "parts": [
            {
                "plan": part.version.plan.key,
                "version": part.version.number,
                "moment": part.moment,
                "fold": part.fold,
                "starts_at": _instant(part.period.starts_at),
                "ends_at": _instant(part.period.ends_at),
                "lines": [position for position, part_id in owners if part_id == part.pk],
            }
            for part in merging.parts_of(invoice=invoice)
        ]
    }


def line_content(line: InvoiceLine) -> dict[str, object]:
    """Return what the canonical text says of a line."""
    return {
        "position": line.position,
        "kind": line.kind,
        "rate_card": line.rate_card.key if line.rate_card else "",
        "source": line.source,
        "terms": line.terms,
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


def _seller() -> str:
    return f"{settings.SELLER_NAME}\n{settings.SELLER_ADDRESS}"


def _buyer(customer: Customer) -> str:
    tax_id = f"Tax id {customer.tax_id}" if customer.tax_id else ""
    parts = (customer.name, customer.address, customer.country, tax_id, customer.email)
    return "\n".join(part for part in parts if part)


def _line_of(invoice: Invoice, position: int, line: Line, reference: Reference) -> InvoiceLine:
    return InvoiceLine(
        invoice=invoice,
        position=position,
        kind=str(line.kind),
        rate_card_id=reference.rate_card_id,
        source=line.source,
        terms=reference.terms,
        adjusts_id=reference.adjusts_id,
        description=line.description,
        meter=line.meter,
        quantity=line.quantity,
        unit=line.unit,
        amount=line.amount.amount,
        starts_at=line.starts_at,
        ends_at=line.ends_at,
        detail=line.detail(),
    )


def _book_claim(invoice: Invoice, now: datetime) -> None:
    """Book revenue and tax against what is owed, and give the customer what is carried; nothing is not booked.

    What is billed for time to come is deferred; what is given back of it comes off that first.
    """
    key = f"invoice:{invoice.number}"
    returned = deferring.give_back(invoice=invoice, booking=key, now=now).amount
    deferred = deferring.defer(invoice=invoice, now=now).amount
    sides = (
        (Account.RECEIVABLE, invoice.total - invoice.carried),
        (Account.REVENUE, deferred - returned - invoice.subtotal),
        (Account.DEFERRED, -deferred),
        (Account.DEFERRED, returned),
        (Account.TAX, -invoice.tax),
    )
    entries = [Entry(account, invoice.customer, Money(amount, invoice.currency)) for account, amount in sides if amount]
    if entries:
        ledger.post(key=key, description=f"Invoice {invoice.number}", entries=entries, booked_at=now)
    if invoice.carried:
        _grant_carried(invoice, now)


def _grant_carried(invoice: Invoice, now: datetime) -> None:
    award = Award(
        kind=GrantKind.PREPAID,
        name=f"Credit from invoice {invoice.number}",
        amount=Money(invoice.carried, invoice.currency),
        effective_at=invoice.period.ends_at,  # not now: periods may be closed late, one after the other
        funding=Funding.RECEIVABLE,
        source=f"Invoice {invoice.number} gives back more than it charges.",
    )
    credits.grant(customer=invoice.customer, award=award, key=f"carried:{invoice.number}", now=now)


def _book_payment(payment: Payment, invoice: Invoice, owed: Money, now: datetime) -> None:
    """Book money against what is owed, where that stands; what comes beyond it is the customer's."""
    amount = Money(payment.amount, payment.currency)
    settled = max(min(owed, amount), zero(invoice.currency))
    sides = (
        (Account.CASH, amount),
        (claims.account_of(invoice=invoice), -settled),
        (Account.RECEIVABLE, settled - amount),
    )
    ledger.post(
        key=f"payment:{payment.stripe_id}",
        description=f"Payment {payment.stripe_id} of invoice {invoice.number}",
        entries=[Entry(account, invoice.customer, part) for account, part in sides if part],
        booked_at=now,
    )


def _require_same(payment: Payment, invoice: Invoice, amount: Money) -> None:
    if payment.invoice_id != invoice.pk or Money(payment.amount, payment.currency) != amount:
        raise PaymentConflictError(f"{payment.stripe_id} is recorded as {payment}, not {amount} for {invoice}.")
