"""The cheapest plan for one's usage: the last invoiced periods on each plan on offer.

The plan: 30.00 a month; turns 0.50 each up to 2, 0.125 beyond; seats 10.00 a month.
"""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from billing import catalog, simulate
from billing.errors import RatingError
from tests.portal import stage
from tests.portal.stage import utc

OCTOBER = utc(2026, 9, 30, 22)
TURNS = {"key": "turns", "name": "Turns", "meter": "turns", "unit": "turn"}


def sell(name, amount, **fields):
    card = TURNS | {"price": {"kind": "unit", "amount": amount}}
    document = {"plan": name, "name": name.title(), "version": 1, "currency": "EUR", "rate_cards": [card]} | fields
    catalog.publish(version=catalog.import_plan(document=document, now=OCTOBER), now=OCTOBER)


@pytest.fixture
def billed(acme):
    """Four turns in October: 30.00 + 2 x 0.50 + 2 x 0.125 = 31.25."""
    stage.subscribe(acme, starts_at=OCTOBER)
    stage.Work(acme).turns(*(utc(2026, 10, day) for day in (3, 10, 11, 20)))
    stage.count(utc(2026, 11, 1, 1))
    stage.invoice(acme, now=utc(2026, 11, 1, 3))
    return acme


def test_each_plan_on_offer_says_what_the_usage_would_have_cost(portal, billed):
    sell("usage", "2.00")
    sell("luxury", "9.00")
    sell("dollar", "0.01", currency="USD")
    text = portal.text("plans")
    names = [text.index(f'<th scope="row">{name}') for name in ("Usage", "Yard", "Luxury")]
    assert names == sorted(names)
    assert "1 period, billed €31.25" in text
    for words in (">€8.00<", "€23.25 less", ">The same<", ">€36.00<", "€4.75 more", "Your plan"):
        assert words in text
    assert "Usage would have cost €23.25 less than what you were billed." in text
    assert "Dollar" not in text


def test_line_by_line(portal, billed):
    sell("usage", "2.00")
    assert "Turns: billed €1.25, would have been €8.00" in portal.text("plans")
    assert "Base fee: billed €30.00, would have been €0.00" in portal.text("plans")


def test_where_nothing_is_cheaper_it_says_so(portal, billed):
    sell("luxury", "9.00")
    assert "none would have cost less" in portal.text("plans")


def test_a_plan_that_cannot_price_the_usage_is_named_last(portal, billed, monkeypatch):
    sell("usage", "2.00")
    priced = simulate.priced

    def fail(*, past, version):
        if version.plan.key == "usage":
            raise RatingError("no price for it")
        return priced(past=past, version=version)

    monkeypatch.setattr(simulate, "priced", fail)
    text = portal.text("plans")
    assert text.index("Yard") < text.index("Cannot be compared")


def test_before_the_first_invoice_there_is_nothing_to_compare(portal, acme):
    assert "nothing to compare by yet" in portal.text("plans")
    stage.subscribe(acme, starts_at=OCTOBER)
    assert "nothing to compare by yet" in portal.text("plans")


def test_the_overview_leads_to_it(portal, billed):
    assert 'href="/portal/plans/"' in portal.text("overview")


def test_more_plans_and_more_periods_ask_the_database_nothing_more(portal, billed):
    """Nine questions for the page, and those of one reading for each of the two meters."""

    def asked():
        portal.text("plans")  # what a process reads of a frozen version once
        with CaptureQueriesContext(connection) as queries:
            portal.text("plans")
        return len(queries)

    first = asked()
    for name in ("one", "two", "three", "four"):
        sell(name, "2.00")
    assert asked() == first <= 9 + 2 * 4
