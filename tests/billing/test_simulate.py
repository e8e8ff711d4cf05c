"""Simulation: real usage on another plan, beside what was billed, line by line; the cheapest plan follows from it."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from billing import alternatives, catalog, closing, simulate, subscriptions
from billing.errors import CurrencyMismatchError, PeriodError
from billing.models import Invoice, InvoiceLine, Subscription
from billing.money import Money
from metering import usage
from tests.billing.conftest import JUNE, MAY

JULY = datetime(2026, 7, 1, tzinfo=UTC)


def offer(plan, *, turn, base="", currency="EUR", number=1):
    turns = {"key": "turns", "name": "Turns", "unit": "turn", "meter": "turns"}
    cards: list[dict[str, object]] = [turns | {"price": {"kind": "unit", "amount": turn}}]
    if base:
        fee: dict[str, object] = {
            "key": "base",
            "name": "Base fee",
            "unit": "month",
            "price": {"kind": "flat", "amount": base},
        }
        cards.insert(0, fee)
    return {"plan": plan, "name": plan.title(), "version": number, "currency": currency, "rate_cards": cards}


@pytest.fixture
def draft(db):
    return lambda plan, **prices: catalog.import_plan(document=offer(plan, **prices), now=MAY)


@pytest.fixture
def sold(draft):
    return lambda plan, **prices: catalog.publish(version=draft(plan, **prices), now=MAY)


@pytest.fixture
def billed(acme, sold, send):
    """Acme on 0.10 a turn: 30 turns in May and 50 in June, both invoiced."""
    subscriptions.start(customer=acme, version=sold("now", turn="0.10"), starts_at=MAY, now=MAY)
    send.turns(acme, MAY + timedelta(days=3), 30)
    send.turns(acme, JUNE + timedelta(days=3), 50)
    send.fold(JULY)
    closed = closing.close_due(now=JULY + timedelta(hours=2))
    assert [invoice.total for invoice in closed.invoices] == [Decimal("3.00"), Decimal("5.00")]
    return acme


def run(customer, version, starts_at=MAY, ends_at=JULY):
    return simulate.simulate(
        customer=customer, version=version, starts_at=starts_at, ends_at=ends_at, as_of=usage.latest_fold()
    )


def euro(text):
    return Money(Decimal(text), "EUR")


def test_each_line_shows_what_was_billed_and_what_would_have_been(billed, draft):
    found = run(billed, draft("next", turn="0.05", base="3.00"))
    assert [(line.card, line.before, line.after, line.change) for line in found.lines] == [
        ("base", euro("0"), euro("6.00"), euro("6.00")),
        ("turns", euro("8.00"), euro("4.00"), euro("-4.00")),
    ]
    assert (found.before, found.total, found.change) == (euro("8.00"), euro("10.00"), euro("2.00"))


def test_the_plan_that_was_billed_makes_no_difference(billed, sold):
    found = run(billed, sold("now", turn="0.10"))
    assert {line.change for line in found.lines} == {euro("0")}


def test_only_periods_within_the_bounds_are_compared(billed, draft):
    found = run(billed, draft("next", turn="0.05"), starts_at=JUNE)
    assert [period.starts_at for period in found.periods] == [JUNE]
    assert (found.before, found.total) == (euro("5.00"), euro("2.50"))


def test_a_simulation_writes_nothing(billed, draft):
    version = draft("next", turn="0.05")
    before = (Invoice.objects.count(), InvoiceLine.objects.count(), list(version.rate_cards.values()))
    run(billed, version)
    assert (Invoice.objects.count(), InvoiceLine.objects.count(), list(version.rate_cards.values())) == before


def test_without_an_invoiced_period_there_is_nothing_to_compare(acme, draft):
    with pytest.raises(PeriodError, match="acme has no invoiced period"):
        run(acme, draft("next", turn="0.05"))


def test_a_plan_in_another_currency_cannot_be_compared(billed, draft):
    with pytest.raises(CurrencyMismatchError):
        run(billed, draft("dollar", turn="0.05", currency="USD"))


def offered(customer):
    return alternatives.compare(subscription=Subscription.objects.get(customer=customer), now=JULY).found


def test_the_cheapest_plan_comes_first_and_drafts_are_not_on_offer(billed, draft, sold):
    sold("small", turn="0.09")
    sold("large", turn="0.01", base="3.50")
    draft("gift", turn="0.00")
    sold("dollar", turn="0.01", currency="USD")
    assert [(one.version.plan.key, one.simulation.total) for one in offered(billed) if one.simulation] == [
        ("small", euro("7.20")),
        ("large", euro("7.80")),
        ("now", euro("8.00")),
    ]


def test_of_a_plan_the_newest_published_version_is_on_offer(billed, draft, sold):
    sold("now", turn="0.20", number=2)
    draft("now", turn="0.01", number=3)
    (found,) = offered(billed)
    assert found.simulation is not None
    assert (found.version.number, found.simulation.total) == (2, euro("16.00"))


def test_unused_allowance_is_carried_over_as_the_plan_tried_says(billed, draft):
    document = offer("saving", turn="0.10")
    document["rate_cards"][0] |= {"allowance": "40", "rollover": "8"}
    saving = catalog.import_plan(document=document, now=MAY)
    # May: 30 of 40, 8 of the 10 left are carried over. June: 50 - 48 = 2.
    assert run(billed, saving).total == euro("0.20")
