"""What is asked of Stripe, written as outbox rows in the caller's transaction; what is written already is left alone.

Keys are made from our own rows and the installation's name: `{installation}:inv:{number}:{operation}:g1`.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.db import transaction

from agents.models import Customer
from billing import profiles
from billing.models import CreditNote, Invoice, OutboxMessage, StripeCustomer
from billing.models.credit_notes import RefundStatus
from billing.models.invoices import InvoiceStatus
from billing.models.payments import Operation, OutboxState
from billing.models.profiles import Collection
from billing.stripe import content, installation
from billing.stripe.content import Content
from billing.stripe.errors import NothingToCollectError


def enqueue_invoice(*, invoice: Invoice, now: datetime) -> None:
    """Write, in the caller's transaction, what Stripe must be asked to collect an invoice just issued.

    How it is collected follows the customer's terms. Raises NothingToCollectError for an invoice that is not open or
    has nothing due.
    """
    if invoice.status != InvoiceStatus.OPEN or not invoice.due:
        raise NothingToCollectError(f"Invoice {invoice.number or invoice.pk} is {invoice.status}, {invoice.due} due.")
    with transaction.atomic():
        _write(_customer_message(invoice.customer, now))
        _write(_invoice_messages(invoice, now))


def enqueue_payment(*, invoice: Invoice, attempt: int, now: datetime) -> None:
    """Ask for an open invoice to be charged to the card on file once more; `attempt` counts from 2.

    The first attempt belongs to `enqueue_invoice`. Raises NothingToCollectError for an invoice that is not owed.
    """
    if invoice.status not in {InvoiceStatus.OPEN, InvoiceStatus.UNCOLLECTIBLE}:
        raise NothingToCollectError(f"Invoice {invoice.number} is {invoice.status}; nothing is owed.")
    _write([_message(f"inv:{invoice.number}:pay_invoice:{attempt}", Operation.PAY_INVOICE, invoice, _PAY, now)])


@transaction.atomic
def enqueue_customer(*, customer: Customer, now: datetime) -> None:
    """Tell Stripe of a changed name, e-mail, address or exemption; nothing where it does not know the customer.

    Each change is a message of its own, in order; what Stripe was last told is not told again.
    """
    Customer.objects.select_for_update().get(pk=customer.pk)  # two changes at once become two messages
    told = OutboxMessage.objects.filter(
        customer=customer, operation__in=[Operation.CREATE_CUSTOMER, Operation.UPDATE_CUSTOMER], origin__isnull=True
    ).order_by("pk")
    wanted = content.customer_change(customer)
    last = told.last()
    if last is None and not StripeCustomer.objects.filter(customer=customer).exists():
        return
    if last is not None and content.decode(last.request).items() >= wanted.items():
        return
    number = told.filter(operation=Operation.UPDATE_CUSTOMER).count() + 1
    _write([_customer_row(customer, f"cus:{customer.pk}:update:{number}", Operation.UPDATE_CUSTOMER, wanted, now)])


@transaction.atomic
def enqueue_void(*, invoice: Invoice, now: datetime) -> None:
    """Cancel the claim at Stripe too; one that never left is not made there at all."""
    if _withdrawn(invoice, now):
        _write([_message(f"inv:{invoice.number}:void_invoice", Operation.VOID_INVOICE, invoice, {}, now)])


@transaction.atomic
def enqueue_uncollectible(*, invoice: Invoice, now: datetime) -> None:
    """Write the claim off at Stripe too."""
    if _withdrawn(invoice, now):
        key = f"inv:{invoice.number}:mark_uncollectible"
        _write([_message(key, Operation.MARK_UNCOLLECTIBLE, invoice, {}, now)])


@transaction.atomic
def enqueue_credit_note(*, note: CreditNote, now: datetime) -> None:
    """Ask for the refunds of a credit note just issued, and then have Stripe show it.

    Again, once a refund has failed and was requested anew, it asks for the new one only. Nothing of an invoice that
    Stripe does not know.
    """
    if not OutboxMessage.objects.filter(invoice=note.invoice, operation=Operation.CREATE_INVOICE).exists():
        return
    name = installation.token()
    refunds = list(note.refunds.filter(status=RefundStatus.PENDING).select_related("payment").order_by("pk"))
    for refund in refunds:
        told = content.refund_content(refund, installation=name)
        key, subject = f"ref:{refund.reference}", refund.reference
        _write([_message(key, Operation.CREATE_REFUND, note.invoice, told, now, subject)])
    told = content.credit_note_content(note, refunds, installation=name)
    message = _message(f"cn:{note.number}", Operation.CREATE_CREDIT_NOTE, note.invoice, told, now, str(note.number))
    _write([message])


@transaction.atomic
def enqueue_credit_note_void(*, note: CreditNote, now: datetime) -> None:
    """Void a credit note at Stripe too; one that was never shown there is not shown at all."""
    issued = OutboxMessage.objects.filter(operation=Operation.CREATE_CREDIT_NOTE, subject=str(note.number))
    if issued.filter(state=OutboxState.PENDING, attempts=0).update(**_taken_back(now)) or not issued.exists():
        return
    subject = str(note.number)
    _write([_message(f"cn:{note.number}:void", Operation.VOID_CREDIT_NOTE, note.invoice, {}, now, subject)])


def enqueue_tax(*, invoice: Invoice, calculation: str, part: int, now: datetime) -> None:
    """Record at Stripe Tax, for its reports, the tax that it worked out for an invoice just issued.

    `part` counts the calculations of an invoice, of which a merged one has several.
    """
    name = installation.token()
    reference = f"{invoice.number}/{part}"
    told: Content = {
        "calculation": calculation,
        "metadata": {content.INSTALLATION: name, content.INVOICE: invoice.number},
        "reference": f"{name}:{reference}",
    }
    key = f"inv:{invoice.number}:record_tax:{part}"
    _write([_message(key, Operation.RECORD_TAX, invoice, told, now, reference)])


_PAY: Content = {"off_session": True}


def _invoice_messages(invoice: Invoice, now: datetime) -> Iterator[OutboxMessage]:
    profile = profiles.of(customer=invoice.customer)
    draft = content.draft_content(invoice, profile, installation=installation.token())
    steps: list[tuple[Operation, Content]] = [
        (Operation.CREATE_INVOICE, draft),
        (Operation.ADD_LINES, content.lines_content(invoice)),
        (Operation.FINALIZE_INVOICE, content.finalize_content()),
    ]
    for operation, told in steps:
        yield _message(f"inv:{invoice.number}:{operation}", operation, invoice, told, now)
    if profile.collection == Collection.CARD_ON_FILE:
        yield _message(f"inv:{invoice.number}:pay_invoice:1", Operation.PAY_INVOICE, invoice, _PAY, now)
    else:
        yield _message(f"inv:{invoice.number}:send_invoice", Operation.SEND_INVOICE, invoice, {}, now)


def _customer_message(customer: Customer, now: datetime) -> Iterator[OutboxMessage]:
    if StripeCustomer.objects.filter(customer=customer).exists():
        return
    told = content.customer_content(customer, installation=installation.token())
    yield _customer_row(customer, f"cus:{customer.pk}", Operation.CREATE_CUSTOMER, told, now)


def _withdrawn(invoice: Invoice, now: datetime) -> bool:
    """Take back what was not sent yet; whether Stripe has, or may have, anything of the invoice that must follow."""
    unsent = OutboxMessage.objects.filter(invoice=invoice, state=OutboxState.PENDING, attempts=0)
    over = _taken_back(now)
    is_unknown_there = unsent.filter(operation=Operation.CREATE_INVOICE).update(**over) == 1
    if is_unknown_there:
        unsent.update(**over)
        return False
    unsent.filter(operation__in=[Operation.SEND_INVOICE, Operation.PAY_INVOICE]).update(**over)
    return OutboxMessage.objects.filter(invoice=invoice, operation=Operation.CREATE_INVOICE).exists()


def _taken_back(now: datetime) -> dict[str, Any]:
    return {"state": OutboxState.SUPERSEDED, "error": "Taken back before it was sent.", "finished_at": now}


def _message(
    name: str, operation: Operation, invoice: Invoice, told: Content, now: datetime, subject: str = ""
) -> OutboxMessage:
    return OutboxMessage(
        key=f"{installation.token()}:{name}:g1",
        operation=operation,
        customer_id=invoice.customer_id,
        invoice=invoice,
        subject=subject,
        request=content.encode(told),
        created_at=now,
        not_before=now,
    )


def _customer_row(customer: Customer, name: str, operation: Operation, told: Content, now: datetime) -> OutboxMessage:
    return OutboxMessage(
        key=f"{installation.token()}:{name}:g1",
        operation=operation,
        customer=customer,
        request=content.encode(told),
        created_at=now,
        not_before=now,
    )


def _write(messages: Iterable[OutboxMessage]) -> None:
    """Insert what is not there yet, in order: `due` goes by the ids."""
    for message in messages:
        OutboxMessage.objects.bulk_create([message], ignore_conflicts=True)
