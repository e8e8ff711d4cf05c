"""Late usage: what newer folds made of periods that are invoiced already, each difference settled once.

An invoice records the fold it was cut at, so late usage is what has a higher one: late events, events taken back, and
what was filled in afterwards. The period is rated again as it was agreed then; what differs from what was billed of a
line, on its own invoice and since, is a line of the next invoice (stripe.md F3, F12).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import Final
from zoneinfo import ZoneInfo

from django.db.models import Max, Q, Sum

from billing import contracts, credit_notes, mirroring, naming, sides, subscriptions
from billing.assessment import Belated, Question
from billing.credit_notes import Cause
from billing.models import BillingPeriod, Invoice, LateDifference
from billing.models.credit_notes import Reason
from billing.models.invoices import LIVE, Moment
from billing.models.subscriptions import PeriodStatus
from billing.money import Money
from billing.rating.adjustments import Late
from billing.sides import Side
from metering import usage
from metering.usage import Since

_PREFIX: Final = "late:"
_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Difference:
    """What a line of a closed period comes to more, or less, than was billed; `line_id` is None for a new one.

    `billed_on` is the invoice of the period; None where nothing was due in it.
    """

    period: BillingPeriod
    billed_on: Invoice | None
    key: str
    belated: Belated
    line_id: int | None

    @property
    def amount(self) -> Decimal:
        """What is to be charged; below nothing, given back."""
        return self.belated.adjustment.amount.amount


def differences(*, question: Question) -> tuple[Difference, ...]:
    """Return what late usage made of the periods that the invoice of `question` comes after, the earliest first.

    Asked again for an invoice that is issued, it answers as when that was made. Raises what `assessment.assess` does.
    """
    if question.is_supposed or question.moment == Moment.OPENING:
        return ()
    before = question.period.starts_at if question.moment == Moment.CLOSING else question.period.ends_at
    customer_id = question.period.subscription.customer_id
    fold = _settled_fold(question)
    if fold is None:
        return ()
    since = Since(customer_id, fold, before)
    touched = usage.touched(since=[since], as_of=question.as_of)
    if not touched:
        return ()
    closed = BillingPeriod.objects.filter(
        subscription_id=question.period.subscription_id, ends_at__lte=before, status=PeriodStatus.CLOSED
    ).select_related("subscription__customer")
    meant = [
        one
        for one in closed.order_by("starts_at")
        if any(each.meets(starts_at=one.starts_at, ends_at=one.ends_at) for each in touched)
    ]
    return tuple(found for period in meant for found in _of_period(period, question))


def settle(
    *,
    billed: Sequence[Difference],
    noted: Sequence[Difference],
    question: Question,
    invoice: Invoice | None,
    now: datetime,
) -> None:
    """Keep that differences are settled: by lines of `invoice`, or by credit notes that are drafted for approval here.

    A constraint refuses to settle one twice.
    """
    rows = [_row(one, question, now, invoice=invoice) for one in billed]
    for group in by_period(noted):
        lowered = group[0].billed_on
        if lowered is not None:
            rows += [_row(one, question, now, note_of=lowered) for one in group]
            _draft_note(group, lowered, question, now)
    LateDifference.objects.bulk_create(rows)


def release(*, invoice: Invoice, now: datetime) -> int:
    """Let what was settled on an invoice that is void be settled anew; returns how many differences that were."""
    return LateDifference.objects.filter(invoice=invoice, released_at=None).update(released_at=now)


def belated(*, periods: Iterable[BillingPeriod], as_of: int) -> list[int]:
    """Return those of some periods, with their subscriptions, of which usage up to `as_of` came after their fold."""
    known = list(periods)
    since = [Since(one.subscription.customer_id, one.fold or 0, one.ends_at) for one in known]
    customers = {one.customer_id for one in usage.touched(since=since, as_of=as_of)}
    return [one.pk for one in known if one.subscription.customer_id in customers]


def by_period(found: Iterable[Difference]) -> Iterator[list[Difference]]:
    """Yield the differences of each period."""
    for _, group in groupby(found, key=lambda one: one.period.pk):
        yield list(group)


def original(*, period: BillingPeriod) -> Invoice | None:
    """Return the invoice that a closed period has; None where nothing was due in it."""
    return period.invoices.filter(LIVE, moment=Moment.CLOSING).order_by("-pk").first()


def recorded(*, question: Question) -> set[tuple[int, str]] | None:
    """Return which differences credit notes settled when the invoice of `question` was made, by period and key.

    None where nothing was settled with it.
    """
    rows = LateDifference.objects.filter(settled_with=question.period, fold=question.as_of, released_at=None)
    if not rows.exists():
        return None
    return set(rows.filter(note_of__isnull=False).values_list("period_id", "key"))


def _draft_note(group: Sequence[Difference], lowered: Invoice, question: Question, now: datetime) -> None:
    """Draft the note that gives back what a period was billed too much; somebody else than us issues it."""
    currency = lowered.currency
    amounts = {one.line_id: Money(-one.amount, currency) for one in group if one.line_id is not None and one.amount}
    cause = Cause(
        key=f"late:{group[0].period.pk}:{question.as_of}",
        reason=Reason.ORDER_CHANGE,
        explanation=group[0].belated.adjustment.label,
        actor=subscriptions.SYSTEM,
    )
    mirrored = mirroring.of_lines(invoice=lowered, amounts=amounts)
    credit_notes.draft(invoice=lowered, lines=mirrored, cause=cause, now=now)


def _row(
    one: Difference,
    question: Question,
    now: datetime,
    *,
    invoice: Invoice | None = None,
    note_of: Invoice | None = None,
) -> LateDifference:
    return LateDifference(
        period=one.period,
        key=one.key,
        fold=question.as_of,
        quantity=one.belated.adjustment.quantity,
        amount=one.amount,
        line_id=one.line_id,
        invoice=invoice,
        note_of=note_of,
        settled_with=question.period,
        settled_at=now,
    )


def _settled_fold(question: Question) -> int | None:
    """Return the fold up to which late usage was looked for before; one that is too low only makes for more work.

    None where no period comes before.
    """
    period = question.period
    if question.moment == Moment.CLOSING:
        earlier = BillingPeriod.objects.filter(
            subscription_id=period.subscription_id, ends_at=period.starts_at, status=PeriodStatus.CLOSED
        )
        folds = list(earlier.values_list("fold", flat=True))
        return (folds[0] or 0) if folds else None
    if period.fold is not None and period.fold < question.as_of:
        return period.fold
    return period.invoices.filter(fold__lt=question.as_of).aggregate(last=Max("fold"))["last"] or 0


def _of_period(period: BillingPeriod, question: Question) -> Iterator[Difference]:
    invoice = original(period=period)
    change_id = None if invoice is None else invoice.change_id
    contract = contracts.load(subscription=period.subscription, change_id=change_id)
    version_id = contract.version_at(period.ends_at - _INSTANT).pk
    now = sides.as_it_is(question=Question(period, contract, question.as_of, read=question.read))
    billed = sides.as_billed(invoice=invoice)
    settled = _settled(period, question)
    for key, side in {**billed, **now}.items():
        late = _late(period, key, (now.get(key), billed.get(key)), settled.get(key, (Decimal(0), Decimal(0))), side)
        if late.quantity or late.amount:
            line_id = billed[key].reference.adjusts_id if key in billed else None
            reference = replace(side.reference, terms="", adjusts_id=line_id)
            yield Difference(period, invoice, key, Belated(late, reference, version_id), line_id)


def _late(
    period: BillingPeriod,
    key: str,
    sides: tuple[Side | None, Side | None],
    settled: tuple[Decimal, Decimal],
    side: Side,
) -> Late:
    now, billed = ((one.quantity, one.amount) if one else (Decimal(0), Decimal(0)) for one in sides)
    currency = period.subscription.currency
    source = f"{_PREFIX}{period.pk}:{key}"
    return Late(
        card=naming.marked(key=side.card, mark=source),
        label=_label(period, is_more=now[1] - billed[1] >= settled[1]),
        description=side.description,
        meter=side.meter,
        unit=side.unit,
        now=(now[0], Money(now[1], currency)),
        billed=(billed[0] + settled[0], Money(billed[1] + settled[1], currency)),
        period=side.period,
        source=source,
    )


def _label(period: BillingPeriod, *, is_more: bool) -> str:
    """Return what a line begins with, such as "Late usage, 1-31 May 2026"; the days are the customer's."""
    zone = ZoneInfo(period.subscription.time_zone)
    first, last = period.starts_at.astimezone(zone), (period.ends_at - _INSTANT).astimezone(zone)
    begins = f"{first.day}" if (first.year, first.month) == (last.year, last.month) else f"{first.day} {first:%b %Y}"
    return f"{'Late' if is_more else 'Corrected'} usage, {begins}-{last.day} {last:%b %Y}"


def _settled(period: BillingPeriod, question: Question) -> Mapping[str, tuple[Decimal, Decimal]]:
    """Return quantity and amount of what was settled of each line before, save with the invoice of the question."""
    own = Q(settled_with=question.period, fold=question.as_of)
    rows = LateDifference.objects.filter(period=period, fold__lte=question.as_of, released_at=None).exclude(own)
    sums = rows.values("key").annotate(quantity=Sum("quantity"), total=Sum("amount"))
    return {row["key"]: (row["quantity"], row["total"]) for row in sums}
