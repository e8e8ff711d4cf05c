"""Customers, their cards and their portal."""

import pytest
import requests
import stripe

from tests.stripe_sandbox.scene import add_customer, add_draft, add_open, with_card


def test_a_customer_keeps_what_it_was_given(client):
    address = {"line1": "1 High St", "city": "Leeds", "country": "GB", "postal_code": "LS1"}
    customer = add_customer(client, address=address, tax_exempt="reverse", preferred_locales=["en-GB"])
    found = client.v1.customers.retrieve(customer.id)
    assert (found.name, found.tax_exempt, found.address.city, found.address.line2) == ("Acme", "reverse", "Leeds", None)
    assert found.preferred_locales == ["en-GB"]


def test_an_update_changes_what_is_given_and_an_empty_value_unsets(client):
    customer = add_customer(client, description="first")
    changed = client.v1.customers.update(customer.id, {"name": "Acme Ltd", "description": ""})
    assert (changed.name, changed.description, changed.email) == ("Acme Ltd", None, "billing@acme.example")


def test_a_deleted_customer_says_so_and_gets_no_more_invoices(client):
    customer = add_customer(client)
    assert client.v1.customers.delete(customer.id).deleted is True
    assert client.v1.customers.retrieve(customer.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError) as caught:
        add_draft(client, customer)
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, "resource_missing", "customer")
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.customers.update(customer.id, {"name": "Back"})
    assert client.v1.customers.list().data == []


def test_customers_are_found_by_e_mail(client):
    add_customer(client)
    rival = add_customer(client, email="rival@example.com")
    assert [one.id for one in client.v1.customers.list({"email": "rival@example.com"}).data] == [rival.id]


def test_an_invoice_copies_the_customer_as_it_was(client):
    customer = add_customer(client)
    invoice = add_open(client, customer, 4200)
    client.v1.customers.update(customer.id, {"name": "Acme Ltd"})
    assert client.v1.invoices.retrieve(invoice.id).customer_name == "Acme"


def test_a_test_token_becomes_one_card_on_file_and_the_default(client):
    customer = add_customer(client, **with_card())
    cards = client.v1.customers.payment_methods.list(customer.id).data
    assert [card.card.last4 for card in cards] == ["4242"]
    assert customer.invoice_settings.default_payment_method == cards[0].id


def test_a_card_is_attached_made_the_default_and_detached(client):
    customer = add_customer(client)
    card = client.v1.payment_methods.attach("pm_card_mastercard", {"customer": customer.id})
    client.v1.customers.update(customer.id, {"invoice_settings": {"default_payment_method": card.id}})
    invoice = add_open(client, customer, 4200)
    assert client.v1.invoices.pay(invoice.id).status == "paid"
    assert client.v1.payment_methods.detach(card.id).customer is None
    assert client.v1.customers.retrieve(customer.id).invoice_settings.default_payment_method is None
    assert client.v1.payment_methods.list({"customer": customer.id, "type": "card"}).data == []
    assert client.v1.payment_methods.retrieve(card.id).card.brand == "mastercard"


def test_a_card_belongs_to_one_customer(client):
    acme, rival = add_customer(client, **with_card()), add_customer(client)
    card = acme.invoice_settings.default_payment_method
    with pytest.raises(stripe.InvalidRequestError, match="already been attached"):
        client.v1.payment_methods.attach(card, {"customer": rival.id})
    with pytest.raises(stripe.InvalidRequestError, match="must be attached"):
        client.v1.customers.update(rival.id, {"invoice_settings": {"default_payment_method": card}})
    invoice = add_open(client, rival, 4200)
    with pytest.raises(stripe.InvalidRequestError, match="belongs to another customer"):
        client.v1.invoices.pay(invoice.id, {"payment_method": card})


def test_a_portal_session_shows_that_customers_invoices_for_an_hour(client, clock):
    acme, rival = add_customer(client), add_customer(client, name="Rival")
    ours, theirs = add_open(client, acme, 4200), add_open(client, rival, 4200)
    session = client.v1.billing_portal.sessions.create(
        {"customer": acme.id, "return_url": "https://agentmeter.example/billing"}
    )
    shown = requests.get(session.url, timeout=10)
    assert ours.number in shown.text
    assert theirs.number not in shown.text
    assert 'href="https://agentmeter.example/billing"' in shown.text
    clock.now += 3600
    assert requests.get(session.url, timeout=10).status_code == 404


@pytest.mark.parametrize("url", ["javascript:alert(1)", "ftp://example.com", "nonsense"])
def test_a_portal_leads_back_to_a_web_page_only(client, url):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.billing_portal.sessions.create({"customer": add_customer(client).id, "return_url": url})
    assert caught.value.code == "url_invalid"
