"""Suspensions: a customer that does not pay may not spend any more, until it has paid or a person lets it."""

from datetime import datetime
from typing import Final

from django.db import transaction

from agents.models import Customer
from billing import mails
from billing.dunning import arrears
from billing.endpoints.announcing import announce
from billing.models import Suspension
from billing.models.endpoints import EventType

PAID: Final = "What was owed is settled."


def is_suspended(*, customer: Customer | int) -> bool:
    """Whether nothing new is to be allowed to a customer (or the one with this id); one query."""
    customer_id = customer if isinstance(customer, int) else customer.pk
    return Suspension.objects.filter(customer_id=customer_id, lifted_at=None).exists()


@transaction.atomic
def suspend(*, customer: Customer, reason: str, now: datetime) -> bool:
    """Suspend a customer, tell it by mail and webhook; False where it is suspended already."""
    row, is_new = Suspension.objects.get_or_create(
        customer=customer, lifted_at=None, defaults={"since": now, "reason": reason[:250]}
    )
    if is_new:
        context = {"reason": reason}
        key = f"suspended:{row.pk}"
        subject = "Your agents are suspended until an invoice is paid"
        mails.write(key=key, customer=customer, subject=subject, template="suspended", context=context, now=now)
        data = {"customer": customer.key, "reason": reason}
        announce(customer=customer, kind=EventType.CUSTOMER_SUSPENDED, key=key, data=data, now=now)
    return is_new


@transaction.atomic
def lift(*, customer: Customer, reason: str, now: datetime) -> bool:
    """End a suspension and tell the customer; False where there is none. No invoice suspends a second time."""
    row = Suspension.objects.filter(customer=customer, lifted_at=None).first()
    if row is None:
        return False
    current = Suspension.objects.filter(pk=row.pk, lifted_at=None)
    if current.update(lifted_at=now, lifted_reason=reason[:250]) != 1:
        return False
    key = f"reinstated:{row.pk}"
    subject = "Your agents may work again"
    mails.write(key=key, customer=customer, subject=subject, template="reinstated", context={}, now=now)
    data = {"customer": customer.key, "reason": reason}
    return announce(customer=customer, kind=EventType.CUSTOMER_REINSTATED, key=key, data=data, now=now)


def lift_settled(*, customer: Customer, now: datetime) -> bool:
    """End the suspension of a customer that owes nothing any more of what it was suspended for.

    Only what an unpaid invoice caused is ended so: a person's own suspension waits for a person.
    """
    suspension = Suspension.objects.filter(customer=customer, lifted_at=None).first()
    if suspension is None or arrears.has_blocking(customer=customer):
        return False
    caused = customer.invoices.filter(reminders__step=arrears.SUSPENDING, reminders__taken_at=suspension.since)
    return caused.exists() and lift(customer=customer, reason=PAID, now=now)
