"""Coupons: redeemed by customers, applied to their periods in the order they were redeemed, and used up."""

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import count
from types import MappingProxyType
from typing import Final

from django.db import IntegrityError, transaction
from django.db.models import Count, F, Q, QuerySet, Sum

from agents.models import Customer
from billing import merging
from billing.errors import CouponError
from billing.models import BillingPeriod, Coupon, Invoice, InvoiceLine, Redemption, RedemptionUse
from billing.models.coupons import Duration
from billing.models.invoices import LIVE, InvoiceStatus, Moment
from billing.money import Money
from billing.rating.statement import Discount, Line, LineKind

_PREFIX: Final = "coupon:"
_COUNTS: Final = Q(given_back_at=None)
# Of the two invoices of a period, the opening one comes before the closing one.
_NOT_BEFORE: Final = MappingProxyType(
    {Moment.OPENING: (Moment.OPENING, Moment.CLOSING), Moment.CLOSING: (Moment.CLOSING,)}
)


@transaction.atomic
def redeem(*, customer: Customer, code: str, now: datetime) -> Redemption:
    """Give a customer the rebate of a coupon, from the period that is open now on.

    One conditional UPDATE counts it, so that no more than `max_redemptions` succeed. Raises CouponError saying why it
    cannot be redeemed.
    """
    coupon = Coupon.objects.filter(code=code).first()
    if coupon is None:
        raise CouponError(f"There is no coupon {code!r}.")
    if coupon.currency not in {"", customer.currency}:
        raise CouponError(f"{customer.key} pays in {customer.currency}, {coupon} is in {coupon.currency}.")
    in_time = Q(redeemable_from__lte=now) & (Q(redeemable_until=None) | Q(redeemable_until__gt=now))
    left = Q(max_redemptions=None) | Q(redeemed__lt=F("max_redemptions"))
    if Coupon.objects.filter(in_time & left, pk=coupon.pk).update(redeemed=F("redeemed") + 1) != 1:
        raise CouponError(f"{coupon} cannot be redeemed now, or has been redeemed as often as it may be.")
    try:
        with transaction.atomic():
            return Redemption.objects.create(coupon=coupon, customer=customer, redeemed_at=now)
    except IntegrityError as error:
        raise CouponError(f"{customer.key} has redeemed {coupon} before.") from error


def take_back(*, redemption: Redemption, now: datetime) -> Redemption:
    """End a redemption: no period that begins at or after `now` is lowered. Again changes nothing."""
    Redemption.objects.filter(pk=redemption.pk, ended_at=None).update(ended_at=now)
    redemption.refresh_from_db()
    return redemption


def hold(*, customer: Customer) -> bool:
    """Keep others from using up a customer's coupons until the transaction ends: call it before `for_period`.

    Returns whether the customer has redeemed any.
    """
    return bool(Redemption.objects.select_for_update(no_key=True).filter(customer=customer).order_by("pk"))


def for_period(*, period: BillingPeriod, moment: Moment = Moment.CLOSING) -> tuple[Discount, ...]:
    """Return the discounts of a period's coupons, in the order of redemption.

    A period may have two invoices: a fixed amount that the other one took off in part is lower by that. Where the
    invoice of that moment was issued, they are those that it used, so that it can be rated again for ever.
    """
    if not Redemption.objects.filter(customer_id=period.subscription.customer_id).exists():
        return ()
    rated = Invoice.objects.filter(LIVE, merging.is_issued(), period=period, moment=moment)
    issued = rated.select_related("merged_into").first()
    if issued is None:
        rows = _unused(period)
    else:
        rows = Redemption.objects.filter(
            uses__period=period, uses__used_at__lte=(issued.merged_into or issued).issued_at, uses__given_back_at=None
        )
    ordered = list(rows.select_related("coupon").order_by("redeemed_at", "pk"))
    taken = _taken(period, moment) if ordered else {}
    discounts = (_discount(row.coupon, taken) for row in ordered)
    return tuple(discount for discount in discounts if discount is not None)


