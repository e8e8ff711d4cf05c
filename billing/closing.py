"""Closing: a billing period that has ended becomes an invoice, exactly once, whoever asks and however often."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final, Protocol

import structlog
from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models import Q, QuerySet

from billing import assessment, contracts, coupons, credits, invoicing, subscriptions, surroundings
from billing.assessment import Question
from billing.contracts import Contract
from billing.errors import PeriodNotDueError, UsageNotFoldedError
from billing.models import BillingPeriod, Invoice, PlanVersion
from billing.models.invoices import Moment
from billing.models.subscriptions import Opening, PeriodStatus
from billing.rating.lines import LineKind, RatedPeriod
from billing.rating.terms import Discount
from metering import usage

log = structlog.get_logger(__name__)

_OPENING_DUE: Final = Q(status=PeriodStatus.OPEN, opening=Opening.DUE)


class Action(Protocol):
    """Makes an invoice of a period, at its beginning or at its end."""

    def __call__(self, *, period_id: int, now: datetime) -> Invoice | None:
        """Do it, once."""
        ...


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


def rate(
    *,
    period: BillingPeriod,
    as_of: int,
    until: datetime | None = None,
    version: PlanVersion | None = None,
    read: Callable[..., usage.Usage] = usage.read,
    carried: Mapping[str, Decimal] | None = None,
    rebates: Callable[..., tuple[Discount, ...]] = coupons.for_period,
) -> RatedPeriod:
    """Return the lines of a period from usage as of a fold, up to `until` where it is cut short; writes nothing.

    A period that is closed is rated under what was agreed when it was. With a `version`, it is rated as if the
    subscription had always been on that: every card for its share of the period, without credits and taxes.
    `read` answers as `usage.read` does, which it is where it is not given, and `rebates` as `coupons.for_period`;
    `carried` likewise is what the period inherits of allowances, where it is not what the one before it left over.
    Raises RatingError, PriceError, CurrencyMismatchError and what metering.usage raises.
    """
    subscription = period.subscription
    if version is None:
        contract = contracts.load(subscription=subscription, change_id=_closed_under(period))
    else:
        contract = contracts.supposed(subscription=subscription, version=version)
    question = Question(
        period=period,
        contract=contract,
        as_of=as_of,
        until=until,
        is_supposed=version is not None,
        read=read,
        carried=carried,
        rebates=rebates,
    )
    return assessment.assess(question).rated


def preview(*, period: BillingPeriod, now: datetime) -> RatedPeriod:
    """Return what the invoice would be if the period ended at `now`; at its end that is the invoice. Writes nothing.

    Seats and prorated fees count for the time elapsed; before the period begins there are no charges. What the next
    period costs in advance is on it at its end only.
    """
    as_of = usage.latest_fold()
    until = min(now, period.ends_at)
    if until <= period.starts_at:
        return RatedPeriod(period=None, currency=period.subscription.currency, fold=as_of, lines=())
    return rate(period=period, as_of=as_of, until=until)


@transaction.atomic
def open_in_advance(*, period_id: int, now: datetime) -> Invoice | None:
    """Invoice what a period that has begun costs in advance, where no period before it did; once, as `close`.

    None where that was done before, or nothing is due. Raises PeriodNotDueError and what `rate` raises.
    """
    _hold(period_id)
    opening = BillingPeriod.objects.filter(_OPENING_DUE, pk=period_id, starts_at__lte=now)
    if opening.update(opening=Opening.DONE) != 1:
        if BillingPeriod.objects.filter(_OPENING_DUE, pk=period_id).exists():
            raise PeriodNotDueError(f"Period {period_id} has not begun.")
        return None
    period, contract = _read(period_id)
    question = Question(period, contract, as_of=usage.latest_fold(), moment=Moment.OPENING)
    return _invoice(question, now)


@transaction.atomic
def close(*, period_id: int, now: datetime) -> Invoice | None:
    """Invoice a period whose end and grace are past, and open the next one: one transaction, all or nothing.

    The conditional UPDATE decides who closes it; None where it was closed or parked already, or another worker was
    first, or where nothing falls due in it. Raises PeriodNotDueError, UsageNotFoldedError (fold, then try again) and
    what `rate` raises.
    """
    _hold(period_id)
    if _due(now).filter(pk=period_id).update(status=PeriodStatus.CLOSED, closed_at=now) != 1:
        _refuse_early(period_id)
        return None
    period, contract = _read(period_id)
    if usage.has_unfolded(customer_id=period.subscription.customer_id):
        raise UsageNotFoldedError(f"Usage of {period.subscription.customer} is waiting to be folded.")
    invoice = _invoice(Question(period, contract, as_of=usage.latest_fold()), now)
    subscriptions.open_next_period(period=period, contract=contract)
    return invoice


def close_due(*, now: datetime) -> Closed:
    """Close every period that is due, each in its own transaction, oldest first, until none is left.

    What is due in advance comes first. A period that fails is parked with its reason and the others go on; one that is
    waiting for usage stays open.
    """
    usage.catch_up(now=now)
    opened = [_tried(open_in_advance, period_id, now) for period_id in _openings_due(now)]
    closed = [_tried(close, period_id, now) for period_id in _each_due(now)]
    results = [result for result in (*opened, *closed) if result is not None]
    return Closed(
        invoices=tuple(result for result in results if isinstance(result, Invoice)),
        parked=tuple(result for result in results if isinstance(result, Parked)),
        waiting=tuple(result for result in results if isinstance(result, int)),
    )


def retry(*, period_id: int) -> bool:
    """Open a parked period, so that it is closed again; returns whether it was parked."""
    parked = BillingPeriod.objects.filter(pk=period_id, status=PeriodStatus.PARKED)
    return parked.update(status=PeriodStatus.OPEN, parked_reason="") == 1


def _closed_under(period: BillingPeriod) -> int | None:
    """Return the change that a closed period was rated under; None for one that is open."""
    if period.status != PeriodStatus.CLOSED:
        return None
    return period.invoices.filter(moment=Moment.CLOSING).values_list("change_id", flat=True).first()


def _hold(period_id: int) -> None:
    """Keep others from changing the subscription; before its period is claimed, as those who change it do."""
    period = BillingPeriod.objects.only("subscription_id").get(pk=period_id)
    subscriptions.hold(subscription_id=period.subscription_id)


def _read(period_id: int) -> tuple[BillingPeriod, Contract]:
    """Return a claimed period and its contract, its customer's credit and coupons kept for it."""
    period = BillingPeriod.objects.select_related("subscription__customer").get(pk=period_id)
    credits.hold(customer=period.subscription.customer)
    coupons.hold(customer=period.subscription.customer)
    return period, contracts.load(subscription=period.subscription)


