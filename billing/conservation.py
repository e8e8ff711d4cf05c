"""Conservation: every accepted event is in exactly one state, per customer and meter (stripe.md F9).

It is pending, billed on an invoice, zero-rated by a named rule, or excluded with a reason; nothing is ever lost between
what came in and what was invoiced.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from typing import Final

from agents.models import Customer
from billing import contracts
from billing.contracts import Contract
from billing.dues import Run
from billing.models import BillingPeriod
from billing.models.subscriptions import PeriodStatus
from billing.rating.card import Card
from metering import usage
from metering.usage import States

BILLED: Final = "billed"
PENDING: Final = "pending"
ZERO_RATED: Final = "zero-rated"
EXCLUDED: Final = "excluded"

State = tuple[str, str]  # which of the four, and the rule or the reason where it has one


@dataclass(frozen=True, slots=True)
class Conserved:
    """The events of one customer and meter in a time, by state; `accepted` counts them apart from that."""

    customer: str
    meter: str
    accepted: int
    states: Mapping[State, int] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Accepted events that are in no state; below nothing where some are in two."""
        return self.accepted - sum(self.states.values())


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A part of the time asked about under one agreement: the fold that is settled in it, and the runs that hold."""

    starts_at: datetime
    ends_at: datetime
    settled: int | None
    runs: tuple[Run, ...]
    reason: str = ""


def check(*, customers: Iterable[Customer], starts_at: datetime, ends_at: datetime) -> Iterator[Conserved]:
    """Yield the events of each customer and meter that were used in [starts_at, ends_at); reads every one.

    Meters without events are left out.
    """
    as_of = usage.latest_fold()
    for customer in customers:
        stretches = list(_stretches(customer, starts_at, ends_at))
        for meter in usage.meters():
            whole = usage.states(
                customer_id=customer.pk, meter=meter.key, starts_at=starts_at, ends_at=ends_at, as_of=as_of
            )
            if whole.accepted:
                states = _summed(_of_stretch(customer, meter.key, stretch, as_of) for stretch in stretches)
                yield Conserved(customer.key, meter.key, whole.accepted, states)


def unmatched(*, customer: Customer, starts_at: datetime, ends_at: datetime) -> int:
    """Return how many of a customer's accepted events no meter counts: excluded for that reason."""
    return usage.account(customer_id=customer.pk, starts_at=starts_at, ends_at=ends_at).unmatched


def _stretches(customer: Customer, starts_at: datetime, ends_at: datetime) -> Iterator[_Stretch]:
    """Yield the parts of the time, without a gap: by billing period and by terms, and what lies in no period."""
    at = starts_at
    periods = BillingPeriod.objects.filter(
        subscription__customer=customer, ends_at__gt=starts_at, starts_at__lt=ends_at
    )
    for period in periods.select_related("subscription__customer").order_by("starts_at"):
        begins, ends = max(period.starts_at, starts_at), min(period.ends_at, ends_at)
        if at < begins:
            yield _Stretch(at, begins, None, (), "no subscription")
        yield from _of_period(period, begins, ends)
        at = ends
    if at < ends_at:
        last = customer.subscriptions.filter(starts_at__lt=ends_at).order_by("-starts_at").first()
        goes_on = last is not None and (last.ends_at is None or last.ends_at > at)
        yield _Stretch(at, ends_at, None, (), "" if goes_on else "no subscription")


def _of_period(period: BillingPeriod, starts_at: datetime, ends_at: datetime) -> Iterator[_Stretch]:
    """Yield a period's time, cut where terms change."""
    is_closed = period.status == PeriodStatus.CLOSED
    contract = contracts.load(subscription=period.subscription, change_id=_agreed(period) if is_closed else None)
    runs = contracts.runs(contract)
    bounds = {at for run in runs for at in (run.starts_at, run.ends_at) if at is not None and starts_at < at < ends_at}
    cuts = sorted(bounds | {starts_at, ends_at})
    settled = _settled(period, contract) if is_closed else None
    for begins, ends in pairwise(cuts):
        holding = tuple(
            run for run in runs if run.starts_at <= begins and (run.ends_at is None or run.ends_at > begins)
        )
        yield _Stretch(begins, ends, settled, holding)


def _agreed(period: BillingPeriod) -> int | None:
    return period.invoices.order_by("-pk").values_list("change_id", flat=True).first()


def _settled(period: BillingPeriod, contract: Contract) -> int:
    """Return the fold up to which a closed period's usage is settled: the last closed period after it says it."""
    later = BillingPeriod.objects.filter(
        subscription=contract.subscription, status=PeriodStatus.CLOSED, starts_at__gte=period.starts_at
    )
    return max(fold or 0 for fold in later.values_list("fold", flat=True))


def _of_stretch(customer: Customer, meter: str, stretch: _Stretch, as_of: int) -> Iterator[tuple[State, int]]:
    cards = [run for run in stretch.runs if run.planned.card.meter == meter]
    kinds = [kind for run in cards for kind in _kinds(run)]
    fold = as_of if stretch.settled is None else stretch.settled
    found = usage.states(
        customer_id=customer.pk,
        meter=meter,
        starts_at=stretch.starts_at,
        ends_at=stretch.ends_at,
        as_of=fold,
        kinds=[filters for _, filters in kinds],
    )
    yield from _never_billed(found)
    yield (PENDING, ""), found.pending
    is_open = stretch.settled is None and not stretch.reason
    for (state, _), number in zip(kinds, found.matching, strict=True):
        yield ((PENDING, "") if is_open else state), number
    yield (EXCLUDED, stretch.reason or "no rate card"), found.other


def _never_billed(found: States) -> Iterator[tuple[State, int]]:
    for reason, number in (("test", found.test), ("shadow", found.shadow), ("voided", found.voided)):
        yield (EXCLUDED, reason), number


def _kinds(run: Run) -> Iterator[tuple[State, Mapping[str, tuple[str, ...]]]]:
    """Yield what the events of a card are told apart by: its rules that make free, then all the card counts."""
    card = run.planned.card
    for rule in card.zero_rates:
        if (both := _both(card, rule.filters)) is not None:
            yield (ZERO_RATED, rule.name), both
    state = (ZERO_RATED, run.free) if run.free else (BILLED, "")
    yield state, {name: tuple(values) for name, values in card.filters.items()}


def _both(card: Card, filters: Mapping[str, Iterable[str]]) -> Mapping[str, tuple[str, ...]] | None:
    """Return the filter of a rule within that of its card; None where no event matches both."""
    joined = {name: tuple(values) for name, values in card.filters.items()}
    for name, values in filters.items():
        joined[name] = tuple(value for value in values if name not in joined or value in joined[name])
    return None if any(not values for values in joined.values()) else joined


def _summed(found: Iterable[Iterable[tuple[State, int]]]) -> dict[State, int]:
    sums: dict[State, int] = {}
    for stretch in found:
        for state, number in stretch:
            if number:
                sums[state] = sums.get(state, 0) + number
    return dict(sorted(sums.items()))
