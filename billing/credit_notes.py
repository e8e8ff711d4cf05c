"""Credit notes: drafted, issued with a number, and voided; each lowers one issued invoice, and says why and who."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import structlog
from django.conf import settings
from django.db import IntegrityError, transaction

from billing import claims, crediting, invoicing, numbering, refunds
from billing.dunning import suspensions
from billing.endpoints import announcing
from billing.errors import (
    AllocationError,
    BeyondInvoiceError,
    CreditNoteConflictError,
    CreditNoteError,
    InvoiceStateError,
    SecondPersonError,
)
from billing.mirroring import Mirrored
from billing.models import CreditNote, CreditNoteLine, Invoice, Refund
from billing.models.credit_notes import CreditNoteStatus, Reason
from billing.models.endpoints import EventType
from billing.models.invoices import InvoiceStatus, LineKind
from billing.money import Money, total, zero
from billing.rating.numbers import text_of
from billing.stripe import outbox
from runtime.wire import canonical as canonical_json

log = structlog.get_logger(__name__)

_NOTHING: Final = Decimal(0)
_CREDITABLE: Final = (InvoiceStatus.OPEN, InvoiceStatus.PAID, InvoiceStatus.UNCOLLECTIBLE)


@dataclass(frozen=True, slots=True)
class Cause:
    """Why a note is written, and by whom: `key` names the cause, so that it is credited once.

    Raises CreditNoteError where the explanation, which is printed, or the actor is empty.
    """

    key: str
    reason: Reason
    explanation: str
    actor: str

    def __post_init__(self) -> None:
        if not self.explanation.strip() or not self.actor.strip() or not self.key:
            raise CreditNoteError("explanation, actor: Say why the invoice is lowered, and who lowers it.")


@dataclass(frozen=True, slots=True)
class Allocation:
    """Where what is beyond the open claim goes: back by the way it came, to the customer's credit, or settled past us.

    Stripe asks for the same division (stripe.md C8).
    """

    refund: Money
    credit: Money
    outside: Money

    @property
    def total(self) -> Money:
        """What is divided."""
        return self.refund + self.credit + self.outside


def as_credit(*, amount: Money) -> Allocation:
    """Return the allocation that leaves everything with the customer as prepaid credit."""
    nothing = zero(amount.currency)
    return Allocation(refund=nothing, credit=amount, outside=nothing)


@transaction.atomic
def draft(*, invoice: Invoice, lines: Sequence[Mirrored], cause: Cause, now: datetime) -> CreditNote:
    """Write a draft that lowers an issued invoice by mirrored lines, tax among them; see `billing.mirroring`.

    Once for each `cause.key`: the same again changes nothing. Above the operator's limit (CREDIT_NOTE_LIMITS, by all
    notes of the invoice) it needs a second person. Raises InvoiceStateError for an invoice that is a draft or void,
    BeyondInvoiceError, CreditNoteConflictError.
    """
    held = claims.hold(invoice_id=invoice.pk)
    if (before := CreditNote.objects.filter(key=cause.key).first()) is not None:
        return _same(before, held, lines)
    if held.status not in _CREDITABLE:
        raise InvoiceStateError(f"{held} is {held.status}; only an issued one can be credited.")
    note = _unsaved(held, lines, cause, now)
    if note.total <= 0:
        raise BeyondInvoiceError(
            f"{note.total:f} {note.currency} cannot be credited; a note is over more than nothing."
        )
    try:
        with transaction.atomic():
            note.save(force_insert=True)
            CreditNoteLine.objects.bulk_create(_lines_of(note, lines))
    except IntegrityError as error:
        raise BeyondInvoiceError(f"Credit notes would lower {held} beyond what it has.") from error
    log.info("credit_note_drafted", note_id=note.pk, invoice=held.number, total=str(note.total), actor=cause.actor)
    return note


def excess(*, note: CreditNote) -> Money:
    """Return what a draft would lower beyond what is owed now: what has to be allocated when it is issued."""
    owed = max(claims.outstanding(invoice=note.invoice), zero(note.currency))
    return max(Money(note.total, note.currency) - owed, zero(note.currency))


@transaction.atomic
def issue(*, note: CreditNote, actor: str, now: datetime, allocation: Allocation | None = None) -> CreditNote:
    """Give a draft its number, book it, and lower what is owed; what is beyond that goes where `allocation` says.

    Without one it becomes the customer's prepaid credit. An invoice of which nothing is owed any more is paid. Issued
    notes are left as they are. Raises SecondPersonError, AllocationError, CreditNoteError for a void note,
    InvoiceStateError where the invoice was voided meanwhile.
    """
    invoice = claims.hold(invoice_id=note.invoice_id)
    note = CreditNote.objects.select_for_update().get(pk=note.pk)
    if note.status == CreditNoteStatus.ISSUED:
        return note
    _require_issuable(note, invoice, actor)
    owed = max(claims.outstanding(invoice=invoice), zero(note.currency))
    beyond = max(Money(note.total, note.currency) - owed, zero(note.currency))
    parts = allocation or as_credit(amount=beyond)
    _require_allocated(invoice, parts, beyond)
    number = numbering.take(prefix=settings.CREDIT_NOTE_PREFIX)
    note.number, note.status, note.issued_by, note.issued_at = number, CreditNoteStatus.ISSUED, actor, now
    note.seller, note.buyer = invoice.seller, invoice.buyer
    note.applied = note.total - beyond.amount
    note.refund, note.credit, note.outside = parts.refund.amount, parts.credit.amount, parts.outside.amount
    crediting.book(note=note, invoice=invoice, now=now)
    note.grant = crediting.grant(note=note, now=now) if parts.credit else None
    note.digest = hashlib.sha256(canonical(note)).hexdigest()
    note.save()
    request_refunds(note=note, now=now)
    announcing.tell_note(note=note, now=now)
    settle(invoice=invoice, now=now)
    return note


@transaction.atomic
def void(*, note: CreditNote, actor: str, reason: str, now: datetime) -> CreditNote:
    """Drop a draft, or take an issued note back: what it lowered is owed again. Again changes nothing.

    Raises CreditNoteError without a reason, and for an issued note whose invoice is not open any more: a payment or the
    note itself settled it, and an invoice that is paid stays paid.
    """
    if not reason.strip():
        raise CreditNoteError("reason: Say why the note is voided.")
    invoice = claims.hold(invoice_id=note.invoice_id)
    note = CreditNote.objects.select_for_update().get(pk=note.pk)
    if note.status == CreditNoteStatus.VOID:
        return note
    if note.status == CreditNoteStatus.ISSUED:
        if invoice.status not in invoicing.OWED:
            raise CreditNoteError(f"{note.number}: invoice {invoice.number} is {invoice.status}; the note stands.")
        crediting.book_back(note=note, invoice=invoice, now=now)
        outbox.enqueue_credit_note_void(note=note, now=now)
    note.status, note.voided_by, note.void_reason, note.voided_at = CreditNoteStatus.VOID, actor, reason.strip(), now
    note.save()
    return note


@transaction.atomic
def request_refunds(*, note: CreditNote, now: datetime) -> list[Refund]:
    """Write what has to go back for an issued note, and have Stripe told; once more after a refund has failed.

    Raises RefundError where less was paid than is to go back.
    """
    made = refunds.request(note=note, now=now)
    outbox.enqueue_credit_note(note=note, now=now)
    return made


def settle(*, invoice: Invoice, now: datetime) -> None:
    """Mark an open invoice of which nothing is owed any more as paid; the caller holds it."""
    if invoice.status in invoicing.OWED and claims.outstanding(invoice=invoice) <= zero(invoice.currency):
        Invoice.objects.filter(pk=invoice.pk, status__in=invoicing.OWED).update(status=InvoiceStatus.PAID, paid_at=now)
        invoice.refresh_from_db()
        announcing.tell_invoice(invoice=invoice, kind=EventType.INVOICE_PAID, now=now)
        suspensions.lift_settled(customer=invoice.customer, now=now)


def limit_of(*, currency: str) -> Money:
    """Return up to how much one person may credit alone; nothing, where the operator named no limit."""
    return Money(Decimal(settings.CREDIT_NOTE_LIMITS.get(currency, 0)), currency)


def canonical(note: CreditNote) -> bytes:
    """Return the one text of an issued note, over which its digest is made, as `invoicing.canonical`."""
    content = {
        "number": note.number,
        "invoice": note.invoice.number,
        "invoice_digest": note.invoice.digest,
        "customer": note.customer.key,
        "seller": note.seller,
        "buyer": note.buyer,
        "reason": note.reason,
        "explanation": note.explanation,
        "issued_at": None if note.issued_at is None else note.issued_at.astimezone(UTC).isoformat(),
        "currency": note.currency,
        **{
            name: text_of(getattr(note, name))
            for name in ("subtotal", "tax", "total", "applied", "refund", "credit", "outside")
        },
        "lines": [
            {"position": line.position, "lowers": line.line.position, "amount": text_of(line.amount)}
            for line in note.lines.select_related("line").order_by("position")
        ],
    }
    return canonical_json(content)


def _unsaved(invoice: Invoice, lines: Sequence[Mirrored], cause: Cause, now: datetime) -> CreditNote:
    currency = invoice.currency
    tax = total([one.amount for one in lines if one.line.kind == LineKind.TAX], currency)
    whole = total([one.amount for one in lines], currency)
    notes = CreditNote.objects.filter(invoice=invoice).exclude(status=CreditNoteStatus.VOID)
    so_far = sum(notes.values_list("total", flat=True), _NOTHING)
    return CreditNote(
        key=cause.key,
        invoice=invoice,
        customer=invoice.customer,
        reason=cause.reason,
        explanation=cause.explanation.strip(),
        currency=currency,
        subtotal=(whole - tax).amount,
        tax=tax.amount,
        total=whole.amount,
        needs_approval=so_far + whole.amount > limit_of(currency=currency).amount,
        drafted_by=cause.actor,
        drafted_at=now,
    )


def _lines_of(note: CreditNote, lines: Sequence[Mirrored]) -> list[CreditNoteLine]:
    return [
        CreditNoteLine(
            note=note, position=position, line=one.line, description=one.line.description, amount=one.amount.amount
        )
        for position, one in enumerate(lines, start=1)
    ]


def _same(note: CreditNote, invoice: Invoice, lines: Sequence[Mirrored]) -> CreditNote:
    amounts = dict(note.lines.values_list("line_id", "amount"))
    if note.invoice_id != invoice.pk or amounts != {one.line.pk: one.amount.amount for one in lines}:
        raise CreditNoteConflictError(f"{note.key} stands for {note} over {text_of(note.total)} {note.currency}.")
    return note


def _require_issuable(note: CreditNote, invoice: Invoice, actor: str) -> None:
    if note.status != CreditNoteStatus.DRAFT:
        raise CreditNoteError(f"The note is {note.status}.")
    if invoice.status not in _CREDITABLE:
        raise InvoiceStateError(f"{invoice} is {invoice.status}; only an issued one can be credited.")
    if not actor.strip():
        raise CreditNoteError("actor: Say who issues the note.")
    if note.needs_approval and actor == note.drafted_by:
        limit = limit_of(currency=note.currency)
        raise SecondPersonError(f"{text_of(note.total)} {note.currency} is above {limit}: a second person issues it.")


def _require_allocated(invoice: Invoice, parts: Allocation, beyond: Money) -> None:
    if min(parts.refund, parts.credit, parts.outside) < zero(invoice.currency) or parts.total != beyond:
        raise AllocationError(f"{beyond} is beyond what is owed; {parts.total} of it is allocated.")
    paid = total([claims.refundable(payment=payment) for payment in invoice.payments.all()], invoice.currency)
    if paid < parts.refund:
        raise AllocationError(f"refund: {paid} of invoice {invoice.number} was paid and can go back.")
