"""Credit notes over HTTP: one's own, issued ones only, with every number as text."""

import pytest
from rest_framework.test import APIClient

from agents.models.keys import Scope
from billing.models import CreditNote
from tests import factories
from tests.billing.agreement import close, fee, plan, start
from tests.billing.conftest import JUNE
from tests.billing.crediting import credit, euro, pay, write


def client(customer, *scopes):
    caller = APIClient()
    secret = factories.api_key(customer, scopes=scopes or (Scope.INVOICES_READ,))
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return caller


@pytest.fixture
def note(acme) -> CreditNote:
    invoice = close(start(acme, plan(fee("30.00"))), JUNE)[0]
    pay(invoice, "25.00")
    return credit(invoice, "10.00", refund=euro("3.00"), credit=euro("2.00"))


def test_a_customer_lists_its_notes(acme, note):
    write(note.invoice, "1.00", "a draft")
    (found,) = client(acme).get("/v1/credit-notes").json()["results"]
    assert found == {
        "number": "CN-000001",
        "invoice": "AM-000001",
        "status": "issued",
        "reason": "product_unsatisfactory",
        "explanation": "It was down.",
        "currency": "EUR",
        "subtotal": "10.00",
        "tax": "0.00",
        "total": "10.00",
        "applied": "5.00",
        "refund": "3.00",
        "credit": "2.00",
        "outside": "0.00",
        "issued_at": "2026-06-04T00:00:00+00:00",
        "voided_at": None,
    }


def test_a_note_shows_its_lines_and_refunds(acme, note):
    found = client(acme).get("/v1/credit-notes/CN-000001").json()
    assert found["digest"] == note.digest
    assert found["lines"] == [{"position": 1, "invoice_position": 1, "description": "Base", "amount": "10.00"}]
    refund = {"reference": "CN-000001-R1", "amount": "3.00", "status": "pending", "refunded_at": None}
    assert found["refunds"] == [refund]


def test_those_of_one_invoice(acme, note):
    assert len(client(acme).get("/v1/credit-notes?invoice=AM-000001").json()["results"]) == 1
    assert client(acme).get("/v1/credit-notes?invoice=AM-000002").json()["results"] == []


def test_nobody_sees_anothers(acme, note, make_customer):
    rival = client(make_customer("rival"))
    assert rival.get("/v1/credit-notes").json()["results"] == []
    assert rival.get("/v1/credit-notes/CN-000001").status_code == 404
    assert APIClient().get("/v1/credit-notes").status_code == 401
    assert client(acme, Scope.EVENTS_WRITE).get("/v1/credit-notes").status_code == 403
