"""Invoices and plans over HTTP: one's own, with every number as text."""

from datetime import timedelta

import pytest
from rest_framework.test import APIClient

from agents.models.keys import Scope
from billing import assessment, closing, contracts, invoicing
from billing.assessment import Question
from billing.models import Invoice
from tests import factories
from tests.billing.conftest import JUNE, MAY
from tests.billing.usage import invoiced

DUE = JUNE + timedelta(hours=2)


def client(customer, *scopes):
    caller = APIClient()
    secret = factories.api_key(customer, scopes=scopes or (Scope.INVOICES_READ,))
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return caller


@pytest.fixture
def invoice(acme, subscribe, send) -> Invoice:
    period = subscribe(acme).periods.get()
    send.turns(acme, MAY, 10)
    send.fold(JUNE)
    return invoiced(period, now=DUE)


def test_a_customer_lists_its_invoices(invoice, acme):
    (found,) = client(acme).get("/v1/invoices").json()["results"]
    assert found == {
        "number": "AM-000001",
        "status": "open",
        "moment": "closing",
        "currency": "EUR",
        "subtotal": "0.20",
        "tax": "0.00",
        "carried": "0.00",
        "total": "0.20",
        "prepaid": "0.00",
        "due": "0.20",
        "period": {"starts_at": "2026-05-01T00:00:00+00:00", "ends_at": "2026-06-01T00:00:00+00:00"},
        "plan": {"key": "activity", "version": 2},
        "issued_at": "2026-06-01T02:00:00+00:00",
        "due_at": "2026-06-15T02:00:00+00:00",
        "paid_at": None,
    }


def test_an_invoice_shows_its_lines_and_formulas(invoice, acme):
    found = client(acme).get("/v1/invoices/AM-000001").json()
    assert found["digest"] == invoice.digest
    assert found["lines"][0] == {
        "position": 1,
        "kind": "charge",
        "rate_card": "turns",
        "source": None,
        "description": "Turns",
        "meter": "turns",
        "quantity": "10",
        "unit": "turn",
        "amount": "0.20",
        "starts_at": "2026-05-01T00:00:00+00:00",
        "ends_at": "2026-06-01T00:00:00+00:00",
        "detail": [{"text": "each", "quantity": "10", "unit_price": "0.02", "amount": "0.2"}],
    }


def test_pages_follow_a_cursor(acme, subscribe):
    subscribe(acme, starts_at=MAY - timedelta(days=62))
    closing.close_due(now=DUE)
    caller, numbers, url = client(acme), [], "/v1/invoices?limit=2"
    while url:
        page = caller.get(url).json()
        numbers += [one["number"] for one in page["results"]]
        url = page["next"]
    assert numbers == ["AM-000003", "AM-000002", "AM-000001"]


def test_a_rival_sees_nothing_of_it(invoice, make_customer):
    rival = client(make_customer("rival"))
    assert rival.get("/v1/invoices").json()["results"] == []
    assert rival.get("/v1/invoices/AM-000001").status_code == 404


def test_a_stranger_is_asked_for_a_key(invoice):
    assert APIClient().get("/v1/invoices").status_code == 401
    assert APIClient().get("/v1/plans").status_code == 401


def test_a_key_needs_the_scope(invoice, acme):
    caller = client(acme, Scope.EVENTS_WRITE)
    assert [caller.get(path).status_code for path in ("/v1/invoices", "/v1/invoices/AM-000001")] == [403, 403]


def test_drafts_are_not_shown(acme, subscribe):
    period = subscribe(acme).periods.get()
    question = Question(period, contracts.load(subscription=period.subscription), as_of=0)
    invoicing.draft(question=question, assessed=assessment.assess(question), now=DUE)
    assert client(acme).get("/v1/invoices").json()["results"] == []


def test_published_plans_are_listed_with_their_prices(acme, publish):
    publish("seats")
    (plan,) = client(acme, Scope.USAGE_READ).get("/v1/plans").json()["results"]
    assert (plan["key"], plan["version"], plan["currencies"]) == ("seats", 1, ["EUR"])
    assert plan["rate_cards"][0]["prices"] == {"EUR": {"kind": "unit", "amount": "29"}}
