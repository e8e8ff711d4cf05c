"""Closing: a billing period that has ended becomes an invoice, exactly once, whoever asks and however often."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import structlog
from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import QuerySet

from billing import catalog, invoicing, subscriptions
from billing.errors import PeriodNotDueError, UsageNotFoldedError
from billing.models import BillingPeriod, Invoice
from billing.models.subscriptions import PeriodStatus
from billing.periods import Period
from billing.rating import charges
from billing.rating.charges import Card, Charge, Measured, RatedPeriod
from metering import usage

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Parked:
    """A period that could not be closed, and why; it waits for a person."""

    period_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Closed:
    """What became of the periods that were due: invoices, parked ones, and those whose usage is still on its way."""

    invoices: tuple[Invoice, ...]
    parked: tuple[Parked, ...]
    waiting: tuple[int, ...]


def rate(*, period: BillingPeriod, as_of: int, until: datetime | None = None) -> RatedPeriod:
    """Return the charges of a period from usage as of a fold, up to `until` where it is cut short; writes nothing.

    Raises RatingError, PriceError and what metering.usage raises.
    """
    billed, full = subscriptions.bounds_of(period)
    if until is not None:
        billed = Period(billed.starts_at, until)
    version = period.subscription.version
    cards = catalog.cards_of(version)
    lines = tuple(_charge(card, period, billed, full, as_of) for card in cards)
    return RatedPeriod(period=billed, currency=version.currency, fold=as_of, charges=lines)


def preview(*, period: BillingPeriod, now: datetime) -> RatedPeriod:
    """Return what the invoice would be if the period ended at `now`; at its end that is the invoice. Writes nothing.

    Seats and prorated fees count for the time elapsed; before the period begins there are no charges.
    """
    as_of = usage.latest_fold()
    until = min(now, period.ends_at)
    if until <= period.starts_at:
        return RatedPeriod(period=None, currency=period.subscription.version.currency, fold=as_of, charges=())
    return rate(period=period, as_of=as_of, until=until)


@transaction.atomic
def close(*, period_id: int, now: datetime) -> Invoice | None:
    """Invoice a period whose end and grace are past, and open the next one: one transaction, all or nothing.

    The conditional UPDATE decides who closes it; None where it was closed or parked already, or another worker was
    first. Raises PeriodNotDueError, UsageNotFoldedError (fold, then try again) and what `rate` raises.
    """
    if _due(now).filter(pk=period_id).update(status=PeriodStatus.CLOSED, closed_at=now) != 1:
        _refuse_early(period_id)
        return None
    period = BillingPeriod.objects.select_related("subscription__customer", "subscription__version__plan").get(
        pk=period_id
    )
    if usage.has_unfolded(customer_id=period.subscription.customer_id):
        raise UsageNotFoldedError(f"Usage of {period.subscription.customer} is waiting to be folded.")
    rated = rate(period=period, as_of=usage.latest_fold())
    invoice = invoicing.finalize(invoice=invoicing.draft(period=period, rated=rated, now=now), now=now)
    subscriptions.open_next_period(period=period)
    return invoice


def close_due(*, now: datetime) -> Closed:
    """Close every period that is due, each in its own transaction, oldest first, until none is left.

    A period that fails is parked with its reason and the others go on; one that is waiting for usage stays open.
    """
    usage.catch_up(now=now)
    results = [result for period_id in _each_due(now) if (result := _close_or_park(period_id, now)) is not None]
    return Closed(
        invoices=tuple(result for result in results if isinstance(result, Invoice)),
        parked=tuple(result for result in results if isinstance(result, Parked)),
        waiting=tuple(result for result in results if isinstance(result, int)),
    )


def retry(*, period_id: int) -> bool:
    """Open a parked period, so that it is closed again; returns whether it was parked."""
    parked = BillingPeriod.objects.filter(pk=period_id, status=PeriodStatus.PARKED)
    return parked.update(status=PeriodStatus.OPEN, parked_reason="") == 1


def _due(now: datetime) -> QuerySet[BillingPeriod]:
    grace = timedelta(hours=settings.CLOSE_GRACE_HOURS)
    return BillingPeriod.objects.filter(status=PeriodStatus.OPEN, ends_at__lte=now - grace)


def _each_due(now: datetime) -> Iterator[int]:
    """Yield each due period once, those included that a close has just opened: a customer may be months behind."""
    seen: set[int] = set()
    while found := list(_due(now).exclude(pk__in=seen).order_by("ends_at", "pk").values_list("pk", flat=True)):
        seen.update(found)
        yield from found


def _close_or_park(period_id: int, now: datetime) -> Invoice | Parked | int | None:
    try:
        return close(period_id=period_id, now=now)
    except UsageNotFoldedError:
        return period_id
    except OperationalError:
        raise  # the database is in trouble, not this period: leave all open and let the task run again
    except Exception as error:
        # Of whatever kind the fault is, one customer's must not stop the others' invoices.
        log.exception("close_failed", period_id=period_id)
        return _park(period_id, f"{type(error).__name__}: {error}")


def _park(period_id: int, reason: str) -> Parked | None:
    """Set a period aside; None where it is no longer open."""
    period = BillingPeriod.objects.filter(pk=period_id, status=PeriodStatus.OPEN)
    return Parked(period_id, reason) if period.update(status=PeriodStatus.PARKED, parked_reason=reason) else None


def _refuse_early(period_id: int) -> None:
    period = BillingPeriod.objects.get(pk=period_id)
    if period.status == PeriodStatus.OPEN:
        raise PeriodNotDueError(
            f"{period} ends at {period.ends_at.isoformat()}, and late usage is awaited for"
            f" {settings.CLOSE_GRACE_HOURS} hours more."
        )


def _charge(card: Card, period: BillingPeriod, billed: Period, full: Period, as_of: int) -> Charge:
    return charges.charge(
        card=card,
        measured=_measure(card, period, billed, as_of) if card.meter else None,
        period=billed,
        full=full,
        currency=period.subscription.version.currency,
    )


def _measure(card: Card, period: BillingPeriod, billed: Period, as_of: int) -> Measured:
    answer = usage.read(
        customer_id=period.subscription.customer_id,
        meter=card.meter,
        starts_at=billed.starts_at,
        ends_at=billed.ends_at,
        filters=card.filters,
        as_of=as_of,
    )
    return Measured(quantity=answer.rows[0].quantity, unit=answer.unit)
