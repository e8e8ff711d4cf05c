"""Contracts: what a subscription agreed to, as it stood after one of its changes, with every card's terms over time."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import pairwise
from types import MappingProxyType
from typing import Any, Final

from billing import catalog, periods, planned
from billing.documents import Table
from billing.dues import Clock, Run
from billing.errors import CurrencyMismatchError
from billing.models import CardOverride, PlanVersion, Subscription, SubscriptionTerm
from billing.models.catalog import VersionStatus
from billing.offers import Offer
from billing.periods import Period
from billing.planned import PlannedCard
from billing.timeline import Stretch, Timeline, stretch_at

PAUSED: Final = "paused"
TRIAL: Final = "trial"
_FROZEN_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class Override:
    """Fields of a rate card that differ for this customer in `[starts_at, ends_at)`."""

    card: str
    fields: Mapping[str, Any]
    starts_at: datetime
    ends_at: datetime | None = None

    def holds(self, at: datetime) -> bool:
        """Whether the instant is in it."""
        return self.starts_at <= at and (self.ends_at is None or at < self.ends_at)


@dataclass(frozen=True, slots=True)
class Contract:
    """A subscription as it stood after the change `change_id`; of overrides that meet, the last one holds."""

    subscription: Subscription
    change_id: int
    timeline: Timeline
    overrides: tuple[Override, ...] = ()

    @property
    def clock(self) -> Clock:
        """What its full periods are counted by."""
        return Clock(anchor_at=self.subscription.anchor_at, zone=self.subscription.time_zone)

    @property
    def ends_at(self) -> datetime | None:
        """When it ends, as far as that is agreed."""
        return self.timeline[-1].ends_at

    def version_at(self, at: datetime) -> PlanVersion:
        """Return the plan version that holds at an instant. Raises ChangeRefusedError where it does not run then."""
        return shelf(stretch_at(self.timeline, at=at).version_id).version


@dataclass(frozen=True, slots=True)
class Shelf:
    """A plan version with what it offers, and the rows of its rate cards by key.

    `terms` is filled as it is asked for: the cards by phase and currency, with the digests of their terms.
    """

    version: PlanVersion
    offer: Offer
    rows: Mapping[str, int]
    terms: dict[tuple[int | None, str], tuple[tuple[PlannedCard, str], ...]] = field(default_factory=dict)


def load(*, subscription: Subscription, change_id: int | None = None) -> Contract:
    """Return a subscription as it stands, or as it stood after one of its changes."""
    if change_id is None:
        change_id = subscription.changes.order_by("-number").values_list("pk", flat=True)[0]
    terms = SubscriptionTerm.objects.filter(change_id=change_id).order_by("starts_at")
    overrides = CardOverride.objects.filter(change__subscription=subscription, change_id__lte=change_id).order_by("pk")
    return Contract(
        subscription=subscription,
        change_id=change_id,
        timeline=tuple(_stretch_of(term) for term in terms),
        overrides=tuple(Override(one.card, one.fields, one.starts_at, one.ends_at) for one in overrides),
    )


def supposed(*, subscription: Subscription, version: PlanVersion) -> Contract:
    """Return the subscription as if it had been on `version` all the time, without any agreement of its own."""
    return Contract(subscription, 0, (Stretch(version.pk, subscription.starts_at, subscription.ends_at),))


def runs(contract: Contract) -> tuple[Run, ...]:
    """Return every rate card over time, in the order of the plans: a run ends where its terms or its state change.

    Raises CurrencyMismatchError where a version has no prices in the subscription's currency.
    """
    open_runs: dict[str, Run] = {}
    order: list[str] = []
    done: list[Run] = []
    for cards in _states(contract):
        done += [open_runs.pop(key) for key in set(open_runs) - set(cards)]
        for key, run in cards.items():
            before = open_runs.get(key)
            if key not in order:
                order.append(key)
            if before is not None and (before.terms, before.free) == (run.terms, run.free):
                open_runs[key] = replace(run, starts_at=before.starts_at)
            else:
                done += [before] if before is not None else []
                open_runs[key] = run
    done += open_runs.values()
    return tuple(sorted(done, key=lambda run: (order.index(run.planned.card.key), run.starts_at)))


def cycle_at(contract: Contract, *, at: datetime) -> tuple[Period, Period]:
    """Return the cycle that begins at `at`, and the whole one around it.

    Its length is the shortest interval of the version's rate cards. It ends early with the subscription, where that
    interval changes, where it was agreed to invoice at once, and with a trial, so that what is due then is not late.
    """
    interval = _cadence(stretch_at(contract.timeline, at=at))
    full = contract.clock.full(interval=interval, at=at)
    ends = [end for end in (contract.ends_at, _cut_after(contract.timeline, at, interval)) if end is not None]
    return periods.clip(full=full, starts_at=at, ends_at=min(ends, default=None)), full


def _cadence(stretch: Stretch) -> str:
    """Return the shortest interval of the rate cards of a stretch."""
    offer = shelf(stretch.version_id).offer
    return periods.finest(one.interval for one in offer.cards[offer.currencies[0]])


def _cut_after(timeline: Timeline, at: datetime, interval: str) -> datetime | None:
    """Return the first instant after `at` at which a cycle has to end, whatever its length."""
    for before, stretch in pairwise(timeline):
        ends_trial = before.is_trial and not stretch.is_trial
        if stretch.starts_at > at and (ends_trial or stretch.begins_cycle or _cadence(stretch) != interval):
            return stretch.starts_at
    return None


@contextmanager
def holding(version: PlanVersion) -> Iterator[None]:
    """Read a version, a draft too, once for all that is rated within: a rehearsal asks for it thousands of times."""
    token = _HELD.set({version.pk: _shelf(version.pk)})
    try:
        yield
    finally:
        _HELD.reset(token)


def shelf(version_id: int) -> Shelf:
    """Return a version with its offer; one that is frozen, as a trigger sees to, is read from the database once."""
    if version_id in _HELD.get():
        return _HELD.get()[version_id]
    if version_id not in _FROZEN:
        found = _shelf(version_id)
        if found.version.status == VersionStatus.DRAFT:
            return found
        if len(_FROZEN) >= _FROZEN_MOST:
            _FROZEN.clear()
        _FROZEN[version_id] = found
    return _FROZEN[version_id]


def _states(contract: Contract) -> Iterator[dict[str, Run]]:
    """Yield the terms of each card for each stretch of the timeline, cut where an override begins or ends."""
    for stretch in contract.timeline:
        for starts_at, ends_at in _cuts(stretch, contract.overrides):
            part = replace(stretch, starts_at=starts_at, ends_at=ends_at)
            yield {run.planned.card.key: run for run in _runs_of(part, contract)}


def _cuts(stretch: Stretch, overrides: Iterable[Override]) -> Iterator[tuple[datetime, datetime | None]]:
    bounds = {at for one in overrides for at in (one.starts_at, one.ends_at) if at is not None and stretch.holds(at)}
    starts = sorted(bounds | {stretch.starts_at})
    yield from pairwise([*starts, stretch.ends_at])


def _runs_of(stretch: Stretch, contract: Contract) -> Iterator[Run]:
    currency = contract.subscription.currency
    shelved = shelf(stretch.version_id)
    changes = {one.card: one.fields for one in contract.overrides if one.holds(stretch.starts_at)}
    for card, terms in _phase_cards(shelved, stretch.phase, currency):
        key = card.card.key
        agreed = _with_fields(card, changes[key], currency) if changes.get(key) else card
        yield Run(
            planned=agreed,
            version_id=stretch.version_id,
            rate_card_id=shelved.rows[key],
            terms=terms if agreed is card else planned.digest_of(agreed, currency),
            starts_at=stretch.starts_at,
            ends_at=stretch.ends_at,
            free=PAUSED if stretch.is_paused else TRIAL if stretch.is_trial else "",
        )


def _phase_cards(shelved: Shelf, phase: int | None, currency: str) -> tuple[tuple[PlannedCard, str], ...]:
    """Return the cards of a version in a phase and a currency, each with the digest of its terms."""
    if (phase, currency) not in shelved.terms:
        cards = tuple(_in_phase(shelved, phase, currency))
        shelved.terms[phase, currency] = tuple((card, planned.digest_of(card, currency)) for card in cards)
    return shelved.terms[phase, currency]


def _in_phase(shelved: Shelf, phase: int | None, currency: str) -> Iterator[PlannedCard]:
    offer = shelved.offer
    if currency not in offer.cards:
        raise CurrencyMismatchError(
            f"{shelved.version} has prices in {', '.join(offer.currencies)}, not in {currency}."
        )
    fields = {} if phase is None else offer.phases[phase].cards
    for card in offer.cards[currency]:
        own = fields.get(card.card.key)
        yield planned.changed(card, Table(own), currency=currency, currencies=offer.currencies) if own else card


def _with_fields(card: PlannedCard, fields: Mapping[str, Any], currency: str) -> PlannedCard:
    return planned.changed(card, Table(fields), currency=currency, currencies=(currency,))


def _stretch_of(term: SubscriptionTerm) -> Stretch:
    return Stretch(
        version_id=term.version_id,
        starts_at=term.starts_at,
        ends_at=term.ends_at,
        phase=term.phase,
        is_trial=term.is_trial,
        is_paused=term.is_paused,
        begins_cycle=term.begins_cycle,
    )


def _shelf(version_id: int) -> Shelf:
    version = PlanVersion.objects.select_related("plan").get(pk=version_id)
    rows = dict(version.rate_cards.values_list("key", "pk"))
    return Shelf(version=version, offer=catalog.offer_of(version), rows=rows)


_FROZEN: Final[dict[int, Shelf]] = {}
_HELD: Final[ContextVar[Mapping[int, Shelf]]] = ContextVar("held", default=MappingProxyType({}))
