"""Changes: what a customer agrees to after the start: another plan, a pause, an end, a price of its own.

Each holds from an instant that belongs to the new state, and from no time that is invoiced already. What had been
agreed for later than that instant is replaced. Whatever was paid in advance and is no longer agreed comes back on the
next invoice, and what is due in advance anew is charged there; with `invoice_at_once` the running cycle ends at the
instant, so that this is invoiced then.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from billing import catalog, contracts, planned, subscriptions, timeline
from billing.contracts import Contract, Override
from billing.documents import Table
from billing.errors import ChangeRefusedError
from billing.models import BillingPeriod, PlanVersion, Subscription, SubscriptionChange
from billing.models.subscriptions import ChangeKind, Opening, PeriodStatus
from billing.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Act:
    """Who changes a subscription and why; `now` is when that is recorded, not from when it holds."""

    actor: str
    now: datetime
    reason: str = ""


@transaction.atomic
def change_plan(
    *,
    subscription: Subscription,
    version: PlanVersion,
    at: datetime,
    act: Act,
    kind: ChangeKind = ChangeKind.CHANGE,
    invoice_at_once: bool = False,
) -> SubscriptionChange:
    """Put a subscription on another version from `at` on, up or down; `period_end` is a good time for the latter.

    Its phases begin then; an end that was agreed stays. Raises ChangeRefusedError, PlanNotPublishedError,
    CurrencyMismatchError.
    """
    contract = _held(subscription)
    subscriptions.require_offered(version=version, currency=subscription.currency, at=at)
    running = timeline.stretch_at(contract.timeline, at=at)
    if running.is_paused:
        raise ChangeRefusedError(f"{subscription} is paused at {at.isoformat()}; resume it first.")
    if {one.version_id for one in contract.timeline if one.ends_at is None or one.ends_at > at} == {version.pk}:
        raise ChangeRefusedError(f"{subscription} is on {version} already.")
    laid = timeline.lay(
        version_id=version.pk, phases=catalog.offer_of(version).phases, starts_at=at, zone=subscription.time_zone
    )
    if contract.ends_at is not None:
        laid = timeline.cut(laid, at=contract.ends_at)
    agreed = timeline.follow(contract.timeline, at=at, then=laid)
    return _agree(contract, _change(kind, at, act), agreed, invoice_at_once=invoice_at_once)


@transaction.atomic
def pause(*, subscription: Subscription, at: datetime, act: Act, invoice_at_once: bool = False) -> SubscriptionChange:
    """Charge nothing from `at` on, until it is resumed; what is used meanwhile is on the invoice and costs nothing.

    Phases and plan changes that were agreed go on beneath. Raises ChangeRefusedError.
    """
    contract = _held(subscription)
    agreed = timeline.pause(contract.timeline, at=at)
    return _agree(contract, _change(ChangeKind.PAUSE, at, act), agreed, invoice_at_once=invoice_at_once)


@transaction.atomic
def resume(*, subscription: Subscription, at: datetime, act: Act, invoice_at_once: bool = False) -> SubscriptionChange:
    """Charge again from `at` on. Raises ChangeRefusedError where it is not paused then."""
    contract = _held(subscription)
    agreed = timeline.resume(contract.timeline, at=at)
    return _agree(contract, _change(ChangeKind.RESUME, at, act), agreed, invoice_at_once=invoice_at_once)


@transaction.atomic
def cancel(*, subscription: Subscription, at: datetime, act: Act) -> SubscriptionChange:
    """End a subscription at `at`, which is no longer part of it; its last cycle is cut there and then invoiced.

    Raises ChangeRefusedError where it does not run then.
    """
    contract = _held(subscription)
    if at <= subscription.starts_at:
        raise ChangeRefusedError(f"{subscription} starts only at {subscription.starts_at.isoformat()}.")
    if contract.ends_at is None or at < contract.ends_at:
        timeline.stretch_at(contract.timeline, at=at)
    else:
        raise ChangeRefusedError(f"{subscription} ends at {contract.ends_at.isoformat()} already.")
    return _agree(contract, _change(ChangeKind.CANCEL, at, act), timeline.cut(contract.timeline, at=at))


@transaction.atomic
def keep(*, subscription: Subscription, act: Act) -> SubscriptionChange:
    """Take back the last change, which holds only from a later time than now: an end or another plan agreed for then.

    Raises ChangeRefusedError where nothing is agreed for later.
    """
    contract = _held(subscription)
    of_plans = subscription.changes.exclude(kind=ChangeKind.OVERRIDE)  # prices of the customer's own stay
    last, *before = of_plans.order_by("-number")[:2]
    if last.at <= act.now or not before or last.kind == ChangeKind.KEEP:
        raise ChangeRefusedError(f"Nothing is agreed for {subscription} that begins later.")
    agreed = contracts.load(subscription=subscription, change_id=before[0].pk).timeline
    return _agree(contract, _change(ChangeKind.KEEP, last.at, act), agreed)


@transaction.atomic
def override(
    *,
    subscription: Subscription,
    card: str,
    fields: Mapping[str, Any],
    starts_at: datetime,
    act: Act,
    ends_at: datetime | None = None,
) -> SubscriptionChange:
    """Let other fields of a rate card hold for this customer in `[starts_at, ends_at)`, whichever version it is on.

    They are those of a plan's document that `planned.CHANGEABLE` names; none give the plan's own back.
    Raises PlanDocumentError and PriceError naming the field, ChangeRefusedError where no version has the card.
    """
    contract = _held(subscription)
    if ends_at is not None and ends_at <= starts_at:
        raise ChangeRefusedError(f"The prices of {card} must end after they begin.")
    _check_fields(contract, card, fields, starts_at)
    own = Override(card=card, fields=dict(fields), starts_at=starts_at, ends_at=ends_at)
    return _agree(contract, _change(ChangeKind.OVERRIDE, starts_at, act), contract.timeline, overrides=(own,))


def period_end(*, subscription: Subscription, now: datetime) -> datetime:
    """Return the end of the plan's full period that runs now: when a change at the period's end holds from.

    Raises ChangeRefusedError where the subscription does not run now.
    """
    contract = contracts.load(subscription=subscription)
    offer = contracts.shelf(timeline.stretch_at(contract.timeline, at=now).version_id).offer
    return contract.clock.full(interval=offer.interval, at=now).ends_at


def _held(subscription: Subscription) -> Contract:
    subscriptions.hold(subscription_id=subscription.pk)
    subscription.refresh_from_db()
    return contracts.load(subscription=subscription)


def _change(kind: ChangeKind, at: datetime, act: Act) -> SubscriptionChange:
    return SubscriptionChange(kind=kind, at=at, actor=act.actor, reason=act.reason, recorded_at=act.now)


def _agree(
    before: Contract,
    change: SubscriptionChange,
    agreed: Timeline,
    *,
    overrides: Sequence[Override] = (),
    invoice_at_once: bool = False,
) -> SubscriptionChange:
    """Record a change, and fit the running cycle to it. Raises ChangeRefusedError for a time that is invoiced."""
    if invoice_at_once:
        agreed = timeline.begin_cycle(agreed, at=change.at)
    running = _running_cycle(before.subscription)
    if running is None or change.at < running.starts_at:
        raise ChangeRefusedError(f"{before.subscription} is invoiced past {change.at.isoformat()} already.")
    after = subscriptions.record(subscription=before.subscription, change=change, agreed=agreed, overrides=overrides)
    if running.starts_at <= change.at < running.ends_at or running.ends_at == before.ends_at:
        _fit(running, after)
    return change


def _running_cycle(subscription: Subscription) -> BillingPeriod | None:
    """Return the first cycle that is not invoiced; later ones are no rows yet."""
    return subscription.periods.exclude(status=PeriodStatus.CLOSED).order_by("starts_at").first()


def _fit(running: BillingPeriod, contract: Contract) -> None:
    """Give the running cycle the bounds that it has under a contract."""
    cycle, full = contracts.cycle_at(contract, at=running.starts_at)
    opening = running.opening
    if opening != Opening.DONE and running.starts_at == contract.subscription.starts_at:
        opening = subscriptions.opening_of(contract=contract, cycle=cycle)
    BillingPeriod.objects.filter(pk=running.pk).update(
        ends_at=cycle.ends_at, full_starts_at=full.starts_at, full_ends_at=full.ends_at, opening=opening
    )


def _check_fields(contract: Contract, card: str, fields: Mapping[str, Any], starts_at: datetime) -> None:
    currency = contract.subscription.currency
    meters, whole = catalog.meters(), catalog.unsummable()
    found = False
    for one in contract.timeline:
        if one.ends_at is not None and one.ends_at <= starts_at:
            continue
        for offered in contracts.shelf(one.version_id).offer.cards[currency]:
            if offered.card.key == card:
                found = True
                own = planned.changed(offered, Table(fields), currency=currency, currencies=(currency,), meters=meters)
                planned.refuse_split(own, whole=whole)
    if not found:
        raise ChangeRefusedError(f"{contract.subscription} has no rate card {card} from {starts_at.isoformat()} on.")
