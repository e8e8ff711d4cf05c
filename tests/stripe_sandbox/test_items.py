"""Quantity times unit amount is rounded line by line; invoice items float until they are swept in."""

import pytest
import stripe

from tests.stripe_sandbox.scene import add_customer, add_draft, add_open


def priced(unit_amount, quantity=None, currency="usd", **price):
    data = {"currency": currency, "product": "prod_x", "unit_amount_decimal": unit_amount, **price}
    return {"price_data": data} | ({} if quantity is None else {"quantity_decimal": quantity})


@pytest.mark.parametrize(
    ("unit_amount", "quantity", "amount"),
    [("0.05", "30", 2), ("0.05", "29", 1), ("-0.05", "30", -2), ("19.6451612903", "2.5", 49), ("0.5", "1", 1)],
)
def test_a_line_of_quantity_times_unit_amount_is_rounded_once(client, unit_amount, quantity, amount):
    draft = add_draft(client, add_customer(client))
    made = client.v1.invoices.add_lines(draft.id, {"lines": [priced(unit_amount, quantity)]})
    assert (made.total, made.lines.data[0].amount) == (amount, amount)


def test_lines_are_rounded_before_they_are_added_up(client):
    """81 lines of half a cent are 0.81 at Stripe and 0.41 in truth: why we send amounts (stripe.md D4, C5)."""
    draft = add_draft(client, add_customer(client))
    made = client.v1.invoices.add_lines(draft.id, {"lines": [priced("0.5")] * 81})
    assert made.total == 81


def test_a_line_tells_its_quantity_and_its_price(client):
    draft = add_draft(client, add_customer(client))
    whole, part = client.v1.invoices.add_lines(
        draft.id, {"lines": [priced("12.5", "4"), priced("10", "0.5")]}
    ).lines.data
    assert (whole.quantity, str(whole.quantity_decimal), str(whole.pricing.unit_amount_decimal)) == (4, "4", "12.5")
    assert (part.quantity, str(part.quantity_decimal)) == (None, "0.5")


@pytest.mark.parametrize(
    "line",
    [
        {"amount": 5, "quantity": 2},
        {"amount": 5, **priced("5")},
        priced("5", currency="eur"),
        {"description": "no price"},
    ],
)
def test_a_line_has_an_amount_or_a_price_in_the_invoices_currency(client, line):
    draft = add_draft(client, add_customer(client))
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.invoices.add_lines(draft.id, {"lines": [line]})


def test_an_item_is_added_to_the_draft_it_names(client):
    customer = add_customer(client)
    draft = add_draft(client, customer, 100)
    asked = {"customer": customer.id, "invoice": draft.id, "unit_amount_decimal": "0.25", "quantity": 2}
    item = client.v1.invoice_items.create(asked)
    assert (item.amount, item.invoice) == (1, draft.id)
    after = client.v1.invoices.retrieve(draft.id)
    assert (after.total, after.lines.data[1].parent.invoice_item_details.invoice_item) == (101, item.id)
    with pytest.raises(stripe.InvalidRequestError, match="on no invoice"):
        client.v1.invoice_items.delete(item.id)


def test_a_floating_item_is_swept_into_whatever_includes_pending_ones(client):
    """Why we never leave one (stripe.md D3, C4)."""
    customer = add_customer(client)
    item = client.v1.invoice_items.create({"customer": customer.id, "amount": 700, "currency": "usd"})
    assert add_draft(client, customer, pending_invoice_items_behavior="exclude").total == 0
    assert add_draft(client, customer).total == 0, "excluding is the default"
    swept = add_draft(client, customer, pending_invoice_items_behavior="include")
    assert (swept.total, client.v1.invoice_items.retrieve(item.id).invoice) == (700, swept.id)
    assert client.v1.invoice_items.list({"pending": True}).data == []


def test_a_floating_item_can_be_deleted(client):
    customer = add_customer(client)
    item = client.v1.invoice_items.create({"customer": customer.id, "amount": 700, "currency": "usd"})
    assert [one.id for one in client.v1.invoice_items.list({"customer": customer.id, "pending": True}).data] == [
        item.id
    ]
    assert client.v1.invoice_items.delete(item.id).deleted is True


def test_an_item_may_be_priced_by_unit_and_is_rounded_once(client):
    customer = add_customer(client)
    draft = add_draft(client, customer)
    asked = {"customer": customer.id, "invoice": draft.id, **priced("0.05", "30")}
    assert client.v1.invoice_items.create(asked).amount == 2
    assert client.v1.invoices.retrieve(draft.id).total == 2


def test_an_item_counts_among_the_250(client):
    customer = add_customer(client)
    draft = add_draft(client, customer, *([1] * 250))
    with pytest.raises(stripe.InvalidRequestError, match="up to 250") as caught:
        client.v1.invoice_items.create({"customer": customer.id, "invoice": draft.id, "amount": 1})
    assert caught.value.http_status == 400


def test_an_item_for_another_customer_or_a_finalized_invoice_is_refused(client):
    acme, rival = add_customer(client), add_customer(client)
    with pytest.raises(stripe.InvalidRequestError, match="another customer"):
        client.v1.invoice_items.create({"customer": rival.id, "invoice": add_draft(client, acme).id, "amount": 1})
    with pytest.raises(stripe.InvalidRequestError, match="draft"):
        client.v1.invoice_items.create({"customer": acme.id, "invoice": add_open(client, acme, 100).id, "amount": 1})


@pytest.mark.parametrize(
    ("currency", "good", "bad"), [("isk", 150_000, 150_050), ("kwd", 5120, 5124), ("bhd", 9990, 9999)]
)
def test_an_amount_finer_than_the_currency_is_used_is_refused(client, currency, good, bad):
    customer = add_customer(client)
    draft = add_draft(client, customer, currency=currency)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.add_lines(draft.id, {"lines": [{"amount": bad}]})
    assert caught.value.code == "invalid_charge_amount_no_decimal_compatible"
    assert client.v1.invoices.add_lines(draft.id, {"lines": [{"amount": good}]}).total == good


def test_a_currency_without_decimals_takes_whole_units(client):
    invoice = add_open(client, add_customer(client), 1235, currency="jpy")
    assert (invoice.total, invoice.amount_due) == (1235, 1235)
