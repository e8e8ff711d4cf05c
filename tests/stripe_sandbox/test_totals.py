"""The sum of the lines, the customer's balance and the smallest charge decide what is due."""

import pytest
import stripe

from billing.stripe.sandbox.currencies import format_amount
from tests.stripe_sandbox.scene import add_customer, add_draft, add_open, with_card


def test_an_invoice_of_nothing_is_paid_when_finalized(client):
    invoice = add_open(client, add_customer(client), 500, -500)
    assert (invoice.status, invoice.total, invoice.amount_due) == ("paid", 0, 0)
    assert client.v1.invoice_payments.list({"invoice": invoice.id}).data == []


def test_what_is_too_small_to_charge_is_paid_and_moves_to_the_balance(client):
    customer = add_customer(client)
    invoice = add_open(client, customer, 49)
    assert (invoice.status, invoice.total, invoice.amount_due, invoice.ending_balance) == ("paid", 49, 0, 49)
    assert client.v1.customers.retrieve(customer.id).balance == 49
    following = add_open(client, customer, 100)
    assert (following.amount_due, following.starting_balance, following.ending_balance) == (149, 49, 0)
    assert client.v1.customers.retrieve(customer.id).balance == 0


def test_a_credit_balance_is_applied_first(client):
    customer = add_customer(client, balance=-300, **with_card())
    invoice = add_open(client, customer, 1000)
    assert (invoice.total, invoice.amount_due, invoice.starting_balance, invoice.ending_balance) == (1000, 700, -300, 0)
    assert client.v1.invoices.pay(invoice.id).amount_paid == 700


def test_a_larger_credit_balance_pays_the_invoice_and_keeps_the_rest(client):
    customer = add_customer(client, balance=-1500)
    assert add_open(client, customer, 1000).status == "paid"
    assert client.v1.customers.retrieve(customer.id).balance == -500


def test_a_negative_total_becomes_credit(client):
    customer = add_customer(client)
    assert add_open(client, customer, -250).status == "paid"
    assert client.v1.customers.retrieve(customer.id).balance == -250


def test_voiding_gives_the_applied_balance_back(client):
    customer = add_customer(client, balance=-300)
    invoice = add_open(client, customer, 1000)
    client.v1.invoices.void_invoice(invoice.id)
    assert client.v1.customers.retrieve(customer.id).balance == -300


def test_a_balance_in_another_currency_is_not_touched(client):
    customer = add_customer(client)
    add_open(client, customer, 49)
    invoice = add_open(client, customer, 1000, currency="eur")
    assert (invoice.amount_due, invoice.starting_balance) == (1000, 0)
    assert client.v1.customers.retrieve(customer.id).balance == 49


@pytest.mark.parametrize(("currency", "below", "enough"), [("usd", 49, 50), ("gbp", 29, 30), ("jpy", 49, 50)])
def test_the_smallest_charge_is_the_currencys(client, currency, below, enough):
    assert add_open(client, add_customer(client), below, currency=currency).status == "paid"
    assert add_open(client, add_customer(client), enough, currency=currency).status == "open"


def test_an_unknown_currency_is_refused(client):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        add_draft(client, add_customer(client), currency="xau")
    assert caught.value.param == "currency"


def test_an_invoice_holds_250_lines_and_no_more(client):
    draft = add_draft(client, add_customer(client), *([1] * 249))
    assert client.v1.invoices.add_lines(draft.id, {"lines": [{"amount": 1}]}).total == 250
    with pytest.raises(stripe.InvalidRequestError, match="up to 250") as caught:
        client.v1.invoices.add_lines(draft.id, {"lines": [{"amount": 1}]})
    assert caught.value.http_status == 400
    assert client.v1.invoices.retrieve(draft.id).total == 250


def test_lines_are_added_all_or_none(client):
    draft = add_draft(client, add_customer(client), 100)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.add_lines(draft.id, {"lines": [{"amount": 1}, {"description": "no amount"}]})
    assert (caught.value.code, caught.value.param) == ("parameter_missing", "lines[1][amount]")
    assert client.v1.invoices.retrieve(draft.id).total == 100


@pytest.mark.parametrize(
    ("amount", "code", "written"),
    [
        (123456, "usd", "$1,234.56"),
        (-5, "eur", "-€0.05"),
        (0, "gbp", "£0.00"),
        (1235, "jpy", "¥1,235"),
        (12345678901234567, "usd", "$123,456,789,012,345.67"),
    ],
)
def test_amounts_are_written_by_the_currencys_exponent(amount, code, written):
    assert format_amount(amount=amount, code=code) == written
