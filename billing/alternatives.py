"""Alternatives: what the usage of a subscription's last periods would have cost on each plan that is on offer."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db.models import Q

from billing import simulate
from billing.errors import BillingError, PeriodError
from billing.models import BillingPeriod, PlanVersion, Subscription
from billing.models.catalog import VersionStatus
from billing.models.subscriptions import PeriodStatus
from billing.money import Money, total
from billing.simulate import Difference, Past, Simulation
from metering import usage
from metering.errors import MeteringError

PERIODS: Final = 12


@dataclass(frozen=True, slots=True)
class Alternative:
    """A plan version on offer, and the same usage on it; where it cannot be priced on it, `reason` says why."""

    version: PlanVersion
    is_current: bool
    simulation: Simulation | None
    reason: str = ""

    @property
    def lines(self) -> tuple[Difference, ...]:
        """The difference line by line."""
        return self.simulation.lines if self.simulation else ()


@dataclass(frozen=True, slots=True)
class Alternatives:
    """The periods that were compared, what was billed for them, and every plan on offer, the cheapest first.

    Amounts are without credits and taxes, which stay the same whatever the plan. Usage is as of `fold`.
    """

    periods: tuple[BillingPeriod, ...]
    fold: int
    before: Money
    found: tuple[Alternative, ...]


def compare(*, subscription: Subscription, now: datetime, periods: int = PERIODS) -> Alternatives:
    """Price the last `periods` invoiced periods of a subscription on each plan on offer; writes nothing.

    On offer is the newest version of each plan in its currency that is in effect at `now`. A plan that cannot price it
    comes last, with the reason. Raises PeriodError where no period was invoiced yet.
    """
    compared = _last(subscription, periods)
    if not compared:
        raise PeriodError("Nothing was invoiced yet, so there is no usage to compare plans by.")
    past = Past.of(periods=compared, as_of=usage.latest_fold())
    billed = tuple(simulate.billed(periods=compared))
    found = [_alternative(past, billed, version, subscription) for version in on_offer(subscription.currency, now)]
    return Alternatives(
        periods=tuple(compared),
        fold=past.as_of,
        before=total([one.amount for one in billed], subscription.currency),
        found=tuple(sorted(found, key=_rank)),
    )


def on_offer(currency: str, at: datetime) -> Iterator[PlanVersion]:
    """Yield the newest version of each plan that customers paying in `currency` can be put on at `at`."""
    effective = Q(effective_at=None) | Q(effective_at__lte=at)
    published = PlanVersion.objects.filter(effective, status=VersionStatus.PUBLISHED, currencies__contains=[currency])
    yield from published.select_related("plan").order_by("plan_id", "-number").distinct("plan_id")


def _last(subscription: Subscription, periods: int) -> Sequence[BillingPeriod]:
    closed = BillingPeriod.objects.filter(subscription=subscription, status=PeriodStatus.CLOSED)
    rows = closed.select_related("subscription__customer", "subscription__version__plan").order_by("-starts_at")
    return tuple(reversed(rows[:periods]))


def _alternative(
    past: Past, billed: Sequence[simulate.Amount], version: PlanVersion, subscription: Subscription
) -> Alternative:
    is_current = version.plan_id == subscription.version.plan_id
    try:
        lines = simulate.compare(
            before=billed, after=simulate.priced(past=past, version=version), currency=subscription.currency
        )
    except (BillingError, MeteringError) as error:
        return Alternative(version, is_current, None, reason=str(error))
    return Alternative(version, is_current, Simulation(version, subscription.currency, past.periods, lines))


def _rank(one: Alternative) -> tuple[object, ...]:
    """Order by cost, then by the plan's key; what cannot be priced comes last."""
    if one.simulation is None:
        return (True, 0, one.version.plan.key)
    return (False, one.simulation.total.amount, one.version.plan.key)
