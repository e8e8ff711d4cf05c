"""Subscriptions: a customer takes a published plan version, and its billing periods follow as rows."""

from collections.abc import Iterable
from datetime import datetime

from django.db import IntegrityError, transaction

from agents.models import Customer
from billing import catalog, contracts, dues, timeline
from billing.contracts import Contract, Override
from billing.errors import CurrencyMismatchError, PlanNotPublishedError, SubscriptionExistsError
from billing.models import (
    BillingPeriod,
    CardOverride,
    PlanVersion,
    Subscription,
    SubscriptionChange,
    SubscriptionTerm,
)
from billing.models.catalog import VersionStatus
from billing.models.subscriptions import ChangeKind, Opening
from billing.periods import Period
from billing.timeline import Stretch, Timeline

SYSTEM = "system"


@transaction.atomic
def start(
    *,
    customer: Customer,
    version: PlanVersion,
    starts_at: datetime,
    now: datetime,
    anchor_at: datetime | None = None,
    trial_ends_at: datetime | None = None,
    actor: str = SYSTEM,
    reason: str = "",
) -> Subscription:
    """Put a customer on a plan version from `starts_at` on, past or future, and open the first billing period.

    Periods are counted from `anchor_at` in the customer's time zone; where it is not given, from the start, or from the
    end of the trial. A start within a period makes a partial first one. `trial_ends_at` is a trial agreed with this
    customer instead of the version's own; the start itself means none.
    Raises PlanNotPublishedError, CurrencyMismatchError, PeriodError and SubscriptionExistsError.
    """
    require_offered(version=version, currency=customer.currency, at=starts_at)
    laid = timeline.lay(
        version_id=version.pk,
        phases=catalog.offer_of(version).phases,
        starts_at=starts_at,
        zone=customer.time_zone,
        trial_ends_at=trial_ends_at,
    )
    subscription = Subscription(
        customer=customer,
        version=version,
        currency=customer.currency,
        time_zone=customer.time_zone,
        starts_at=starts_at,
        anchor_at=anchor_at or timeline.first_charged_at(laid),
        created_at=now,
    )
    _insert(subscription)
    change = SubscriptionChange(kind=ChangeKind.START, at=starts_at, actor=actor, reason=reason, recorded_at=now)
    contract = record(subscription=subscription, change=change, agreed=laid)
    _open(contract, at=starts_at, is_first=True)
    return subscription


def require_offered(*, version: PlanVersion, currency: str, at: datetime) -> None:
    """Refuse a version that nobody can be put on for a time: raises PlanNotPublishedError, CurrencyMismatchError."""
    if version.status != VersionStatus.PUBLISHED:
        raise PlanNotPublishedError(f"{version} is not published.")
    if version.effective_at is not None and at < version.effective_at:
        raise PlanNotPublishedError(f"{version} is effective only from {version.effective_at.isoformat()} on.")
    if currency not in version.currencies:
        raise CurrencyMismatchError(f"{version} has prices in {', '.join(version.currencies)}, not in {currency}.")


def hold(*, subscription_id: int) -> None:
    """Keep others from changing or invoicing a subscription until the transaction ends."""
    Subscription.objects.select_for_update().get(pk=subscription_id)


def record(
    *,
    subscription: Subscription,
    change: SubscriptionChange,
    agreed: Timeline,
    overrides: Iterable[Override] = (),
) -> Contract:
    """Keep what was agreed as a change of a subscription that is held, and return the contract as it stands then."""
    last = subscription.changes.order_by("-number").values_list("number", flat=True).first() or 0
    change.subscription, change.number = subscription, last + 1
    change.save(force_insert=True)
    SubscriptionTerm.objects.bulk_create(_term_of(change, stretch) for stretch in agreed)
    CardOverride.objects.bulk_create(
        CardOverride(change=change, card=one.card, fields=one.fields, starts_at=one.starts_at, ends_at=one.ends_at)
        for one in overrides
    )
    subscription.version_id, subscription.ends_at = agreed[-1].version_id, agreed[-1].ends_at
    subscription.save(update_fields=["version", "ends_at"])
    return contracts.load(subscription=subscription, change_id=change.pk)


def open_next_period(*, period: BillingPeriod, contract: Contract) -> BillingPeriod | None:
    """Open the period after `period`, in the caller's transaction; None where the subscription ends with it.

    None, too, where it was opened before: `period` is closed again, its invoice having been voided.
    """
    if contract.ends_at is not None and contract.ends_at <= period.ends_at:
        return None
    if BillingPeriod.objects.filter(subscription=contract.subscription, starts_at=period.ends_at).exists():
        return None
    return _open(contract, at=period.ends_at)


def opening_of(*, contract: Contract, cycle: Period) -> Opening:
    """Return whether a first period needs an invoice of its own for what is due in advance."""
    due = dues.in_advance(runs=contracts.runs(contract), window=cycle, prepaid=(), clock=contract.clock)
    return Opening.DUE if any(True for _ in due) else Opening.NONE


def _insert(subscription: Subscription) -> None:
    try:
        with transaction.atomic():
            subscription.save(force_insert=True)
    except IntegrityError as error:
        raise SubscriptionExistsError(f"{subscription.customer.key} has a subscription at that time.") from error


def _open(contract: Contract, *, at: datetime, is_first: bool = False) -> BillingPeriod:
    cycle, full = contracts.cycle_at(contract, at=at)
    return BillingPeriod.objects.create(
        subscription=contract.subscription,
        starts_at=cycle.starts_at,
        ends_at=cycle.ends_at,
        full_starts_at=full.starts_at,
        full_ends_at=full.ends_at,
        opening=opening_of(contract=contract, cycle=cycle) if is_first else Opening.NONE,
    )


def _term_of(change: SubscriptionChange, stretch: Stretch) -> SubscriptionTerm:
    return SubscriptionTerm(
        change=change,
        version_id=stretch.version_id,
        phase=stretch.phase,
        is_trial=stretch.is_trial,
        is_paused=stretch.is_paused,
        begins_cycle=stretch.begins_cycle,
        starts_at=stretch.starts_at,
        ends_at=stretch.ends_at,
    )
