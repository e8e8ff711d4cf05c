"""Moves: the customers of older versions of a plan are put on another one, looked at beforehand, each by itself."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from django.db.models import Q

from billing import changes, contracts, previews, timeline
from billing.changes import Act
from billing.errors import BillingError, ChangeRefusedError
from billing.models import PlanVersion, Subscription, SubscriptionChange
from billing.models.subscriptions import ChangeKind
from billing.previews import Preview


@dataclass(frozen=True, slots=True)
class Move:
    """One subscription that is to be moved, from `at` on: what it would bring about, or why it cannot be."""

    subscription: Subscription
    at: datetime | None
    preview: Preview | None = None
    refusal: str = ""


def preview_migration(*, version: PlanVersion, act: Act, at: datetime | None = None) -> Iterator[Move]:
    """Yield what `migrate` would do to each subscription, as `previews.of` says; writes nothing."""
    for subscription in _others(version, at or act.now):
        try:
            when = _when(subscription, act, at)
            operation = partial(_move, subscription, version, when, act)
            yield Move(subscription, when, preview=previews.of(operation, subscription=subscription))
        except BillingError as error:
            yield Move(subscription, at, refusal=str(error))


def migrate(*, version: PlanVersion, act: Act, at: datetime | None = None) -> Iterator[Move]:
    """Put every subscription of the plan's other versions on `version`, each in its own transaction, and yield it.

    From `at` on, or where that is not given from the end of the period that runs for each. What cannot be moved stays
    where it is, and says why; done again, those that were moved are left alone.
    """
    for subscription in _others(version, at or act.now):
        try:
            when = _when(subscription, act, at)
            _move(subscription, version, when, act)
            yield Move(subscription, when)
        except BillingError as error:
            yield Move(subscription, at, refusal=str(error))


def _move(subscription: Subscription, version: PlanVersion, at: datetime, act: Act) -> SubscriptionChange:
    return changes.change_plan(subscription=subscription, version=version, at=at, act=act, kind=ChangeKind.MIGRATE)


def _when(subscription: Subscription, act: Act, at: datetime | None) -> datetime:
    """Return from when a subscription is moved; raises ChangeRefusedError where another plan is agreed before that."""
    when = at or changes.period_end(subscription=subscription, now=act.now)
    contract = contracts.load(subscription=subscription)
    if (
        timeline.stretch_at(contract.timeline, at=when).version_id
        != timeline.stretch_at(contract.timeline, at=min(act.now, when)).version_id
    ):
        raise ChangeRefusedError(f"{subscription} is agreed to change to another version before {when.isoformat()}.")
    return when


def _others(version: PlanVersion, at: datetime) -> Iterator[Subscription]:
    """Yield the subscriptions that run at `at` on another version of the same plan, by customer."""
    live = Q(ends_at=None) | Q(ends_at__gt=at)
    found = Subscription.objects.filter(live, version__plan=version.plan_id).exclude(version=version)
    yield from found.select_related("customer", "version").order_by("customer__key").iterator(chunk_size=500)
