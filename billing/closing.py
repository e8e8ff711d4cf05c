"""Closing: a billing period that has ended becomes an invoice, exactly once, whoever asks and however often."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final, Protocol

import structlog
from django.db import OperationalError, transaction

from billing import (
    contracts,
    coupons,
    credits,
    due,
    issuing,
    late_usage,
    parking,
    reviews,
    subscriptions,
)
from billing.assessment import Question
from billing.contracts import Contract
from billing.errors import AwaitedError
from billing.models import BillingPeriod, Invoice, PlanVersion
from billing.models.invoices import LIVE, Moment
from billing.models.subscriptions import Opening, PeriodStatus
from billing.parking import Parked
from billing.rating.lines import RatedPeriod
from billing.rating.terms import Discount
from metering import usage

log = structlog.get_logger(__name__)


class Action(Protocol):
    """Makes an invoice of a period, at its beginning, at its end, or when usage of it came late."""

    def __call__(self, *, period_id: int, now: datetime) -> Invoice | None:
        """Do it, once."""
        ...


@dataclass(frozen=True, slots=True)
class Closed:
    """What became of the periods that were due: invoices, parked ones, and those that wait for something.

    An invoice that waits for its customer's review is a draft.
    """

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

    What came late of the periods before is among them. A period that is closed is rated under what was agreed when it
    was. With a `version`, it is rated as if the subscription had always been on that: every card for its share of the
    period, without credits and taxes. `read` answers as `usage.read` does, which it is where it is not given, and
    `rebates` as `coupons.for_period`; `carried` likewise is what the period inherits of allowances, where it is not
    what the one before it left over.
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
    return issuing.bill(question=question).assessed.rated


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

    None where that was done before, or nothing is due. Raises PeriodNotDueError, EarlierInvoiceError and what `rate`
    raises.
    """
    _hold(period_id)
    if due.openings(now=now).filter(pk=period_id).update(opening=Opening.DONE) != 1:
        due.require_begun(period_id=period_id)
        return None
    period, contract = _read(period_id)
    due.require_turn(period=period)
    question = Question(period, contract, as_of=usage.latest_fold(), moment=Moment.OPENING)
    return issuing.draft_or_issue(question=question, now=now)


@transaction.atomic
def close(*, period_id: int, now: datetime) -> Invoice | None:
    """Invoice a period whose end and grace are past, and open the next one: one transaction, all or nothing.

    The conditional UPDATE decides who closes it; None where it was closed or parked already, or another worker was
    first, or where nothing falls due in it. Usage of earlier periods that came late is on it. Raises PeriodNotDueError;
    UsageNotFoldedError, DevicesAwaitedError and EarlierInvoiceError (try again later); OutOfBoundsError, and what
    `rate` raises.
    """
    _hold(period_id)
    claimed = due.closings(now=now).filter(pk=period_id)
    if claimed.update(status=PeriodStatus.CLOSED, closed_at=now) != 1:
        due.require_due(period_id=period_id, now=now)
        return None
    period, contract = _read(period_id)
    due.require_turn(period=period)
    incomplete = due.awaited_devices(period=period, now=now)
    due.require_folded(period=period)
    question = Question(period, contract, as_of=usage.latest_fold())
    invoice = issuing.draft_or_issue(question=question, now=now, incomplete=incomplete)
    BillingPeriod.objects.filter(pk=period_id).update(fold=question.as_of)
    subscriptions.open_next_period(period=period, contract=contract)
    return invoice


@transaction.atomic
def bill_late(*, period_id: int, now: datetime) -> Invoice | None:
    """Invoice what came late of a subscription that has ended, of which `period_id` is the last period; once a fold.

    None where nothing changed, or it has no end or is not closed. Raises UsageNotFoldedError, EarlierInvoiceError and
    what `rate` raises.
    """
    _hold(period_id)
    period, contract = _read(period_id)
    as_of, known = usage.latest_fold(), period.fold
    is_last = due.last(period_id=period_id).exists()
    if known is None or known >= as_of or not is_last:
        return None
    due.require_turn(period=period)
    due.require_folded(period=period)
    question = Question(period, contract, as_of=as_of, moment=Moment.LATE)
    found = late_usage.differences(question=question)
    invoice = issuing.draft_or_issue(question=question, now=now) if found else None
    BillingPeriod.objects.filter(pk=period_id, fold=known).update(fold=as_of)
    return invoice


