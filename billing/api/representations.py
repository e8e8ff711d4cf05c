"""What the API says of invoices and plans: money and quantities as texts, times in UTC."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from billing.models import Invoice, InvoiceLine, PlanVersion, RateCard
from billing.money import Money
from billing.rating.numbers import text_of


def summary_of(invoice: Invoice) -> dict[str, Any]:
    """Return an issued invoice without its lines."""
    return {
        "number": invoice.number,
        "status": invoice.status,
        "moment": invoice.moment,
        "currency": invoice.currency,
        "subtotal": amount_text(invoice.subtotal, invoice.currency),
        "tax": amount_text(invoice.tax, invoice.currency),
        "carried": amount_text(invoice.carried, invoice.currency),
        "total": amount_text(invoice.total, invoice.currency),
        "prepaid": amount_text(invoice.prepaid, invoice.currency),
        "due": amount_text(invoice.due, invoice.currency),
        "period": {
            "starts_at": instant_text(invoice.period.starts_at),
            "ends_at": instant_text(invoice.period.ends_at),
        },
        "plan": plan_key_of(invoice.version),
        "issued_at": instant_text(invoice.issued_at),
        "due_at": instant_text(invoice.due_at),
        "paid_at": instant_text(invoice.paid_at),
    }


def invoice_of(invoice: Invoice) -> dict[str, Any]:
    """Return an issued invoice with its parties, lines, formulas and digest."""
    lines = invoice.lines.select_related("rate_card").order_by("position")
    return summary_of(invoice) | {
        "seller": invoice.seller,
        "buyer": invoice.buyer,
        "fold": invoice.fold,
        "digest": invoice.digest,
        "lines": [_line_of(line, invoice.currency) for line in lines],
    }


def plan_of(version: PlanVersion) -> dict[str, Any]:
    """Return a published plan version with its rate cards."""
    return {
        "key": version.plan.key,
        "name": version.plan.name,
        "description": version.plan.description,
        "version": version.number,
        "currencies": version.currencies,
        "interval": version.interval,
        "phases": version.phases,
        "pools": version.pools,
        "discounts": version.discounts,
        "minimum": version.minimums,
        "maximum": version.maximums,
        "published_at": instant_text(version.published_at),
        "effective_at": instant_text(version.effective_at or version.published_at),
        "rate_cards": [_card_of(card) for card in sorted(version.rate_cards.all(), key=lambda card: card.position)],
    }


def _line_of(line: InvoiceLine, currency: str) -> dict[str, Any]:
    return {
        "position": line.position,
        "kind": line.kind,
        "rate_card": line.rate_card.key if line.rate_card else None,
        "source": line.source or None,
        "description": line.description,
        "meter": line.meter or None,
        "quantity": text_of(line.quantity),
        "unit": line.unit,
        "amount": amount_text(line.amount, currency),
        "starts_at": instant_text(line.starts_at),
        "ends_at": instant_text(line.ends_at),
        "detail": line.detail,
    }


def _card_of(card: RateCard) -> dict[str, Any]:
    return {
        "key": card.key,
        "name": card.name,
        "meter": card.meter or None,
        "filters": card.filters,
        "unit": card.unit,
        "divide_by": text_of(card.divide_by),
        "per_period": card.per_period,
        "rounding": card.rounding,
        "allowance": text_of(card.allowance),
        "rollover": text_of(card.rollover),
        "prices": card.prices,
        "minimum": card.minimums,
        "maximum": card.maximums,
        "zero_rates": card.zero_rates,
        "prorated": card.prorated,
        "billed": card.billed,
        "interval": card.interval,
    }


def plan_key_of(version: PlanVersion) -> dict[str, Any]:
    """Return which version of which plan it is."""
    return {"key": version.plan.key, "version": version.number}


def amount_text(amount: Decimal, currency: str) -> str:
    """Return an amount with the digits of its currency, as text so that no reader rounds it."""
    return f"{Money(amount, currency).amount:f}"


def instant_text(at: datetime | None) -> str | None:
    """Return an instant in UTC."""
    return None if at is None else at.astimezone(UTC).isoformat()
