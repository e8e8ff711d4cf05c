"""Recurring grants: rules that give promotional credit month after month, each month once."""

from collections.abc import Iterator
from datetime import datetime
from itertools import islice
from typing import Final

import structlog

from billing import credits, ledger, periods
from billing.credits import Award
from billing.errors import BillingError
from billing.models import CreditGrant, RecurringGrant
from billing.models.credits import GrantKind
from billing.periods import Period

log = structlog.get_logger(__name__)

_INTERVAL: Final = "month"


def grant_due(*, now: datetime) -> list[CreditGrant]:
    """Give what the rules have come to owe until now, the months that were missed too; return the new grants.

    Safe at any time, any number of times and at once: a rule gives once a month, by constraint. A rule that fails is
    logged, and the others go on.
    """
    granted: list[CreditGrant] = []
    for rule in RecurringGrant.objects.filter(starts_at__lte=now).select_related("customer").order_by("pk"):
        try:
            granted += [_grant(rule, month, now) for month in _owed(rule, now)]
        except BillingError:
            log.exception("recurring_grant_failed", rule_id=rule.pk)
    return granted


def _owed(rule: RecurringGrant, now: datetime) -> Iterator[Period]:
    """Yield the months that have begun and brought no grant yet."""
    last = rule.grants.order_by("-effective_at").first()
    for month in _months(rule, rule.starts_at if last is None else last.effective_at):
        if month.starts_at > now or (rule.ends_at is not None and month.starts_at >= rule.ends_at):
            return
        if last is None or month.starts_at > last.effective_at:
            yield month


def _months(rule: RecurringGrant, at: datetime) -> Iterator[Period]:
    """Yield the months of a rule, from the one that holds `at` on, without end."""
    while True:
        month = periods.full_period(anchor_at=rule.starts_at, zone=rule.customer.time_zone, interval=_INTERVAL, at=at)
        yield month
        at = month.ends_at


def _grant(rule: RecurringGrant, month: Period, now: datetime) -> CreditGrant:
    award = Award(
        kind=GrantKind.PROMOTIONAL,
        name=rule.name,
        amount=ledger.value_of(rule.amount, rule.currency),
        effective_at=month.starts_at,
        expires_at=_expiry(rule, month),
        priority=rule.priority,
        cards=rule.cards,
        source=f"recurring grant {rule.pk}",
    )
    key = f"recurring:{rule.pk}:{month.starts_at.isoformat()}"
    return credits.grant(customer=rule.customer, award=award, key=key, rule=rule, now=now)


def _expiry(rule: RecurringGrant, month: Period) -> datetime | None:
    if not rule.lasts_months:
        return None
    *_, last = islice(_months(rule, month.starts_at), rule.lasts_months)
    return last.ends_at
