"""Previews: what an operation on a subscription would bring about, by doing it and taking it back."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from django.db import transaction
from msgspec import structs

from billing import assessment, closing, contracts
from billing.assessment import Question
from billing.contracts import Contract
from billing.models import BillingPeriod, Subscription, SubscriptionChange
from billing.models.invoices import Moment
from billing.models.subscriptions import Opening, PeriodStatus
from billing.money import Money, total
from billing.rating.lines import RatedPeriod
from metering import usage
from metering.usage import Usage
from runtime.wire import SEAT_CHANGED

MICROSECOND: Final = timedelta(microseconds=1)
MICROSECONDS: Final = Decimal(10**6)
Reader = Callable[..., Usage]


@dataclass(frozen=True, slots=True)
class Preview:
    """The invoices that would come of it, if nothing more were used, in their order; `before` is without it.

    `at` is from when it would hold. Where the total of an invoice is below nothing, it becomes prepaid credit.
    """

    kind: str
    at: datetime
    before: RatedPeriod | None
    invoices: tuple[RatedPeriod, ...]

    @property
    def difference(self) -> Money:
        """What the invoices would come to more than without it; less where negative."""
        after = total([rated.total for rated in self.invoices], self.invoices[-1].currency)
        return after if self.before is None else after - self.before.total


def of(operation: Callable[[], Subscription | SubscriptionChange], *, subscription: Subscription | None) -> Preview:
    """Return what an operation would bring about; it is carried out and rolled back, so that nothing else is foretold.

    `operation` takes no arguments: `partial(changes.cancel, subscription=..., at=..., act=...)`; `subscription` is the
    one that it changes, None for a start. Raises what the operation raises.
    """
    before = () if subscription is None else _foreseen(subscription)
    with transaction.atomic():
        done = operation()
        change = done if isinstance(done, SubscriptionChange) else done.changes.get()
        invoices = _next_invoices(change.subscription)
        transaction.set_rollback(True)
    if subscription is not None:
        subscription.refresh_from_db()
    return Preview(kind=change.kind, at=change.at, before=before[-1] if before else None, invoices=invoices)


def of_seats(*, subscription: Subscription, change: int, at: datetime) -> Preview:
    """Return what so many seats more from `at` on, or less where negative, would bring about.

    Seats are assigned and released one by one (`agents.seats`), and count by the second: the usage of the running cycle
    is read with the seconds that they would add until its end. Raises NegativeQuantityError for more than are held.
    """
    before = _foreseen(subscription)
    invoices = _foreseen(subscription, read=_with_seats(change, at))
    return Preview(kind="seats", at=at, before=before[-1] if before else None, invoices=invoices)


def _with_seats(change: int, at: datetime) -> Reader:
    """Return what answers as `usage.read` does, with more seats held from an instant on."""
    meters = {meter.key for meter in usage.meters() if meter.event_type == SEAT_CHANGED}

    def read(*, meter: str, starts_at: datetime, ends_at: datetime, **asked: Any) -> Usage:  # noqa: ANN401 - passed on
        answer = usage.read(meter=meter, starts_at=starts_at, ends_at=ends_at, **asked)
        seconds = Decimal(max((ends_at - max(starts_at, at)) // MICROSECOND, 0)) / MICROSECONDS
        if meter not in meters or not seconds:
            return answer
        rows = (structs.replace(row, quantity=row.quantity + change * seconds) for row in answer.rows)
        return replace(answer, rows=tuple(rows))

    return read


def _foreseen(subscription: Subscription, *, read: Reader = usage.read) -> tuple[RatedPeriod, ...]:
    with transaction.atomic():
        invoices = _next_invoices(subscription, read=read)
        transaction.set_rollback(True)
    return invoices


def _next_invoices(subscription: Subscription, *, read: Reader = usage.read) -> tuple[RatedPeriod, ...]:
    """Return what comes next: an invoice in advance where that is due, and that of the cycle; to be rolled back."""
    contract, as_of = contracts.load(subscription=subscription), usage.latest_fold()
    running = (
        BillingPeriod.objects.filter(subscription=subscription)
        .exclude(status=PeriodStatus.CLOSED)
        .select_related("subscription__customer")
        .order_by("starts_at")
        .first()
    )
    if running is None:
        return ()
    opening = _opening(running, contract, as_of)
    return (*opening, assessment.assess(Question(running, contract, as_of=as_of, read=read)).rated)


def _opening(running: BillingPeriod, contract: Contract, as_of: int) -> tuple[RatedPeriod, ...]:
    """Return what is due in advance, and invoice it, so that it is not due again with what comes after."""
    if running.opening != Opening.DUE:
        return ()
    rated = assessment.assess(Question(running, contract, as_of=as_of, moment=Moment.OPENING)).rated
    closing.open_in_advance(period_id=running.pk, now=running.starts_at)
    return (rated,)
