"""What is due: the periods whose invoice can be made by now, and what still has to be waited for."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from django.conf import settings
from django.db.models import F, Q, QuerySet

from agents import ledger
from agents.ledger import Incomplete
from billing.errors import DevicesAwaitedError, EarlierInvoiceError, PeriodNotDueError, UsageNotFoldedError
from billing.models import BillingPeriod, Invoice
from billing.models.invoices import InvoiceStatus
from billing.models.subscriptions import Opening, PeriodStatus
from metering import usage

_OPENING_DUE: Final = Q(status=PeriodStatus.OPEN, opening=Opening.DUE)
_MOST_NAMED: Final = 20  # devices in the note on an invoice


class Action(StrEnum):
    """What can be due of a period."""

    OPEN = "open"
    CLOSE = "close"
    BILL_LATE = "bill_late"


def closings(*, now: datetime) -> QuerySet[BillingPeriod]:
    """The open periods whose end and grace are past, save those with an opening invoice to come first."""
    grace = timedelta(hours=settings.CLOSE_GRACE_HOURS)
    ended = BillingPeriod.objects.filter(status=PeriodStatus.OPEN, ends_at__lte=now - grace)
    return ended.exclude(opening=Opening.DUE)


def openings(*, now: datetime) -> QuerySet[BillingPeriod]:
    """The open periods that have begun and of which no period before has invoiced what is due in advance."""
    return BillingPeriod.objects.filter(_OPENING_DUE, starts_at__lte=now)


def last(*, period_id: int | None = None) -> QuerySet[BillingPeriod]:
    """The closed last periods of subscriptions that have ended: no other invoice comes after theirs."""
    ended = BillingPeriod.objects.filter(
        status=PeriodStatus.CLOSED, subscription__ends_at=F("ends_at"), fold__isnull=False
    )
    return ended if period_id is None else ended.filter(pk=period_id)


def found(*, now: datetime, looked_before: datetime | None = None) -> list[int]:
    """Return the ids of all periods of which an invoice is due, the earliest end first.

    With `looked_before`, without those that were found waiting for something at that time or later.
    """
    due = openings(now=now) | closings(now=now)
    if looked_before is not None:
        due = due.filter(Q(looked_at=None) | Q(looked_at__lt=looked_before))
    return list(due.order_by("ends_at", "pk").values_list("pk", flat=True))


def actions(*, period_id: int, now: datetime) -> Iterator[Action]:
    """Yield what is due of a period, in its order; whether it still is, each action decides for itself."""
    period = BillingPeriod.objects.only("status", "opening", "starts_at", "ends_at").get(pk=period_id)
    if period.status == PeriodStatus.CLOSED and last(period_id=period_id).exists():
        yield Action.BILL_LATE
    if period.status != PeriodStatus.OPEN:
        return
    if period.opening == Opening.DUE and period.starts_at <= now:
        yield Action.OPEN
    if period.ends_at <= now - timedelta(hours=settings.CLOSE_GRACE_HOURS):
        yield Action.CLOSE


def require_due(*, period_id: int, now: datetime) -> None:
    """Refuse an open period that has not ended, or whose grace is still running: raises PeriodNotDueError."""
    period = BillingPeriod.objects.get(pk=period_id)
    if period.status == PeriodStatus.OPEN and not closings(now=now).filter(pk=period_id).exists():
        raise PeriodNotDueError(
            f"{period} ends at {period.ends_at.isoformat()}, and late usage is awaited for"
            f" {settings.CLOSE_GRACE_HOURS} hours more."
        )


def require_begun(*, period_id: int) -> None:
    """Refuse a period whose opening is still due, because it has not begun: raises PeriodNotDueError."""
    if BillingPeriod.objects.filter(_OPENING_DUE, pk=period_id).exists():
        raise PeriodNotDueError(f"Period {period_id} has not begun.")


def require_folded(*, period: BillingPeriod) -> None:
    """Wait while accepted usage of the customer is in no quantity yet: raises UsageNotFoldedError."""
    if usage.has_unfolded(customer_id=period.subscription.customer_id):
        raise UsageNotFoldedError(f"Usage of {period.subscription.customer} is waiting to be folded.")


def require_turn(*, period: BillingPeriod) -> None:
    """Wait while an earlier invoice of the subscription is to be made or issued: raises EarlierInvoiceError.

    What was charged in advance, which credit is left and which allowance is carried over is known only then.
    """
    drafts = Invoice.objects.filter(
        period__subscription_id=period.subscription_id, status=InvoiceStatus.DRAFT, merged_into__isnull=True
    )
    before = BillingPeriod.objects.filter(subscription_id=period.subscription_id, starts_at__lt=period.starts_at)
    if before.exclude(status=PeriodStatus.CLOSED).exists() or drafts.exists():
        raise EarlierInvoiceError(f"An earlier invoice of {period.subscription.customer} is not issued.")


def awaited_devices(*, period: BillingPeriod, now: datetime) -> str:
    """Return which devices are not complete though the time to wait for them is over; empty where all are.

    Raises DevicesAwaitedError while that time is running.
    """
    lacking = ledger.awaited(
        customer_id=period.subscription.customer_id, starts_at=period.starts_at, ends_at=period.ends_at
    )
    if lacking and now < period.ends_at + timedelta(hours=settings.CLOSE_HOLD_HOURS):
        raise DevicesAwaitedError(f"{period} waits for {_named(lacking)}.")
    return _named(lacking)


def _named(lacking: Sequence[Incomplete]) -> str:
    """Return the devices with what they lack, as a text for people."""
    texts = [
        f"{one.device} ({one.lack}, complete up to "
        + (f"{one.complete_up_to.isoformat()})" if one.complete_up_to else "nothing)")
        for one in lacking[:_MOST_NAMED]
    ]
    more = len(lacking) - len(texts)
    return ", ".join([*texts, f"{more} more"] if more else texts)
