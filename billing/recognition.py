"""Recognition: deferred revenue is earned day by day, each line and day once, to the last cent."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Final
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Case, CharField, Sum, Value, When

from billing import deferring, ledger
from billing.ledger import Booking, Entry
from billing.models import Deferral, DeferralMove, LedgerEntry
from billing.models.deferrals import MoveKind
from billing.models.ledger import Account
from billing.money import Money, allocate
from billing.periods import seconds_between

_AT_ONCE: Final = 200
_DAY: Final = timedelta(days=1)
_AHEAD: Final = timedelta(hours=14)  # no zone is further ahead of UTC
_NOTHING: Final = Decimal(0)


@dataclass(frozen=True, slots=True)
class Recognised:
    """What a run earned: so many days of lines, and the sum by currency."""

    days: int
    amounts: dict[str, Money]


@dataclass(frozen=True, slots=True)
class RollForward:
    """How deferred revenue of a currency moved in a span of time; what was deferred is above nothing.

    opening + billed + restored - recognised - returned - credited - voided = closing. `restored` came back because what
    had taken it was voided.
    """

    currency: str
    opening: Money
    billed: Money
    recognised: Money
    returned: Money
    credited: Money
    voided: Money
    restored: Money
    closing: Money


def recognise(*, now: datetime) -> Recognised:
    """Earn every day that is over, of every deferral, each line and day once; return what was earned.

    A day is over when it is in the subscription's zone. What a later credit takes away, the remaining days share; the
    last day takes what is left, and so does the first run after it. Safe at any time, and by many workers at once.
    """
    days, amounts = 0, defaultdict[str, Decimal](Decimal)
    after = 0
    while found := _next_batch(after, now):
        earned, after = _recognise(found, now), found[-1]
        days += len(earned)
        for move in earned:
            amounts[move.deferral.currency] += move.amount
    return Recognised(days, {currency: Money(amount, currency) for currency, amount in amounts.items()})


def share(*, row: Deferral, left: Decimal, day: date) -> Money:
    """Return what a day earns of what is left before it: its seconds of those to come; all of it from the last day on.

    Seconds are real ones: a day of 23 hours earns less. Rounded by largest remainder, so that all days make the whole.
    """
    zone = ZoneInfo(row.time_zone)
    starts_at, ends_at = _midnight(day, zone), _midnight(day + _DAY, zone)
    money = Money(left, row.currency)
    if ends_at >= row.ends_at:
        return money
    today = seconds_between(max(starts_at, row.starts_at), ends_at)
    return allocate(money, (max(today, Fraction(0)), seconds_between(ends_at, row.ends_at)))[0]


def roll_forward(*, since: datetime, until: datetime) -> tuple[RollForward, ...]:
    """Return how deferred revenue moved in `[since, until)`, by currency: from the ledger's entries alone."""
    entries = LedgerEntry.objects.filter(account=Account.DEFERRED, transaction__booked_at__lt=until)
    before = dict(entries.filter(transaction__booked_at__lt=since).values_list("currency").annotate(sum=Sum("amount")))
    moved: dict[str, dict[str, Decimal]] = defaultdict(dict)
    within = entries.filter(transaction__booked_at__gte=since).annotate(cause=_CAUSE)
    for currency, cause, amount in within.values_list("currency", "cause").annotate(sum=Sum("amount")):
        moved[currency][cause] = amount
    return tuple(
        _rolled(currency, before.get(currency, _NOTHING), moved[currency]) for currency in sorted({*before, *moved})
    )


_CAUSE: Final = Case(
    When(transaction__key__startswith="recognise:", then=Value("recognised")),
    When(amount__lt=0, transaction__key__endswith=":void", then=Value("restored")),
    When(transaction__key__startswith="credit-note:", then=Value("credited")),
    When(transaction__key__endswith=":void", then=Value("voided")),
    When(amount__lt=0, then=Value("billed")),
    default=Value("returned"),
    output_field=CharField(),
)


def _rolled(currency: str, before: Decimal, moved: dict[str, Decimal]) -> RollForward:
    def money(amount: Decimal) -> Money:
        return Money(amount, currency)

    return RollForward(
        currency=currency,
        opening=money(-before),
        billed=money(-moved.get("billed", _NOTHING)),
        recognised=money(moved.get("recognised", _NOTHING)),
        returned=money(moved.get("returned", _NOTHING)),
        credited=money(moved.get("credited", _NOTHING)),
        voided=money(moved.get("voided", _NOTHING)),
        restored=money(-moved.get("restored", _NOTHING)),
        closing=money(-before - sum(moved.values(), _NOTHING)),
    )


def _next_batch(after: int, now: datetime) -> list[int]:
    latest = (now + _AHEAD).date()  # coarse: each row then asks its own zone
    due = Deferral.objects.filter(pk__gt=after, next_on__lt=latest)
    return list(due.order_by("pk").values_list("pk", flat=True)[:_AT_ONCE])


@transaction.atomic
def _recognise(ids: Sequence[int], now: datetime) -> list[DeferralMove]:
    """Earn what is due of some deferrals; those that another worker holds are left to it."""
    free = Deferral.objects.select_for_update(of=("self",), no_key=True, skip_locked=True)
    rows = list(free.select_related("line__invoice__customer").filter(pk__in=ids, next_on__isnull=False).order_by("pk"))
    left = deferring.remaining_of(rows)
    moves = [move for row in rows for move in _moves(row, left[row.pk], now)]
    ledger.post_all(bookings=[_booking(move, now) for move in moves])
    DeferralMove.objects.bulk_create(moves)
    Deferral.objects.bulk_update(rows, ["next_on"])
    return moves


def _moves(row: Deferral, left: Decimal, now: datetime) -> Iterator[DeferralMove]:
    """Yield the days that are over, and set the row to the next one."""
    today = deferring.first_day(now, row.time_zone)
    while left and row.next_on is not None and row.next_on < today:
        amount = share(row=row, left=left, day=row.next_on).amount
        if amount:
            key = f"recognise:{row.line_id}:{row.next_on}"
            kind, day = MoveKind.RECOGNISED, row.next_on
            yield DeferralMove(deferral=row, kind=kind, day=day, amount=amount, booking=key, moved_at=now)
            left -= amount
        row.next_on += _DAY
    if not left:
        row.next_on = None


def _booking(move: DeferralMove, now: datetime) -> Booking:
    invoice, amount = move.deferral.line.invoice, Money(move.amount, move.deferral.currency)
    return Booking(
        key=move.booking,
        description=f"Earned on {move.day}: invoice {invoice.number}",
        entries=(
            Entry(Account.DEFERRED, invoice.customer, amount),
            Entry(Account.REVENUE, invoice.customer, -amount),
        ),
        booked_at=now,
    )


def _midnight(day: date, zone: ZoneInfo) -> datetime:
    """Return an instant in UTC: two of one zone would be subtracted as its clocks show them."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)
