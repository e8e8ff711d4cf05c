"""The cheapest plan for a customer's usage: what its last periods would have cost on each plan that is on offer."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Q

from agents.models import Customer
from billing import alternatives
from billing.alternatives import Alternative, Alternatives
from billing.errors import PeriodError
from billing.models import Subscription
from billing.money import Money, zero
from billing.portal.wording import count_text, money_text, span_text

PERIODS: Final = 3


@dataclass(frozen=True, slots=True)
class ComparedLine:
    """One line of both bills."""

    name: str
    billed: str
    amount: str


@dataclass(frozen=True, slots=True)
class ComparedPlan:
    """One plan on offer; `verdict` says in words how it compares, `total` is empty where it cannot be priced."""

    name: str
    description: str
    is_current: bool
    total: str
    verdict: str
    lines: tuple[ComparedLine, ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """The block: what was billed for the last periods, and each plan on offer, the cheapest first."""

    span: str
    periods: str
    billed: str
    fold: int
    summary: str
    plans: tuple[ComparedPlan, ...]


def see_comparison(*, customer: Customer, zone: ZoneInfo, now: datetime) -> Comparison | None:
    """Return the comparison for the subscription that runs at `now`; None without one, or before its first invoice."""
    running = Q(starts_at__lte=now) & (Q(ends_at=None) | Q(ends_at__gt=now))
    found = Subscription.objects.filter(running, customer=customer).select_related("customer", "version__plan").first()
    if found is None:
        return None
    try:
        compared = alternatives.compare(subscription=found, now=now, periods=PERIODS)
    except PeriodError:
        return None
    return _comparison(compared, zone)


def _comparison(compared: Alternatives, zone: ZoneInfo) -> Comparison:
    return Comparison(
        span=span_text(compared.periods[0].starts_at, compared.periods[-1].ends_at, zone),
        periods=count_text(len(compared.periods), "period"),
        billed=money_text(compared.before),
        fold=compared.fold,
        summary=_summary(compared),
        plans=tuple(_plan(one) for one in compared.found),
    )


def _summary(compared: Alternatives) -> str:
    best = compared.found[0] if compared.found else None
    saved = None if best is None or best.simulation is None else -best.simulation.change
    if best is None or saved is None or best.is_current or saved <= zero(saved.currency):
        return "Of the plans on offer, none would have cost less than what you were billed."
    return f"{best.version.plan.name} would have cost {money_text(saved)} less than what you were billed."


def _plan(one: Alternative) -> ComparedPlan:
    priced = one.simulation
    return ComparedPlan(
        name=one.version.plan.name,
        description=one.version.plan.description,
        is_current=one.is_current,
        total="" if priced is None else money_text(priced.total),
        verdict="Cannot be compared" if priced is None else _verdict(priced.change),
        lines=tuple(
            ComparedLine(name=line.description, billed=money_text(line.before), amount=money_text(line.after))
            for line in one.lines
        ),
    )


def _verdict(change: Money) -> str:
    nothing = zero(change.currency)
    if change == nothing:
        return "The same"
    return f"{money_text(-change)} less" if change < nothing else f"{money_text(change)} more"
