"""Deferring: what an invoice bills for time to come, and what of it is given back before it was earned."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Sum

from billing import prepayments
from billing.models import Deferral, DeferralMove, Invoice, InvoiceLine
from billing.models.catalog import Billed
from billing.models.deferrals import MoveKind
from billing.models.invoices import LineKind
from billing.money import Money, zero

_NOTHING: Final = Decimal(0)


def defer(*, invoice: Invoice, now: datetime) -> Money:
    """Write a deferral for each line of an invoice being issued that bills for time after `now`; return their sum.

    A line is deferred less what was taken off it on the same invoice. Runs in the transaction that issues.
    """
    lines = list(_billed_ahead(invoice, now))
    nets = prepayments.nets(lines) if lines else {}
    zone = invoice.period.subscription.time_zone
    rows = [_deferral(invoice, line, nets[line.pk], zone, now) for line in lines if nets[line.pk] > 0]
    Deferral.objects.bulk_create(rows)
    return Money(sum((row.amount for row in rows), _NOTHING), invoice.currency)


def give_back(*, invoice: Invoice, booking: str, now: datetime) -> Money:
    """Take what an invoice being issued gives back of earlier lines off what is still deferred of them; return that.

    What was earned by then is given back from revenue: it is the rest. Lines go in the order of the invoice.
    """
    lines = invoice.lines.filter(adjusts__isnull=False, amount__lt=0).order_by("position")
    returned: dict[int, Decimal] = defaultdict(Decimal)
    for adjusts_id, amount in lines.values_list("adjusts_id", "amount"):
        returned[adjusts_id] -= amount
    if not returned:
        return zero(invoice.currency)
    held = _locked(Deferral.objects.filter(line__in=returned).values_list("pk", flat=True))
    return _reverse({row: returned[row.line_id] for row in held}, invoice.currency, booking, now)


def lower(*, invoice: Invoice, amounts: Mapping[InvoiceLine, Decimal], booking: str, now: datetime) -> Money:
    """Take what a credit note lowers an invoice's lines by off what is still deferred of them; return that.

    What was taken off a line counts with it. What is not deferred, or was earned, is lowered in revenue: the rest.
    """
    held = _locked(Deferral.objects.filter(line__invoice=invoice).values_list("pk", flat=True))
    owners = {_group(row.line): row for row in held}
    lowered: dict[Deferral, Decimal] = defaultdict(Decimal)
    for line, amount in amounts.items():
        if line.kind != LineKind.TAX and (owner := owners.get(_group(line))):
            lowered[owner] += amount
    return _reverse({row: amount for row, amount in lowered.items() if amount > 0}, invoice.currency, booking, now)


def empty(*, invoice: Invoice, booking: str, now: datetime) -> Money:
    """Take all that is still deferred of a void invoice's lines off them, and return it."""
    held = _locked(Deferral.objects.filter(line__invoice=invoice).values_list("pk", flat=True))
    return _reverse({row: row.amount for row in held}, invoice.currency, booking, now)


def restore(*, reversed_by: str, currency: str, booking: str, now: datetime) -> Money:
    """Undo what a booking took off deferrals, and return how much is deferred again."""
    moves = list(DeferralMove.objects.filter(booking=reversed_by, kind=MoveKind.REVERSED).order_by("deferral_id"))
    held = {row.pk: row for row in _locked([move.deferral_id for move in moves])}
    for move in moves:
        _write(held[move.deferral_id], -move.amount, booking, now)
        if held[move.deferral_id].next_on is None:
            Deferral.objects.filter(pk=move.deferral_id).update(next_on=_resumes_on(held[move.deferral_id]))
    return Money(sum((move.amount for move in moves), _NOTHING), currency)


def remaining_of(rows: Sequence[Deferral]) -> dict[int, Decimal]:
    """Return what is left of each deferral, by id: its amount less its moves."""
    moved = dict(DeferralMove.objects.filter(deferral__in=rows).values_list("deferral").annotate(sum=Sum("amount")))
    return {row.pk: row.amount - moved.get(row.pk, _NOTHING) for row in rows}


def first_day(at: datetime, zone: str) -> date:
    """Return the day of an instant in a zone."""
    return at.astimezone(ZoneInfo(zone)).date()


def _billed_ahead(invoice: Invoice, now: datetime) -> Iterable[InvoiceLine]:
    ahead = invoice.lines.filter(kind=LineKind.CHARGE, rate_card__billed=Billed.ADVANCE, ends_at__gt=now)
    return ahead.filter(amount__gt=0).select_related("invoice", "rate_card").order_by("position")


def _deferral(invoice: Invoice, line: InvoiceLine, amount: Decimal, zone: str, now: datetime) -> Deferral:
    return Deferral(
        line=line,
        currency=invoice.currency,
        amount=amount,
        time_zone=zone,
        starts_at=line.starts_at,
        ends_at=line.ends_at,
        booked_at=now,
        next_on=first_day(line.starts_at, zone),
    )


def _group(line: InvoiceLine) -> tuple[str, datetime] | int:
    """Return what a line shares with what was taken off it; see `prepayments.nets`."""
    return (line.terms, line.starts_at) if line.terms else line.pk


def _locked(ids: Iterable[int]) -> list[Deferral]:
    rows = Deferral.objects.select_for_update(of=("self",), no_key=True).filter(pk__in=list(ids))
    return list(rows.select_related("line").order_by("pk"))


def _reverse(wanted: Mapping[Deferral, Decimal], currency: str, booking: str, now: datetime) -> Money:
    """Take as much of each as is left, and return the sum."""
    left, taken = remaining_of(list(wanted)), zero(currency)
    for row, amount in wanted.items():
        part = min(amount, left[row.pk])
        if part > 0:
            _write(row, part, booking, now)
            taken += Money(part, currency)
        if left[row.pk] <= amount:
            Deferral.objects.filter(pk=row.pk).update(next_on=None)
    return taken


def _write(row: Deferral, amount: Decimal, booking: str, now: datetime) -> None:
    kind = MoveKind.REVERSED
    DeferralMove.objects.create(deferral=row, kind=kind, amount=amount, booking=booking, moved_at=now)


def _resumes_on(row: Deferral) -> date:
    """Return the day after the last one that was earned, or the first."""
    earned = row.moves.filter(kind=MoveKind.RECOGNISED).order_by("-day").values_list("day", flat=True).first()
    return first_day(row.starts_at, row.time_zone) if earned is None else earned + timedelta(days=1)
