"""Sanity: what an invoice may come to without a person looking at it (stripe.md F19); the bounds are settings."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from statistics import median
from typing import Final

from django.conf import settings

from billing import periods
from billing.assessment import Assessment
from billing.credit_notes import limit_of
from billing.errors import OutOfBoundsError
from billing.models import BillingPeriod, Invoice
from billing.models.invoices import InvoiceStatus, Moment
from billing.money import total
from billing.rating.lines import Line, LineKind

FEWEST: Final = 3  # invoices that say what is usual


def require_usual(*, period: BillingPeriod, assessed: Assessment, now: datetime) -> None:
    """Refuse what is too odd to be invoiced: raises OutOfBoundsError with all that is.

    Too many lines, a charge below nothing, time too far ahead, more given back for corrected usage than the limit, and
    a total, or what is given back in all, many times the median of the customer's last invoices.
    """
    lines = assessed.rated.lines
    odd = [*_too_many(lines), *_below_nothing(assessed), *_given_back(lines, assessed.rated.currency)]
    odd += [*_too_far(period, lines, now), *_too_much(period, assessed)]
    if odd:
        raise OutOfBoundsError("; ".join(odd))


def _too_many(lines: tuple[Line, ...]) -> Iterator[str]:
    if len(lines) > settings.CLOSE_MOST_LINES:
        yield f"{len(lines)} lines are more than {settings.CLOSE_MOST_LINES}"


def _below_nothing(assessed: Assessment) -> Iterator[str]:
    """Yield charges below nothing that give nothing back: no price has that."""
    for line, reference in zip(assessed.rated.lines, assessed.references, strict=True):
        if line.kind == LineKind.CHARGE and line.amount.amount < 0 and reference.adjusts_id is None:
            yield f"{line.description} comes to {line.amount}"


def _given_back(lines: tuple[Line, ...], currency: str) -> Iterator[str]:
    """Yield what corrected usage gives back beyond the limit, where no credit note could."""
    back, limit = (
        -total([line.amount for line in lines if line.kind == LineKind.LATE], currency),
        limit_of(currency=currency),
    )
    if back > limit:
        yield f"{back} is given back for corrected usage, more than {limit}"


def _too_far(period: BillingPeriod, lines: tuple[Line, ...], now: datetime) -> Iterator[str]:
    furthest = max([period.ends_at, *(line.ends_at for line in lines)])
    zone, months = period.subscription.time_zone, settings.CLOSE_MONTHS_AHEAD
    if furthest > periods.after(start=now, zone=zone, months=months, days=0):
        yield f"{furthest.isoformat()} is more than {months} months ahead"


def _too_much(period: BillingPeriod, assessed: Assessment) -> Iterator[str]:
    times, sum_of_all = settings.CLOSE_MOST_TIMES, assessed.rated.total
    usual = _usual(period) if times and sum_of_all else None
    if usual and abs(sum_of_all.amount) > times * usual:
        yield f"{sum_of_all} is more than {times} times {usual}, the median of the last invoices"


def _usual(period: BillingPeriod) -> Decimal | None:
    """Return the median of what the customer's last periods came to; None where there are too few."""
    issued = Invoice.objects.filter(
        customer=period.subscription.customer, currency=period.subscription.currency, moment=Moment.CLOSING
    ).exclude(status__in=(InvoiceStatus.DRAFT, InvoiceStatus.VOID))
    totals = issued.order_by("-issued_at", "-pk").values_list("total", flat=True)[: settings.CLOSE_HISTORY]
    return median(totals) if len(totals) >= FEWEST else None
