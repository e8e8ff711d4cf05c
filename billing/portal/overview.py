"""The first screen: what this period costs so far, what is owed, what was invoiced last."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from django.conf import settings
from django.db.models import Q

from agents.models import Customer
from billing import catalog, closing, ledger
from billing.models import BillingPeriod
from billing.models.invoices import InvoiceStatus
from billing.models.ledger import Account
from billing.models.subscriptions import PeriodStatus
from billing.money import zero
from billing.portal.explorer import freshness_text
from billing.portal.readings import read_courses
from billing.portal.statements import InvoiceRow, issued_invoices, row_of
from billing.portal.trend import Trend, draw_trend
from billing.portal.wording import count_text, money_text, quantity_text, span_text
from billing.rating.charges import Card, Charge
from metering import usage
from metering.usage import MeterInfo, Span

LATEST: Final = 5
_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class SpendLine:
    """One charge of the running period; `usage_query` leads to its usage, where it has a meter."""

    name: str
    quantity: str
    unit: str
    amount: str
    usage_query: str
    trend: Trend | None


@dataclass(frozen=True, slots=True)
class Spend:
    """A period that has begun, rated as if it ended now; `elapsed` is in per cent, `invoice_at` when it is invoiced.

    Where its invoice was made before its end, the lines are those of the invoice.
    """

    plan: str
    span: str
    currency: str
    total: str
    time_left: str
    elapsed: int
    invoice_at: datetime
    lines: tuple[SpendLine, ...]
    freshness: str
    is_over: bool
    is_held: bool
    is_invoiced: bool


@dataclass(frozen=True, slots=True)
class Upcoming:
    """A period that has not begun."""

    plan: str
    span: str
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Owed:
    """What is still to be paid, by the ledger, and on how many open invoices."""

    total: str
    count: int
    is_credit: bool


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything on the first screen; neither spend nor upcoming where the customer is on no plan."""

    spend: Spend | None
    upcoming: Upcoming | None
    owed: Owed
    invoices: tuple[InvoiceRow, ...]


def see_overview(*, customer: Customer, zone: ZoneInfo, now: datetime) -> Overview:
    """Return the first screen as of `now`; nothing is written."""
    period = find_period(customer=customer, now=now)
    has_begun = period is not None and period.starts_at < now
    return Overview(
        spend=_spend(period, zone, now) if period and has_begun else None,
        upcoming=_upcoming(period, zone) if period and not has_begun else None,
        owed=_owed(customer),
        invoices=tuple(
            row_of(invoice=invoice, zone=zone, now=now) for invoice in issued_invoices(customer=customer)[:LATEST]
        ),
    )


def find_period(*, customer: Customer, now: datetime) -> BillingPeriod | None:
    """Return the period to look at: the one that holds `now`, else the oldest that is not invoiced yet."""
    relevant = Q(starts_at__lte=now, ends_at__gt=now) | ~Q(status=PeriodStatus.CLOSED)
    periods = list(
        BillingPeriod.objects.filter(relevant, subscription__customer=customer)
        .select_related("subscription__customer", "subscription__version__plan", "invoice")
        .order_by("starts_at")
    )
    return next((period for period in periods if period.starts_at <= now < period.ends_at), next(iter(periods), None))


def _spend(period: BillingPeriod, zone: ZoneInfo, now: datetime) -> Spend:
    is_invoiced = period.status == PeriodStatus.CLOSED
    rated = (
        closing.rate(period=period, as_of=period.invoice.fold)
        if is_invoiced
        else closing.preview(period=period, now=now)
    )
    until = min(now, period.ends_at)
    cards = {card.key: card for card in catalog.cards_of(period.subscription.version)}
    meters = {meter.key: meter for meter in usage.meters()}
    return Spend(
        plan=_plan_name(period),
        span=span_text(period.starts_at, period.ends_at, zone),
        currency=rated.currency,
        total=money_text(rated.total),
        time_left=_time_left(period, now),
        elapsed=(until - period.starts_at) * 100 // (period.ends_at - period.starts_at),
        invoice_at=period.ends_at + timedelta(hours=settings.CLOSE_GRACE_HOURS),
        lines=tuple(_line(charge, cards[charge.card], meters, period, until, zone) for charge in rated.charges),
        freshness=freshness_text(rated.fold),
        is_over=now >= period.ends_at,
        is_held=period.status == PeriodStatus.PARKED,
        is_invoiced=is_invoiced,
    )


def _line(
    charge: Charge, card: Card, meters: dict[str, MeterInfo], period: BillingPeriod, until: datetime, zone: ZoneInfo
) -> SpendLine:
    meter = meters.get(charge.meter)
    return SpendLine(
        name=charge.description,
        quantity=quantity_text(charge.quantity),
        unit=charge.unit,
        amount=money_text(charge.amount),
        usage_query=_usage_query(charge, period, until, zone) if meter else "",
        trend=_trend(meter, card, period, until, zone) if meter else None,
    )


def _usage_query(charge: Charge, period: BillingPeriod, until: datetime, zone: ZoneInfo) -> str:
    first, last = period.starts_at.astimezone(zone).date(), (until - _INSTANT).astimezone(zone).date()
    return urlencode({"meter": charge.meter, "first": first.isoformat(), "last": last.isoformat()})


def _trend(meter: MeterInfo, card: Card, period: BillingPeriod, until: datetime, zone: ZoneInfo) -> Trend | None:
    reading = read_courses(
        customer_id=period.subscription.customer_id,
        meter=meter,
        starts_at=period.starts_at,
        ends_at=until,
        window=Span.DAY,
        zone=zone,
        filters=card.filters or None,
    )
    return draw_trend(quantities=reading.courses[0].quantities, name=card.name)


def _upcoming(period: BillingPeriod, zone: ZoneInfo) -> Upcoming:
    return Upcoming(
        plan=_plan_name(period),
        span=span_text(period.starts_at, period.ends_at, zone),
        starts_at=period.starts_at,
    )


def _owed(customer: Customer) -> Owed:
    balance = ledger.balance(account=Account.RECEIVABLE, currency=customer.currency, customer=customer)
    count = issued_invoices(customer=customer).filter(status=InvoiceStatus.OPEN).count()
    return Owed(total=money_text(balance), count=count, is_credit=balance < zero(customer.currency))


def _plan_name(period: BillingPeriod) -> str:
    return period.subscription.version.plan.name


def _time_left(period: BillingPeriod, now: datetime) -> str:
    left = period.ends_at - now
    if left < timedelta():
        return "Ended"
    return count_text(left // _DAY, "day") if left >= _DAY else count_text(left // _HOUR, "hour")
