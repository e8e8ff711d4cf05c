"""What the API says of subscriptions: the agreement, its changes, what one would bring, and what else is on offer."""

from typing import Any

from billing import contracts
from billing.alternatives import Alternative, Alternatives
from billing.api.representations import amount_text, instant_text, plan_key_of
from billing.models import Subscription, SubscriptionChange
from billing.money import Money
from billing.previews import Preview
from billing.rating.lines import Line, RatedPeriod
from billing.rating.numbers import text_of
from billing.simulate import Difference
from billing.timeline import Stretch


def subscription_of(subscription: Subscription) -> dict[str, Any]:
    """Return a subscription; `plan` is the one agreed on last, which may hold only from a later time on."""
    return {
        "id": subscription.pk,
        "plan": plan_key_of(subscription.version),
        "currency": subscription.currency,
        "time_zone": subscription.time_zone,
        "starts_at": instant_text(subscription.starts_at),
        "ends_at": instant_text(subscription.ends_at),
        "anchor_at": instant_text(subscription.anchor_at),
    }


def contract_of(subscription: Subscription) -> dict[str, Any]:
    """Return a subscription with its terms over time as they are agreed now, and all its changes, the newest first."""
    contract = contracts.load(subscription=subscription)
    return subscription_of(subscription) | {
        "terms": [_term_of(stretch) for stretch in contract.timeline],
        "changes": [change_of(change) for change in subscription.changes.order_by("-number")],
    }


def change_of(change: SubscriptionChange) -> dict[str, Any]:
    """Return one change: what was done, from when it holds, by whom and why."""
    return {
        "number": change.number,
        "operation": change.kind,
        "at": instant_text(change.at),
        "actor": change.actor,
        "reason": change.reason,
        "recorded_at": instant_text(change.recorded_at),
    }


def preview_of(preview: Preview) -> dict[str, Any]:
    """Return what a change would bring: the invoices to come, and the next one as it would be without it."""
    return {
        "operation": preview.kind,
        "at": instant_text(preview.at),
        "before": None if preview.before is None else _rated_of(preview.before),
        "invoices": [_rated_of(rated) for rated in preview.invoices],
        "difference": _money(preview.difference),
    }


def alternatives_of(found: Alternatives) -> dict[str, Any]:
    """Return what the same usage would have cost on each plan on offer."""
    return {
        "starts_at": instant_text(found.periods[0].starts_at),
        "ends_at": instant_text(found.periods[-1].ends_at),
        "periods": len(found.periods),
        "fold": found.fold,
        "currency": found.before.currency,
        "billed": _money(found.before),
        "plans": [_alternative_of(one) for one in found.found],
    }


def _alternative_of(one: Alternative) -> dict[str, Any]:
    priced = one.simulation
    return {
        "plan": plan_key_of(one.version),
        "is_current": one.is_current,
        "total": None if priced is None else _money(priced.total),
        "change": None if priced is None else _money(priced.change),
        "reason": one.reason or None,
        "lines": [_difference_of(line) for line in one.lines],
    }


def _difference_of(line: Difference) -> dict[str, Any]:
    return {
        "kind": line.kind,
        "rate_card": line.card or None,
        "description": line.description,
        "billed": _money(line.before),
        "amount": _money(line.after),
        "change": _money(line.change),
    }


def _term_of(stretch: Stretch) -> dict[str, Any]:
    shelved = contracts.shelf(stretch.version_id)
    return {
        "plan": plan_key_of(shelved.version),
        "phase": None if stretch.phase is None else shelved.offer.phases[stretch.phase].name,
        "is_trial": stretch.is_trial,
        "is_paused": stretch.is_paused,
        "starts_at": instant_text(stretch.starts_at),
        "ends_at": instant_text(stretch.ends_at),
    }


def _rated_of(rated: RatedPeriod) -> dict[str, Any]:
    return {
        "currency": rated.currency,
        "subtotal": _money(rated.subtotal),
        "tax": _money(rated.tax),
        "total": _money(rated.total),
        "starts_at": instant_text(rated.period.starts_at if rated.period else None),
        "ends_at": instant_text(rated.period.ends_at if rated.period else None),
        "lines": [_line_of(line) for line in rated.lines],
    }


def _line_of(line: Line) -> dict[str, Any]:
    return {
        "kind": str(line.kind),
        "rate_card": line.card or None,
        "source": line.source or None,
        "description": line.description,
        "meter": line.meter or None,
        "quantity": text_of(line.quantity),
        "unit": line.unit,
        "amount": _money(line.amount),
        "starts_at": instant_text(line.starts_at),
        "ends_at": instant_text(line.ends_at),
        "detail": line.detail(),
    }


def _money(money: Money) -> str:
    return amount_text(money.amount, money.currency)
