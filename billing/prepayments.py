"""Prepayments: the lines that were charged in advance, and what was given back of them since."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Final

from django.db.models import QuerySet, Sum

from billing import merging
from billing.dues import Prepaid
from billing.models import BillingPeriod, CreditNoteLine, Invoice, InvoiceLine
from billing.models.catalog import Billed
from billing.models.credit_notes import CreditNoteStatus
from billing.models.invoices import LIVE, InvoiceStatus, LineKind, Moment
from billing.money import Money
from billing.periods import Period

# What was taken off a charge is not given back with it.
_TAKEN_OFF: Final = (LineKind.DISCOUNT, LineKind.MAXIMUM, LineKind.CREDIT)


def before(*, period: BillingPeriod, moment: Moment) -> list[Prepaid]:
    """Return what was charged in advance for time in or after a period, on the invoices before that of the moment."""
    charged = _earlier(period, moment).filter(
        kind=LineKind.CHARGE,
        adjusts=None,
        rate_card__billed=Billed.ADVANCE,
        ends_at__gt=period.starts_at,
    )
    lines = list(charged.select_related("invoice", "rate_card").order_by("pk"))
    if not lines:
        return []
    charged_nets, returned = nets(lines), _returned(lines, _earlier(period, moment))
    credited = _credited(lines, period, moment)
    return [
        _prepaid(line, charged_nets[line.pk] - credited[line.pk], returned.get(line.pk, Decimal(0))) for line in lines
    ]


def _earlier(period: BillingPeriod, moment: Moment) -> QuerySet[InvoiceLine]:
    """The lines on the subscription's invoices before the one of a period and moment, in the order they were made."""
    ours = period.subscription_id
    earlier = merging.rated_as(period__subscription_id=ours, period__starts_at__lt=period.starts_at)
    if moment == Moment.CLOSING:
        earlier |= merging.rated_as(period=period, moment=Moment.OPENING)
    issued = InvoiceLine.objects.filter(earlier)
    return issued.exclude(invoice__status__in=(InvoiceStatus.DRAFT, InvoiceStatus.VOID))


def nets(lines: Iterable[InvoiceLine]) -> Mapping[int, Decimal]:
    """Return each charge less what was taken off it on its own invoice, by line."""
    off = InvoiceLine.objects.filter(invoice__in={line.invoice_id for line in lines}, kind__in=_TAKEN_OFF)
    sums: dict[tuple[int, str, object], Decimal] = defaultdict(Decimal)
    for line in off.exclude(terms=""):
        sums[line.invoice_id, line.terms, line.starts_at] += line.amount
    return {line.pk: line.amount + sums[line.invoice_id, line.terms, line.starts_at] for line in lines}


def _credited(lines: Iterable[InvoiceLine], period: BillingPeriod, moment: Moment) -> Mapping[int, Decimal]:
    """Return what credit notes took off each charge and what was taken off it: that is not given back once more.

    Where the invoice of the moment exists, those that were issued before it was made, so that it can be rated again.
    """
    owners = {line.invoice_id for line in lines}
    notes = CreditNoteLine.objects.filter(note__status=CreditNoteStatus.ISSUED, note__invoice__in=owners)
    made = Invoice.objects.filter(LIVE, period=period, moment=moment).values_list("created_at", flat=True).first()
    if made is not None:
        notes = notes.filter(note__issued_at__lt=made)
    sums: dict[tuple[int, str, object], Decimal] = defaultdict(Decimal)
    for row in notes.exclude(line__terms="").select_related("line"):
        sums[row.line.invoice_id, row.line.terms, row.line.starts_at] += row.amount
    return {line.pk: sums[line.invoice_id, line.terms, line.starts_at] for line in lines}


def _returned(lines: Iterable[InvoiceLine], earlier: QuerySet[InvoiceLine]) -> Mapping[int, Decimal]:
    """Return what was given back of each line so far."""
    back = earlier.filter(adjusts__in=list(lines)).values("adjusts").annotate(sum=Sum("amount"))
    return {row["adjusts"]: -row["sum"] for row in back if row["adjusts"] is not None}


def _prepaid(line: InvoiceLine, net: Decimal, returned: Decimal) -> Prepaid:
    assert line.rate_card is not None  # noqa: S101 - what is charged in advance has a rate card
    currency = line.invoice.currency
    return Prepaid(
        line_id=line.pk,
        version_id=line.rate_card.version_id,
        rate_card_id=line.rate_card.pk,
        card=line.rate_card.key,
        description=line.description,
        unit=line.unit,
        terms=line.terms,
        period=Period(line.starts_at, line.ends_at),
        net=Money(net, currency),
        returned=Money(returned, currency),
    )
