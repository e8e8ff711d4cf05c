"""Plays an example end to end: plan, customer, usage as events, folded, and the period that it is about invoiced."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count
from typing import Any

from agents.models import Seat
from billing import catalog, closing, coupons, credits, subscriptions
from billing.credits import Award
from billing.models import BillingPeriod, Coupon, Invoice, PlanVersion, TaxAssignment, TaxRate
from billing.models.credits import Funding, GrantKind
from billing.money import Money
from metering.models import EventType, Meter

GRACE = timedelta(hours=2)
LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def play(example: Mapping[str, Any], *, customer, send, now: datetime) -> Invoice:
    """Return the invoice that the example is about; those of the periods before it are made on the way."""
    plant_meters(example)
    bounds = example["period"]
    starts_at = instant(bounds["starts_at"])
    grant_and_tax(example, customer, starts_at)
    subscriptions.start(
        customer=customer,
        version=publish(example, now),
        starts_at=starts_at,
        now=starts_at,
        anchor_at=instant(bounds["anchor_at"]) if "anchor_at" in bounds else None,
    )
    redeem(example, customer, starts_at)
    for row in example.get("usage", ()):
        send_row(send, customer, row)
    first = BillingPeriod.objects.get(subscription__customer=customer)
    assert first.ends_at == instant(bounds["ends_at"]), "the first period of the example is not the plan's"
    if bounds.get("moment") == "opening":
        return found(closing.open_in_advance(period_id=first.pk, now=starts_at))
    return close(customer, number=bounds.get("invoice", 1), send=send)


def publish(example: Mapping[str, Any], now: datetime) -> PlanVersion:
    document = example.get("offer") or catalog.read(path=catalog.PLANS / f"{example['plan']}.toml")
    return catalog.publish(version=catalog.import_plan(document=document, now=now), now=now)


def close(customer, *, number: int, send) -> Invoice:
    """Close periods up to the one with the number, counted from 1, and return its invoice."""
    for at in count(1):
        period = BillingPeriod.objects.get(subscription__customer=customer, status="open")
        send.fold(period.ends_at)
        if period.opening == "due":
            closing.open_in_advance(period_id=period.pk, now=period.starts_at)
        invoice = closing.close(period_id=period.pk, now=period.ends_at + GRACE)
        if at == number:
            return found(invoice)
    raise AssertionError


def found(invoice: Invoice | None) -> Invoice:
    assert invoice is not None, "nothing fell due"
    return invoice


def plant_meters(example: Mapping[str, Any]) -> None:
    for meter in example.get("meters", ()):
        EventType.objects.get(type=meter["event_type"])  # an example brings meters, not kinds of events
        Meter.objects.create(**meter)


def grant_and_tax(example: Mapping[str, Any], customer, at: datetime) -> None:
    for row in example.get("taxes", ()):
        facts = {"starts_at": LONG_AGO, "created_at": LONG_AGO}
        TaxRate.objects.create(**facts, **(row | {"percent": Decimal(row["percent"])}))
        TaxAssignment.objects.get_or_create(customer=customer, jurisdiction=row["jurisdiction"], defaults=facts)
    for row in example.get("grants", ()):
        kind = GrantKind(row["kind"])
        award = Award(
            kind=kind,
            name=row["name"],
            amount=Money(Decimal(row["amount"]), customer.currency),
            effective_at=at,
            funding=Funding.CASH if kind == GrantKind.PREPAID else Funding.ISSUED,
        )
        credits.grant(customer=customer, award=award, key=row["name"], now=at)


def redeem(example: Mapping[str, Any], customer, at: datetime) -> None:
    for row in example.get("coupons", ()):
        percent = Decimal(row["percent"]) if "percent" in row else None
        amount = Decimal(row["amount"]) if "amount" in row else None
        currency = customer.currency if amount is not None else ""
        numbers = {"percent": percent, "amount": amount, "currency": currency}
        Coupon.objects.create(**(row | numbers), redeemable_from=LONG_AGO, created_at=LONG_AGO)
        coupons.redeem(customer=customer, code=row["code"], now=at)


def send_row(send, customer, row: Mapping[str, Any]) -> None:
    at, what = instant(row["at"]), row["what"]
    more = dict(row.get("data", {}))
    if what == "seat assigned":
        Seat.objects.filter(pk=send.seat(customer, at).pk).update(holder=row["seat"])
    elif what == "seat released":
        send.release(Seat.objects.get(customer=customer, holder=row["seat"]), at)
    elif what == "compute":
        for milliseconds in row["milliseconds"]:
            send.compute(customer, at, milliseconds, hardware_class=row["hardware_class"], **more)
    else:
        more |= {name: row[name] for name in ("outcome", "state") if name in row}
        getattr(send, what)(customer, at, row["number"], **more)
