"""Agreements for tests: plans written in a line each, a subscription on one, and its invoices in short."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from agents.models import Customer
from billing import catalog, closing, subscriptions
from billing.changes import Act
from billing.models import Invoice, PlanVersion, Subscription
from billing.models.subscriptions import BillingPeriod
from tests.billing.conftest import MAY

GRACE = timedelta(hours=2)
ANNA = Act(actor="anna", reason="asked by phone", now=MAY)


def at(text: str) -> datetime:
    """An instant in UTC: 2026-05-16T12:00."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def fee(amount: str, key: str = "base", **fields: Any) -> dict[str, Any]:
    return {"key": key, "name": key.title(), "unit": "month", "price": {"kind": "flat", "amount": amount}} | fields


def metered(amount: str, key: str = "turns", **fields: Any) -> dict[str, Any]:
    card = {"key": key, "name": key.title(), "meter": key, "unit": key[:-1]}
    return card | {"price": {"kind": "unit", "amount": amount}} | fields


def plan(*cards: Mapping[str, Any], name: str = "basic", version: int = 1, **fields: Any) -> PlanVersion:
    """A published version of a plan in euros, unless the fields say otherwise."""
    document = {"plan": name, "name": name.title(), "version": version, "rate_cards": list(cards), **fields}
    document |= {} if "currencies" in fields or "currency" in fields else {"currency": "EUR"}
    return catalog.publish(version=catalog.import_plan(document=document, now=MAY), now=MAY)


def start(customer: Customer, version: PlanVersion, starts_at: datetime = MAY, **fields: Any) -> Subscription:
    return subscriptions.start(customer=customer, version=version, starts_at=starts_at, now=starts_at, **fields)


def close(subscription: Subscription, now: datetime) -> list[Invoice]:
    """Everything that is due by `now`, grace included: the subscription's invoices, in their order."""
    closed = closing.close_due(now=now + GRACE)
    assert not closed.parked, closed.parked
    return list(Invoice.objects.filter(period__subscription=subscription).order_by("pk"))


def lines(invoice: Invoice) -> list[tuple[str, str]]:
    """Each line's description and amount."""
    rows = invoice.lines.order_by("position").values_list("description", "amount")
    return [(text, f"{amount:.2f}") for text, amount in rows]


def spans(invoice: Invoice) -> list[tuple[str, str]]:
    """Each line's first day and the day before which it ends."""
    rows = invoice.lines.order_by("position").values_list("starts_at", "ends_at")
    return [(first.strftime("%m-%d"), last.strftime("%m-%d")) for first, last in rows]


def cycles(subscription: Subscription) -> list[tuple[str, str]]:
    rows = BillingPeriod.objects.filter(subscription=subscription).order_by("starts_at")
    return [(one.starts_at.strftime("%m-%dT%H"), one.ends_at.strftime("%m-%dT%H")) for one in rows]