def _invoice(question: Question, now: datetime) -> Invoice | None:
    """Issue the invoice of a cycle, with what it takes from credits and coupons; none where nothing falls due."""
    assessed = assessment.assess(question)
    rated, period = assessed.rated, question.period
    coupons.consume(period=period, lines=rated.lines, now=now)
    if question.moment == Moment.CLOSING:
        carried = surroundings.carry(period=period, rated=rated)
        BillingPeriod.objects.filter(pk=period.pk).update(carried=carried)
    if not any(line.kind != LineKind.TAX for line in rated.lines):
        log.info("nothing_due", period_id=period.pk, moment=question.moment)
        return None
    invoice = invoicing.draft(question=question, assessed=assessed, now=now)
    credits.draw(invoice=invoice, draws=rated.draws, now=now)
    return invoicing.finalize(invoice=invoice, now=now)


def _due(now: datetime) -> QuerySet[BillingPeriod]:
    grace = timedelta(hours=settings.CLOSE_GRACE_HOURS)
    open_periods = BillingPeriod.objects.filter(status=PeriodStatus.OPEN, ends_at__lte=now - grace)
    return open_periods.exclude(opening=Opening.DUE)


def _openings_due(now: datetime) -> list[int]:
    due = BillingPeriod.objects.filter(_OPENING_DUE, starts_at__lte=now)
    return list(due.order_by("starts_at", "pk").values_list("pk", flat=True))


def _each_due(now: datetime) -> Iterator[int]:
    """Yield each due period once, those included that a close has just opened: a customer may be months behind."""
    seen: set[int] = set()
    while found := list(_due(now).exclude(pk__in=seen).order_by("ends_at", "pk").values_list("pk", flat=True)):
        seen.update(found)
        yield from found


def _tried(action: Action, period_id: int, now: datetime) -> Invoice | Parked | int | None:
    """Return what came of a period: its invoice, that it is parked, or its number where its usage is on its way."""
    try:
        return action(period_id=period_id, now=now)
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
