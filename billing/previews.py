"""Previews: what an operation on a subscription would bring about, by doing it and taking it back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from billing import assessment, closing, contracts
from billing.assessment import Question
from billing.contracts import Contract
from billing.models import BillingPeriod, Subscription, SubscriptionChange
from billing.models.invoices import Moment
from billing.models.subscriptions import Opening, PeriodStatus
from billing.money import Money, total
from billing.rating.lines import RatedPeriod
from metering import usage


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


def _foreseen(subscription: Subscription) -> tuple[RatedPeriod, ...]:
    with transaction.atomic():
        invoices = _next_invoices(subscription)
        transaction.set_rollback(True)
    return invoices


def _next_invoices(subscription: Subscription) -> tuple[RatedPeriod, ...]:
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
    return (*opening, assessment.assess(Question(running, contract, as_of=as_of)).rated)


def _opening(running: BillingPeriod, contract: Contract, as_of: int) -> tuple[RatedPeriod, ...]:
    """Return what is due in advance, and invoice it, so that it is not due again with what comes after."""
    if running.opening != Opening.DUE:
        return ()
    rated = assessment.assess(Question(running, contract, as_of=as_of, moment=Moment.OPENING)).rated
    closing.open_in_advance(period_id=running.pk, now=running.starts_at)
    return (rated,)
