"""Reminders: each step of the schedule once for an invoice, by constraint; after the last one, suspension."""

from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import transaction

from agents.models import Customer
from billing import claims, mails, pay_links, profiles
from billing.dunning import arrears, schedule, suspensions
from billing.dunning.arrears import SUSPENDING, Debt
from billing.dunning.schedule import Schedule
from billing.endpoints.announcing import tell_invoice
from billing.models import Invoice, Reminder
from billing.models.endpoints import EventType
from billing.models.profiles import Collection
from billing.portal.wording import day_text, money_text
from billing.stripe import asking

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Dunned:
    """What a run did: reminders written, customers suspended, suspensions that were lifted."""

    reminders: int = 0
    suspended: int = 0
    lifted: int = 0


def dun(*, now: datetime) -> Dunned:
    """Take every step of dunning that is due, each invoice in its own transaction; safe at any time and at once.

    Where several steps of an invoice are due, because this did not run for days, the last of them is taken, and a
    customer is suspended only when it was warned for the whole grace.
    """
    plan = schedule.configured()
    debts = list(arrears.debts(schedule=plan, now=now))
    reminded = sum(_remind(debt.invoice, plan, now) for debt in debts if _is_reminder_due(debt, plan, now))
    suspended = sum(_suspend(debt.invoice, plan, now) for debt in debts if _is_suspension_due(debt, plan, now))
    settled = Customer.objects.filter(suspensions__isnull=False, suspensions__lifted_at=None)
    lifted = sum(suspensions.lift_settled(customer=customer, now=now) for customer in settled)
    return Dunned(reminders=reminded, suspended=suspended, lifted=lifted)


def _is_reminder_due(debt: Debt, plan: Schedule, now: datetime) -> bool:
    return plan.step_due(anchor=debt.anchor, now=now) > debt.reminded


def _is_suspension_due(debt: Debt, plan: Schedule, now: datetime) -> bool:
    is_warned = debt.warned_at is not None and plan.suspends_at(warned_at=debt.warned_at) <= now
    return is_warned and not debt.has_suspended


@transaction.atomic
def _remind(invoice: Invoice, plan: Schedule, now: datetime) -> bool:
    """Take the step that is due, unless the invoice was paid, or another worker took it, meanwhile."""
    debt = _held(invoice, plan)
    if debt is None or not _is_reminder_due(debt, plan, now):
        return False
    step = plan.step_due(anchor=debt.anchor, now=now)
    Reminder.objects.create(invoice=invoice, step=step, taken_at=now)
    _write_mail(debt, plan, step, now)
    if profiles.of(customer=invoice.customer).collection == Collection.CARD_ON_FILE:
        asking.enqueue_payment(invoice=debt.invoice, attempt=step + 1, now=now)  # the first was when it was issued
    tell_invoice(invoice=invoice, kind=EventType.INVOICE_OVERDUE, cause=str(step), reminder=str(step), now=now)
    log.info("dunning.reminded", invoice=invoice.number, step=step)
    return True


@transaction.atomic
def _suspend(invoice: Invoice, plan: Schedule, now: datetime) -> bool:
    debt = _held(invoice, plan)
    if debt is None or not _is_suspension_due(debt, plan, now):
        return False
    Reminder.objects.create(invoice=invoice, step=SUSPENDING, taken_at=now)
    reason = f"Invoice {invoice.number} is not paid."
    log.info("dunning.suspended", invoice=invoice.number)
    return suspensions.suspend(customer=invoice.customer, reason=reason, now=now)


def _held(invoice: Invoice, plan: Schedule) -> Debt | None:
    """Return the debt as it stands, its invoice locked: a payment that comes now waits, or was seen."""
    Invoice.objects.select_for_update().only("pk").get(pk=invoice.pk)
    return arrears.debt_of(invoice=invoice, schedule=plan)


def _write_mail(debt: Debt, plan: Schedule, step: int, now: datetime) -> None:
    invoice = debt.invoice
    is_last = step == plan.last
    context = {
        "number": invoice.number,
        "due": money_text(claims.outstanding(invoice=invoice)),
        "due_on": day_text(debt.anchor),
        "is_declined": invoice.due_at is not None and debt.anchor < invoice.due_at,
        "pay_url": pay_links.url_of(invoice=invoice),
        "suspends_on": day_text(plan.suspends_at(warned_at=now)) if is_last else "",
    }
    subject = f"{'Last reminder' if is_last else 'Reminder'}: invoice {invoice.number} is not paid"
    key = f"reminder:{invoice.number}:{step}"
    mails.write(key=key, customer=invoice.customer, subject=subject, template="reminder", context=context, now=now)
