"""Subscriptions: a customer takes a published plan version, and its billing periods follow as rows."""

from datetime import datetime

from django.db import IntegrityError, transaction

from agents.models import Customer
from billing import periods
from billing.errors import CurrencyMismatchError, PeriodError, PlanNotPublishedError, SubscriptionExistsError
from billing.models import BillingPeriod, PlanVersion, Subscription
from billing.models.catalog import VersionStatus
from billing.models.subscriptions import PeriodStatus
from billing.periods import Period


@transaction.atomic
def start(
    *, customer: Customer, version: PlanVersion, starts_at: datetime, now: datetime, anchor_at: datetime | None = None
) -> Subscription:
    """Put a customer on a plan version from `starts_at` on, and open the first billing period.

    Periods are counted from `anchor_at` (from the start where it is not given) in the customer's time zone; a start
    within a period makes a partial first one. Raises PlanNotPublishedError, CurrencyMismatchError, PeriodError and
    SubscriptionExistsError.
    """
    if version.status != VersionStatus.PUBLISHED:
        raise PlanNotPublishedError(f"{version} is not published.")
    if version.currency != customer.currency:
        raise CurrencyMismatchError(f"{customer.key} pays in {customer.currency}, the plan is in {version.currency}.")
    subscription = Subscription(
        customer=customer, version=version, starts_at=starts_at, anchor_at=anchor_at or starts_at, created_at=now
    )
    try:
        with transaction.atomic():
            subscription.save(force_insert=True)
    except IntegrityError as error:
        raise SubscriptionExistsError(f"{customer.key} has a live subscription.") from error
    _open(subscription, at=starts_at)
    return subscription


@transaction.atomic
def end(*, subscription: Subscription, ends_at: datetime) -> Subscription:
    """End a subscription at `ends_at`, which is no longer part of it; its last period is cut there.

    Raises PeriodError where it has ended before, or where `ends_at` does not lie in its open period.
    """
    live = Subscription.objects.filter(pk=subscription.pk, ends_at=None, starts_at__lt=ends_at)
    last = BillingPeriod.objects.filter(
        subscription=subscription, status=PeriodStatus.OPEN, starts_at__lt=ends_at, ends_at__gte=ends_at
    )
    if live.update(ends_at=ends_at) != 1 or last.update(ends_at=ends_at) != 1:
        raise PeriodError(
            f"{subscription} cannot end at {ends_at.isoformat()}: its open period does not hold that time."
        )
    subscription.refresh_from_db()
    return subscription


def open_next_period(*, period: BillingPeriod) -> BillingPeriod | None:
    """Open the period after `period`; None where the subscription ends with it. Runs in the caller's transaction."""
    subscription = period.subscription
    if subscription.ends_at is not None and subscription.ends_at <= period.ends_at:
        return None
    return _open(subscription, at=period.ends_at)


def _open(subscription: Subscription, *, at: datetime) -> BillingPeriod:
    full = periods.full_period(
        anchor_at=subscription.anchor_at,
        zone=subscription.customer.time_zone,
        interval=subscription.version.interval,
        at=at,
    )
    held = periods.clip(full=full, starts_at=at, ends_at=subscription.ends_at)
    return BillingPeriod.objects.create(
        subscription=subscription,
        starts_at=held.starts_at,
        ends_at=held.ends_at,
        full_starts_at=full.starts_at,
        full_ends_at=full.ends_at,
    )


def bounds_of(period: BillingPeriod) -> tuple[Period, Period]:
    """Return what is billed and the whole period of the plan that it lies in."""
    return Period(period.starts_at, period.ends_at), Period(period.full_starts_at, period.full_ends_at)
