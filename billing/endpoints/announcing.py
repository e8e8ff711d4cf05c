"""Announces what happened, in the transaction in which it happens: committed together with its cause, or not at all."""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.db import transaction
from django.db.models import Q

from agents.models import Customer
from billing.models import Announcement, CreditNote, Delivery, Endpoint, Invoice, Payment
from billing.models.endpoints import EventType
from billing.money import Money
from runtime.wire import canonical


@transaction.atomic
def announce(*, customer: Customer, kind: EventType, key: str, data: Mapping[str, Any], now: datetime) -> bool:
    """Write that something happened, once for each `key` of a customer, for every endpoint that wants to be told.

    `key` names the cause, such as `invoice.paid:AM-000001`. `data` holds texts, whole numbers, lists and objects of
    these. False where it was written before.
    """
    body = canonical({"type": str(kind), "timestamp": _instant(now), "data": dict(data)}).decode()
    facts = {"message_id": _message_id(customer, key), "type": kind, "occurred_at": now, "body": body}
    row, is_new = Announcement.objects.get_or_create(customer=customer, key=key, defaults=facts)
    if is_new:
        Delivery.objects.bulk_create(
            Delivery(endpoint=endpoint, announcement=row, created_at=now, not_before=now)
            for endpoint in _listening(customer, kind)
        )
    return is_new


def tell_invoice(*, invoice: Invoice, kind: EventType, now: datetime, cause: str = "", **more: str) -> bool:
    """Announce something about an issued invoice; `cause` tells apart what may happen to it more than once."""
    key = f"{kind}:{invoice.number}" + (f":{cause}" if cause else "")
    return announce(customer=invoice.customer, kind=kind, key=key, data=_invoice(invoice) | more, now=now)


def tell_payment(*, payment: Payment, invoice: Invoice, now: datetime) -> bool:
    """Announce money that arrived for an invoice."""
    data = {
        "payment": payment.stripe_id,
        "invoice": invoice.number or "",
        "currency": payment.currency,
        "amount": _amount(payment.amount, payment.currency),
        "paid_at": _instant(payment.paid_at),
    }
    kind = EventType.PAYMENT_RECEIVED
    return announce(customer=invoice.customer, kind=kind, key=f"{kind}:{payment.stripe_id}", data=data, now=now)


def tell_note(*, note: CreditNote, now: datetime) -> bool:
    """Announce a credit note that was issued."""
    data = {
        "credit_note": note.number or "",
        "invoice": note.invoice.number or "",
        "currency": note.currency,
        "total": _amount(note.total, note.currency),
        "reason": str(note.reason),
        "issued_at": _instant(note.issued_at),
    }
    kind = EventType.CREDIT_NOTE_ISSUED
    return announce(customer=note.customer, kind=kind, key=f"{kind}:{note.number}", data=data, now=now)


@transaction.atomic
def try_endpoint(*, endpoint: Endpoint, now: datetime) -> Announcement:
    """Announce `endpoint.test` to this endpoint alone, whatever it wants to be told."""
    kind = EventType.ENDPOINT_TEST
    key = f"{kind}:{endpoint.pk}:{_instant(now)}"
    body = canonical({"type": str(kind), "timestamp": _instant(now), "data": {"endpoint": endpoint.pk}}).decode()
    facts = {"message_id": _message_id(endpoint.customer, key), "type": kind, "occurred_at": now, "body": body}
    row, is_new = Announcement.objects.get_or_create(customer=endpoint.customer, key=key, defaults=facts)
    if is_new:
        Delivery.objects.create(endpoint=endpoint, announcement=row, created_at=now, not_before=now)
    return row


def _invoice(invoice: Invoice) -> dict[str, str]:
    return {
        "invoice": invoice.number or "",
        "customer": invoice.customer.key,
        "status": str(invoice.status),
        "currency": invoice.currency,
        "total": _amount(invoice.total, invoice.currency),
        "due": _amount(invoice.due, invoice.currency),
        "issued_at": _instant(invoice.issued_at),
        "due_at": _instant(invoice.due_at),
    }


def _listening(customer: Customer, kind: EventType) -> list[Endpoint]:
    """The endpoints to tell; one that is switched off is told when it is switched on again."""
    endpoints = Endpoint.objects.filter(Q(types=[]) | Q(types__contains=[str(kind)]), customer=customer)
    return list(endpoints.filter(removed_at=None))


def _message_id(customer: Customer, key: str) -> str:
    """A name for the message that follows from its cause, by which a receiver knows one that comes again."""
    return "msg_" + hashlib.sha256(f"{customer.pk}\n{key}".encode()).hexdigest()[:32]


def _amount(amount: Decimal, currency: str) -> str:
    return f"{Money(amount, currency).amount:f}"


def _instant(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).isoformat()
