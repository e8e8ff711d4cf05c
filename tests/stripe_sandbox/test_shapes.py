"""What the sandbox answers has every member that the SDK's annotations promise, and no other.

The sandbox holds each of its answers against them by itself; here is what it does so for, and that it would be seen.
"""

from typing import get_args

import pytest
import stripe

from billing.stripe.sandbox import portal
from billing.stripe.sandbox.conformance import require
from billing.stripe.sandbox.errors import NonconformingAnswerError
from billing.stripe.sandbox.routes import ROUTES
from tests.stripe_sandbox.scene import add_customer, add_open, event_types, with_card


@pytest.fixture
def paid(client):
    customer = add_customer(client, address={"city": "Leeds"}, **with_card())
    invoice = add_open(client, customer, 4200, description="November", footer="Thank you")
    return client.v1.invoices.pay(invoice.id)


def test_an_invoice_is_whole_in_every_status(client, paid):
    customer = client.v1.customers.retrieve(paid.customer)
    draft = client.v1.invoices.create({"customer": customer.id})
    opened = add_open(client, customer, 4200)
    for invoice in (paid, draft, opened, client.v1.invoices.void_invoice(opened.id)):
        require(body=invoice.to_dict(for_json=True))


def test_a_line_is_whole(paid):
    require(body=paid.lines.data[0].to_dict(for_json=True))


def test_a_customer_is_whole(client, paid):
    require(body=client.v1.customers.retrieve(paid.customer).to_dict(for_json=True))


def test_an_invoice_payment_and_its_intent_are_whole(client, paid):
    payment = client.v1.invoice_payments.list({"invoice": paid.id}).data[0]
    require(body=payment.to_dict(for_json=True))
    require(body=client.v1.payment_intents.retrieve(payment.payment.payment_intent).to_dict(for_json=True))


def test_a_payment_method_is_whole(client, paid):
    require(body=client.v1.payment_methods.list({"customer": paid.customer}).data[0].to_dict(for_json=True))


def test_a_portal_session_is_whole(client, paid):
    session = client.v1.billing_portal.sessions.create({"customer": paid.customer})
    require(body=session.to_dict(for_json=True))


def test_an_event_is_whole_and_of_a_type_that_stripe_has(client, paid):
    for event in client.v1.events.list({"limit": 100}).data:
        require(body=event.to_dict(for_json=True))
    known = set(get_args(stripe.Event.__annotations__["type"]))
    assert set(event_types(client)) <= known


def test_ids_look_like_stripes(client, paid):
    payment = client.v1.invoice_payments.list({"invoice": paid.id}).data[0]
    event = client.v1.events.list().data[0]
    ids = [paid.customer, paid.id, paid.lines.data[0].id, payment.payment.payment_intent, payment.id, event.id]
    assert [one.split("_")[0] for one in ids] == ["cus", "in", "il", "pi", "inpay", "evt"]
    assert all(len(one.split("_")[1]) == 24 and one.split("_")[1].isalnum() for one in ids)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.operation)
def test_every_modelled_parameter_is_one_that_stripe_has(route):
    top = {name.partition(".")[0] for name in route.modelled}
    assert top <= set(route.schema.__annotations__)


def test_a_member_too_few_too_many_or_null_is_seen(client, paid):
    invoice = paid.to_dict(for_json=True)
    settings = {**invoice["payment_settings"], "colour": "red"}
    for body in (
        {name: value for name, value in invoice.items() if name != "status_transitions"},
        {**invoice, "charge": "ch_1"},
        {**invoice, "total": None},
        {**invoice, "payment_settings": settings},
    ):
        with pytest.raises(NonconformingAnswerError):
            require(body=body)


def test_an_answer_that_stripe_would_not_give_is_a_500_of_the_sandboxs_own(client, paid, monkeypatch):
    monkeypatch.setattr(portal, "public", lambda body: {**body, "colour": "red"})
    with pytest.raises(stripe.APIError, match="colour"):
        client.v1.billing_portal.sessions.create({"customer": paid.customer})
