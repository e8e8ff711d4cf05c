"""Top-ups: prepaid credit that is bought again when little is left; a due row asks for money, which makes it credit."""

from datetime import datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Exists, OuterRef

from agents.models import Customer
from billing import closing, credits
from billing.credits import Award
from billing.errors import BillingError, PaymentConflictError, TopUpStateError
from billing.models import BillingPeriod, CreditGrant, TopUp, TopUpRule
from billing.models.credits import Funding, GrantKind
from billing.models.subscriptions import PeriodStatus
from billing.models.top_ups import TopUpStatus
from billing.money import Money

log = structlog.get_logger(__name__)


def due(*, now: datetime) -> list[TopUp]:
    """Write a top-up for each rule whose customer has less left than its threshold; return all that wait for money.

    A rule has one top-up waiting at a time, and so many in a day of the customer's zone, given up ones included. Safe
    at any time and at once. A rule that fails is logged, and the others go on.
    """
    waiting = TopUp.objects.filter(rule=OuterRef("pk"), status=TopUpStatus.DUE)
    rules = TopUpRule.objects.filter(~Exists(waiting), stopped_at=None).select_related("customer").order_by("pk")
    for rule in rules:
        try:
            _check(rule, now)
        except BillingError:
            log.exception("top_up_failed", rule_id=rule.pk)
    return list(TopUp.objects.filter(status=TopUpStatus.DUE).select_related("rule__customer").order_by("pk"))


def remaining(*, customer: Customer, currency: str, now: datetime) -> Money:
    """Return the prepaid credit in force less what the periods not yet invoiced cost so far; it may be below nothing.

    Raises what closing.preview raises.
    """
    left = Money(credits.available(customer=customer, currency=currency, at=now).amount, currency)
    unbilled = BillingPeriod.objects.exclude(status=PeriodStatus.CLOSED).filter(
        subscription__customer=customer, starts_at__lt=now
    )
    for period in unbilled.select_related("subscription__customer", "subscription__version"):
        left -= closing.preview(period=period, now=now).total
    return left


@transaction.atomic
def settle(*, top_up: TopUp, payment: str, now: datetime) -> CreditGrant:
    """Turn a top-up whose money has come into prepaid credit, once; told again, it gives the same grant.

    `payment` names the money: a transfer's reference, or the provider's id. Raises TopUpStateError where the top-up was
    given up, or paid by other money, which a person must give back; PaymentConflictError where the money has paid
    another one.
    """
    row = TopUp.objects.select_for_update().get(pk=top_up.pk)  # alone: joined rows would be as before the wait
    if row.grant is not None and row.payment in {None, payment}:
        return row.grant
    if row.status != TopUpStatus.DUE:
        raise TopUpStateError(f"{row}; the money of {payment} waits for a person.")
    award = Award(
        kind=GrantKind.PREPAID,
        name="Top-up",
        amount=Money(row.amount, row.rule.currency),
        effective_at=now,
        funding=Funding.CASH,
        source=f"{row}; paid by {payment}",
    )
    granted = credits.grant(customer=row.rule.customer, award=award, key=f"top-up:{row.pk}", now=now)
    paid = {"status": TopUpStatus.PAID, "settled_at": now, "grant": granted, "payment": payment}
    try:
        with transaction.atomic():
            TopUp.objects.filter(pk=row.pk).update(**paid)
    except IntegrityError as error:
        raise PaymentConflictError(f"{payment} has paid another top-up.") from error
    return granted


def cancel(*, top_up: TopUp, now: datetime) -> TopUp:
    """Give up a top-up that waits for its money; again changes nothing. Raises TopUpStateError where it was paid."""
    TopUp.objects.filter(pk=top_up.pk, status=TopUpStatus.DUE).update(status=TopUpStatus.CANCELED, settled_at=now)
    top_up.refresh_from_db()
    if top_up.status != TopUpStatus.CANCELED:
        raise TopUpStateError(f"{top_up}; it cannot be given up.")
    return top_up


def _check(rule: TopUpRule, now: datetime) -> None:
    threshold = Money(rule.threshold, rule.currency)
    if remaining(customer=rule.customer, currency=rule.currency, now=now) >= threshold:
        return
    day = now.astimezone(ZoneInfo(rule.customer.time_zone)).date()
    number = rule.top_ups.filter(day=day).count() + 1
    if number > rule.max_per_day:
        log.warning("top_up_limit_reached", rule_id=rule.pk, day=str(day), max_per_day=rule.max_per_day)
        return
    try:
        with transaction.atomic():
            TopUp.objects.create(rule=rule, day=day, number=number, amount=Decimal(rule.amount), created_at=now)
    except IntegrityError:
        log.info("top_up_written_by_another", rule_id=rule.pk, day=str(day), number=number)
