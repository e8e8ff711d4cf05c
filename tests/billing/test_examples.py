"""Every invoice in tests/examples, worked by hand: usage comes in as events, is folded, and the period is closed."""

import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from agents.models import Seat
from billing import ledger, subscriptions
from billing.models import LedgerTransaction
from billing.models.ledger import Account
from billing.models.subscriptions import BillingPeriod
from billing.money import Money
from metering import fold
from tests.billing.usage import invoiced

EXAMPLES = sorted((Path(__file__).parents[1] / "examples").glob("*.toml"))


def read(path: Path) -> Mapping[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)


def send_row(send, customer, row: Mapping[str, Any]) -> None:
    at, what = instant(row["at"]), row["what"]
    if what == "seat assigned":
        Seat.objects.filter(pk=send.seat(customer, at).pk).update(holder=row["seat"])
    elif what == "seat released":
        send.release(Seat.objects.get(customer=customer, holder=row["seat"]), at)
    elif what == "compute":
        for milliseconds in row["milliseconds"]:
            send.compute(customer, at, milliseconds, hardware_class=row["hardware_class"])
    else:
        data = {name: row[name] for name in ("outcome", "state") if name in row}
        getattr(send, what)(customer, at, row["number"], **data)


def bill(example: Mapping[str, Any], customer, version, send):
    bounds = example["period"]
    starts_at, ends_at = instant(bounds["starts_at"]), instant(bounds["ends_at"])
    anchor_at = instant(bounds["anchor_at"]) if "anchor_at" in bounds else None
    subscription = subscriptions.start(
        customer=customer, version=version, starts_at=starts_at, now=starts_at, anchor_at=anchor_at
    )
    for row in example["usage"]:
        send_row(send, customer, row)
    period = BillingPeriod.objects.get(subscription=subscription)
    assert period.ends_at == ends_at, "the period of the example is not the plan's"
    send.fold(ends_at)
    return invoiced(period, now=ends_at + timedelta(hours=2))


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_the_invoice_is_what_was_worked_out_by_hand(path, make_customer, publish, send):
    example = read(path)
    customer = make_customer(**example["customer"])
    invoice = bill(example, customer, publish(example["plan"]), send)

    names = ("description", "quantity", "unit", "amount")
    expected = [tuple(line[name] for name in names) for line in example["lines"]]
    lines = list(invoice.lines.order_by("position"))
    found = [(line.description, Decimal(line.quantity), line.unit, Decimal(line.amount)) for line in lines]
    assert found == [(text, Decimal(quantity), unit, Decimal(amount)) for text, quantity, unit, amount in expected]
    total = Money(Decimal(example["invoice"]["total"]), example["customer"]["currency"])
    assert Money(invoice.total, invoice.currency) == total
    assert sum(Decimal(line["amount"]) for line in example["lines"]) == total.amount

    owed = ledger.balance(account=Account.RECEIVABLE, currency=total.currency, customer=customer)
    earned = ledger.balance(account=Account.REVENUE, currency=total.currency, customer=customer)
    assert (owed, earned) == (total, -total)
    assert LedgerTransaction.objects.get().key == f"invoice:{invoice.number}"
    assert fold.check() == []


def test_the_examples_show_every_plan_that_is_shipped():
    assert {read(path)["plan"] for path in EXAMPLES} == {"seats", "compute", "activity", "hybrid"}


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.stem for path in EXAMPLES])
def test_every_line_says_how_it_was_worked_out(path):
    assert all(line["by_hand"].strip() for line in read(path)["lines"])