def close_due(*, now: datetime) -> Closed:
    """Close every period that is due, each in its own transaction, oldest first, until none is left.

    Drafts whose review is over are issued first, then what is due in advance; what came late of subscriptions that have
    ended is last. A period that fails is parked with its reason and the others go on; one that is waiting stays open.
    """
    usage.catch_up(now=now)
    reviewed = reviews.issue_due(now=now)
    results = [result for period_id in _each_due(now) for result in attend(period_id=period_id, now=now)]
    results += [result for period_id in late_periods() for result in attend(period_id=period_id, now=now)]
    merged = reviews.issue_due(now=now)
    made = (result for result in results if isinstance(result, Invoice))
    return Closed(
        invoices=(*reviewed.invoices, *made, *merged.invoices),
        parked=(*reviewed.parked, *(result for result in results if isinstance(result, Parked)), *merged.parked),
        waiting=tuple(result for result in results if isinstance(result, int)),
    )


def attend(*, period_id: int, now: datetime) -> list[Invoice | Parked | int]:
    """Do what is due of a period: open it, close it, or bill what came late of it; return what came of each."""
    results: list[Invoice | Parked | int] = []
    for action in due.actions(period_id=period_id, now=now):
        result = tried(_ACTIONS[action], period_id=period_id, now=now)
        results += [] if result is None else [result]
        if isinstance(result, Parked | int):
            break  # what comes after an invoice comes after it
    return results


def tried(action: Action, *, period_id: int, now: datetime) -> Invoice | Parked | int | None:
    """Return what came of a period: its invoice, that it is parked, or its number where it waits for something."""
    try:
        return action(period_id=period_id, now=now)
    except AwaitedError as error:
        log.info("close_waits", period_id=period_id, reason=str(error))
        BillingPeriod.objects.filter(pk=period_id).update(looked_at=now)
        return period_id
    except OperationalError:
        raise  # the database is in trouble, not this period: leave all open and let the task run again
    except Exception as error:
        # Of whatever kind the fault is, one customer's must not stop the others' invoices.
        log.exception("close_failed", period_id=period_id)
        return parking.park(period_id=period_id, reason=f"{type(error).__name__}: {error}")


def late_periods() -> list[int]:
    """Return the last periods of subscriptions that have ended, of which usage came after they were invoiced."""
    last = due.last().select_related("subscription")
    return late_usage.belated(periods=last, as_of=usage.latest_fold())


def _closed_under(period: BillingPeriod) -> int | None:
    """Return the change that a closed period was rated under; None for one that is open."""
    if period.status != PeriodStatus.CLOSED:
        return None
    return period.invoices.filter(LIVE, moment=Moment.CLOSING).values_list("change_id", flat=True).first()


def _hold(period_id: int) -> None:
    """Keep others from changing the subscription; before its period is claimed, as those who change it do."""
    period = BillingPeriod.objects.only("subscription_id").get(pk=period_id)
    subscriptions.hold(subscription_id=period.subscription_id)


def _read(period_id: int) -> tuple[BillingPeriod, Contract]:
    """Return a claimed period and its contract, its customer's credit and coupons kept for it."""
    period = BillingPeriod.objects.select_related("subscription__customer__billing").get(pk=period_id)
    credits.hold(customer=period.subscription.customer)
    coupons.hold(customer=period.subscription.customer)
    return period, contracts.load(subscription=period.subscription)


def _each_due(now: datetime) -> Iterator[int]:
    """Yield each due period once, those included that a close has just opened: a customer may be months behind."""
    seen: set[int] = set()
    while found := [period_id for period_id in due.found(now=now) if period_id not in seen]:
        seen.update(found)
        yield from found


_ACTIONS: Final[Mapping[due.Action, Action]] = MappingProxyType(
    {due.Action.OPEN: open_in_advance, due.Action.CLOSE: close, due.Action.BILL_LATE: bill_late}
)
