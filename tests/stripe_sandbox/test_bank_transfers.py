"""A customer that pays by bank transfer has a cash balance, which pays its open invoices by itself."""

import pytest
import stripe

from tests.stripe_sandbox.scene import add_customer, add_open, event_types

BY_TRANSFER = {
    "collection_method": "send_invoice",
    "days_until_due": 14,
    "payment_settings": {
        "payment_method_types": ["customer_balance"],
        "payment_method_options": {
            "customer_balance": {
                "funding_type": "bank_transfer",
                "bank_transfer": {"type": "eu_bank_transfer", "eu_bank_transfer": {"country": "DE"}},
            }
        },
    },
}


@pytest.fixture
def customer(client):
    return add_customer(client)


def transfer(client, customer, amount, currency="eur"):
    return client.v1.test_helpers.customers.fund_cash_balance(customer.id, {"amount": amount, "currency": currency})


def bill(client, customer, amount):
    return add_open(client, customer, amount, currency="eur", **BY_TRANSFER)


def status(client, invoice):
    return client.v1.invoices.retrieve(invoice.id).status


def test_funding_pays_the_open_invoice_of_that_amount(client, customer):
    older, exact = bill(client, customer, 1000), bill(client, customer, 4200)
    movement = transfer(client, customer, 4200)
    assert (movement.type, movement.net_amount, movement.ending_balance) == ("funded", 4200, 4200)
    assert [status(client, one) for one in (older, exact)] == ["open", "paid"]
    payment = client.v1.invoice_payments.list({"invoice": exact.id, "status": "paid"}).data[0]
    assert payment.amount_paid == 4200
    intent = client.v1.payment_intents.retrieve(payment.payment.payment_intent)
    charge = client.v1.charges.retrieve(intent.latest_charge)
    assert (intent.status, charge.payment_method_details.type) == ("succeeded", "customer_balance")
    assert client.v1.customers.cash_balance.retrieve(customer.id).available is None


def test_more_money_pays_the_oldest_first_and_the_rest_stays(client, customer):
    invoices = [bill(client, customer, amount) for amount in (1000, 2000, 9000)]
    transfer(client, customer, 3500)
    assert [status(client, one) for one in invoices] == ["paid", "paid", "open"]
    assert client.v1.customers.cash_balance.retrieve(customer.id).available.to_dict() == {"eur": 500}


def test_less_money_waits_until_there_is_enough(client, customer):
    invoice = bill(client, customer, 4200)
    transfer(client, customer, 4000)
    assert status(client, invoice) == "open"
    assert "payment_intent.partially_funded" in event_types(client)
    transfer(client, customer, 200)
    assert status(client, invoice) == "paid"
    kinds = [one.type for one in client.v1.customers.cash_balance_transactions.list(customer.id).data]
    assert kinds == ["applied_to_payment", "funded", "funded"]


def test_money_in_another_currency_and_invoices_by_card_are_left_alone(client, customer):
    by_card = add_open(client, customer, 4200, currency="eur")
    invoice = bill(client, customer, 4200)
    transfer(client, customer, 4200, "usd")
    assert [status(client, one) for one in (by_card, invoice)] == ["open", "open"]


def test_a_card_does_not_pay_an_invoice_that_takes_transfers_only(client, customer):
    invoice = bill(client, customer, 4200)
    with pytest.raises(stripe.InvalidRequestError, match="customer_balance"):
        client.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_visa"})


def test_the_customer_is_told_where_to_transfer_to(client, customer):
    asked = {"type": "eu_bank_transfer", "eu_bank_transfer": {"country": "DE"}}
    told = client.v1.customers.funding_instructions.create(
        customer.id, {"bank_transfer": asked, "currency": "eur", "funding_type": "bank_transfer"}
    )
    assert told.bank_transfer.financial_addresses[0].iban.iban.startswith("DE")


def test_nothing_is_no_transfer(client, customer):
    with pytest.raises(stripe.InvalidRequestError):
        transfer(client, customer, 0)
