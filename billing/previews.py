"""Previews: what an operation on a subscription would bring about, by doing it and taking it back."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from billing import assessment, contracts
from billing.assessment import Question
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
    before = None if subscription is None else _next_invoices(subscription)
    with transaction.atomic():
        done = operation()
        change = done if isinstance(done, SubscriptionChange) else done.changes.get()
        invoices = _next_invoices(change.subscription)
        transaction.set_rollback(True)
    if subscription is not None:
        subscription.refresh_from_db()
    return Preview(kind=change.kind, at=change.at, before=before[-1] if before else None, invoices=invoices)


def _next_invoices(subscription: Subscription) -> tuple[RatedPeriod, ...]:
    """Return the next invoices: one in advance where that is due, and that of the cycle that runs."""
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
    moments = [Moment.OPENING] if running.opening == Opening.DUE else []
    return tuple(
        assessment.assess(Question(running, contract, as_of=as_of, moment=moment)).rated
        for moment in (*moments, Moment.CLOSING)
    )
