"""Where a customer stands: what is overdue, what comes next, and whether it is suspended."""

from dataclasses import dataclass
from datetime import datetime

from agents.models import Customer
from billing import claims, pay_links
from billing.dunning import arrears, schedule
from billing.models import Invoice, Suspension
from billing.money import Money


@dataclass(frozen=True, slots=True)
class Arrear:
    """An invoice that is not paid in time; `next_at` is its next reminder, none after the last."""

    invoice: Invoice
    owed: Money
    reminders: int
    next_at: datetime | None
    suspends_at: datetime
    pay_url: str


@dataclass(frozen=True, slots=True)
class Standing:
    """A customer's suspension, if it is suspended, and its arrears, the oldest first."""

    suspension: Suspension | None
    arrears: tuple[Arrear, ...]


def standing_of(*, customer: Customer, now: datetime) -> Standing:
    """Return where a customer stands at `now`. Raises DunningError where the settings cannot be used."""
    plan = schedule.configured()
    found = []
    for debt in arrears.debts(schedule=plan, now=now, customer=customer):
        upcoming = debt.reminded + 1
        last_at = debt.warned_at or plan.step_at(anchor=debt.anchor, step=plan.last)
        found.append(
            Arrear(
                invoice=debt.invoice,
                owed=claims.outstanding(invoice=debt.invoice),
                reminders=debt.reminded,
                next_at=plan.step_at(anchor=debt.anchor, step=upcoming) if upcoming <= plan.last else None,
                suspends_at=plan.suspends_at(warned_at=last_at),
                pay_url=pay_links.url_of(invoice=debt.invoice),
            )
        )
    suspension = Suspension.objects.filter(customer=customer, lifted_at=None).first()
    return Standing(suspension=suspension, arrears=tuple(found))
