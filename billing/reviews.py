"""Reviews: drafts that wait for a person; issued when their time is over or somebody says so, or discarded."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import OperationalError, transaction

from billing import issuing, parking, subscriptions
from billing.errors import DraftChangedError, InterventionError
from billing.models import BillingPeriod, Invoice
from billing.models.closes import InterventionKind
from billing.models.invoices import InvoiceStatus, Moment
from billing.models.subscriptions import Opening, PeriodStatus
from billing.parking import Parked
from billing.stripe import taxes as stripe_taxes
from billing.stripe.errors import TryLaterError

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Reviewed:
    """What became of the drafts whose time was over: issued, or discarded and their periods parked."""

    invoices: tuple[Invoice, ...]
    parked: tuple[Parked, ...]


def issue_due(*, now: datetime) -> Reviewed:
    """Issue every draft whose review is over, the oldest first; those of a customer who merges them in one transaction.

    A draft that is not what its period comes to any more is discarded, and the period parked.
    """
    results = [result for group in _due(now) for result in _tried(group, now)]
    return Reviewed(
        invoices=tuple(one for one in results if isinstance(one, Invoice)),
        parked=tuple(one for one in results if isinstance(one, Parked)),
    )


@transaction.atomic
def issue_early(*, invoice_id: int, by: str, reason: str, now: datetime) -> Invoice:
    """Issue a draft before its review is over. Raises InterventionError where it is none, and what `issue` raises."""
    draft = Invoice.objects.get(pk=invoice_id)
    found = issuing.issue(drafts=[invoice_id], now=now)
    if not found:
        raise InterventionError(f"{draft} is {draft.status}, no draft that waits.")
    issued = found[0]
    detail = f"{issued.number}: {issued.total} {issued.currency}"
    parking.note(period_id=draft.period_id, kind=InterventionKind.ISSUE, by=by, reason=reason, detail=detail, now=now)
    return issued


@transaction.atomic
def discard(*, invoice_id: int, by: str, reason: str, now: datetime) -> BillingPeriod:
    """Throw a draft away and open its period again, so that the next close drafts it anew; it stays on record.

    Nothing was used up or booked by it. Raises InterventionError where it is no draft, or who or why is missing.
    """
    draft = Invoice.objects.select_related("period").get(pk=invoice_id)
    subscriptions.hold(subscription_id=draft.period.subscription_id)
    gone = Invoice.objects.filter(pk=invoice_id, status=InvoiceStatus.DRAFT, merged_into__isnull=True)
    detail = f"draft {draft.pk}: {draft.total} {draft.currency}, as of fold {draft.fold}"
    if not gone.delete()[0]:
        raise InterventionError(f"{draft} is {draft.status}, no draft that waits.")
    parking.note(period_id=draft.period_id, kind=InterventionKind.DISCARD, by=by, reason=reason, detail=detail, now=now)
    _reopen(draft)
    draft.period.refresh_from_db()
    return draft.period


def _reopen(draft: Invoice) -> None:
    period = BillingPeriod.objects.filter(pk=draft.period_id)
    if draft.moment == Moment.OPENING:
        period.filter(status=PeriodStatus.OPEN).update(opening=Opening.DUE)
    elif draft.moment == Moment.CLOSING:
        period.filter(status=PeriodStatus.CLOSED).update(status=PeriodStatus.OPEN, closed_at=None)
    else:
        earlier = draft.period.invoices.order_by("-fold").values_list("fold", flat=True).first()
        period.update(fold=earlier or 0)  # what is late since then is looked for again


def _due(now: datetime) -> Iterator[list[int]]:
    """Yield the drafts to be issued together."""
    due = Invoice.objects.filter(status=InvoiceStatus.DRAFT, review_until__lte=now, merged_into__isnull=True)
    together: dict[int, list[int]] = defaultdict(list)
    rows = due.order_by("review_until", "pk").values_list("pk", "customer_id", "customer__billing__merges")
    for pk, customer_id, merges in rows:
        together[customer_id if merges else -pk].append(pk)
    yield from together.values()


def _tried(drafts: list[int], now: datetime) -> list[Invoice | Parked]:
    try:
        for draft in Invoice.objects.filter(pk__in=drafts).select_related("customer"):
            stripe_taxes.assess(invoice=draft)
        return list(issuing.issue(drafts=drafts, now=now))
    except TryLaterError as error:
        log.warning("tax_not_assessed", drafts=drafts, reason=str(error))
        return []  # Stripe Tax is asked again by the next run
    except OperationalError:
        raise  # the database is in trouble, not these drafts
    except DraftChangedError as error:
        log.warning("draft_changed", invoice_id=error.invoice_id, reason=str(error))
        parked = _discard_and_park(error, now)
        return [] if parked is None else [parked]
    except Exception:
        # Of whatever kind the fault is, one customer's must not stop the others' invoices. They stay drafts, to be
        # looked at; without a time they are not tried again by themselves.
        log.exception("issue_failed", drafts=drafts)
        Invoice.objects.filter(pk__in=drafts, status=InvoiceStatus.DRAFT).update(review_until=None)
        return []


@transaction.atomic
def _discard_and_park(error: DraftChangedError, now: datetime) -> Parked | None:
    reason = f"{type(error).__name__}: {error}"
    period = discard(invoice_id=error.invoice_id, by=subscriptions.SYSTEM, reason=reason, now=now)
    return parking.park(period_id=period.pk, reason=reason)