def remembered(*, customer: Customer) -> Callable[..., tuple[Discount, ...]]:
    """Return what answers as `for_period` does for one customer, and asks for each period and moment only once.

    For whoever rates the same periods again and again, on one plan after the other, while nothing is written.
    """
    if not Redemption.objects.filter(customer=customer).exists():
        return lambda *, period, moment=Moment.CLOSING: ()  # noqa: ARG005 - as for_period is called
    known: dict[tuple[int, Moment], tuple[Discount, ...]] = {}

    def find(*, period: BillingPeriod, moment: Moment = Moment.CLOSING) -> tuple[Discount, ...]:
        if (period.pk, moment) not in known:
            known[period.pk, moment] = for_period(period=period, moment=moment)
        return known[period.pk, moment]

    return find


@transaction.atomic
def consume(*, period: BillingPeriod, lines: Iterable[Line], now: datetime) -> int:
    """Count a closed period against its coupons, once, and return how many it used.

    A coupon for one period is used up by the first period that it lowers; one for several, by each that closes.
    """
    if not hold(customer=period.subscription.customer):
        return 0
    applied = {line.source.removeprefix(_PREFIX) for line in lines if line.kind == LineKind.DISCOUNT}
    rows = _unused(period).exclude(pk__in=RedemptionUse.objects.filter(_COUNTS, period=period).values("redemption"))
    rows = rows.exclude(~Q(coupon__code__in=applied), coupon__duration=Duration.ONCE)
    uses = [RedemptionUse(redemption=row, period=period, number=_next_number(row), used_at=now) for row in rows]
    return len(RedemptionUse.objects.bulk_create(uses))


def give_back(*, period: BillingPeriod, since: datetime, now: datetime) -> int:
    """Give back what a period used up from `since` on, its invoice being void; return how many uses."""
    uses = RedemptionUse.objects.filter(_COUNTS, period=period, used_at__gte=since)
    return uses.update(given_back_at=now)


def _next_number(redemption: Redemption) -> int:
    """Return the lowest number that no use has: one that was given back is free again."""
    taken = set(redemption.uses.filter(_COUNTS).values_list("number", flat=True))
    return next(number for number in count(1) if number not in taken)


def _other_uses(period: BillingPeriod) -> Count:
    return Count("uses", filter=~Q(uses__period=period) & Q(uses__given_back_at=None))


def _unused(period: BillingPeriod) -> QuerySet[Redemption]:
    """The redemptions that hold in a period and are not used up by others."""
    holds = Q(redeemed_at__lt=period.ends_at) & (Q(ended_at=None) | Q(ended_at__gt=period.starts_at))
    rows = Redemption.objects.filter(holds, customer=period.subscription.customer)
    rows = rows.annotate(used=_other_uses(period))
    return rows.filter(
        Q(coupon__duration=Duration.FOREVER)
        | Q(coupon__duration=Duration.ONCE, used=0)
        | Q(coupon__duration=Duration.PERIODS, used__lt=F("coupon__periods"))
    )


def _key(coupon: Coupon) -> str:
    return _PREFIX + coupon.code


def _taken(period: BillingPeriod, moment: Moment) -> dict[str, Decimal]:
    """Return what coupons took off on the invoices of a period that came before, by key."""
    before = InvoiceLine.objects.filter(
        merging.rated_as(period=period),
        invoice__number__isnull=False,
        kind=LineKind.DISCOUNT,
        source__startswith=_PREFIX,
    ).exclude(invoice__status=InvoiceStatus.VOID)
    earlier = before.exclude(merging.rated_as(moment__in=_NOT_BEFORE[moment]))
    sums = earlier.values_list("source").annotate(sum=Sum("amount"))
    return {source: -amount for source, amount in sums}


def _discount(coupon: Coupon, taken: Mapping[str, Decimal]) -> Discount | None:
    """Return the discount of a coupon; None where all of its amount is taken."""
    key, amount = _key(coupon), None
    if coupon.amount is not None:
        amount = Money(coupon.amount - taken.get(key, Decimal(0)), coupon.currency)
        if not amount:
            return None
    return Discount(key=key, name=coupon.name, percent=coupon.percent, amount=amount, cards=tuple(coupon.cards))
