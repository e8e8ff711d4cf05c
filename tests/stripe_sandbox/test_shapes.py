"""What the sandbox answers has every field that the SDK's annotations promise."""

from typing import get_args

import pytest
import stripe

from billing.stripe.sandbox.routes import ROUTES
from tests.stripe_sandbox.scene import add_customer, add_open, event_types, with_card


def promised(resource):
    """The fields that are never absent: annotated, no class variable, not Optional."""
    hints = resource.__annotations__
    return {name for name, hint in hints.items() if "ClassVar" not in str(hint) and type(None) not in get_args(hint)}


def nullable_but_present(resource):
    """Fields that may be null but are always sent: ids of other objects, and enums that may be null."""
    hints = resource.__annotations__
    return {name for name, hint in hints.items() if type(None) in get_args(hint) and len(get_args(hint)) > 2}


def check(resource, sent):
    present = set(sent)
    assert promised(resource) <= present, f"{resource.__name__} lacks {promised(resource) - present}"
    assert nullable_but_present(resource) <= present
    unknown = present - set(resource.__annotations__)
    assert not unknown, f"{resource.__name__} has {unknown}, which Stripe does not send"
    for name in promised(resource):
        assert sent[name] is not None, f"{resource.__name__}.{name} is null"
    for name, inner in getattr(resource, "_inner_class_types", {}).items():
        for part in sent[name] if isinstance(sent.get(name), list) else [sent.get(name)]:
            if part:
                check(inner, part)


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
        check(stripe.Invoice, invoice.to_dict())


def test_a_line_is_whole(paid):
    check(stripe.InvoiceLineItem, paid.lines.data[0].to_dict())


def test_a_customer_is_whole(client, paid):
    check(stripe.Customer, client.v1.customers.retrieve(paid.customer).to_dict())


def test_an_invoice_payment_and_its_intent_are_whole(client, paid):
    payment = client.v1.invoice_payments.list({"invoice": paid.id}).data[0]
    check(stripe.InvoicePayment, payment.to_dict())
    check(stripe.PaymentIntent, client.v1.payment_intents.retrieve(payment.payment.payment_intent).to_dict())


def test_a_payment_method_is_whole(client, paid):
    check(stripe.PaymentMethod, client.v1.payment_methods.list({"customer": paid.customer}).data[0].to_dict())


def test_a_portal_session_is_whole(client, paid):
    session = client.v1.billing_portal.sessions.create({"customer": paid.customer})
    check(stripe.billing_portal.Session, session.to_dict())


def test_an_event_is_whole_and_of_a_type_that_stripe_has(client, paid):
    for event in client.v1.events.list({"limit": 100}).data:
        check(stripe.Event, event.to_dict())
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
