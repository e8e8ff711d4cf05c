"""Automatic tax: one rate a country, exact to the unit, and the ways in which finalizing fails."""

import pytest
import requests
import stripe

from tests.stripe_sandbox.scene import add_customer, add_draft, add_open, event_types

TAXED = {"automatic_tax": {"enabled": True}}


def located(client, country, **fields):
    return add_customer(client, address={"country": country, **fields})


@pytest.mark.parametrize(("country", "tax", "reason"), [("DE", 190, "standard_rated"), ("SG", 0, "not_collecting")])
def test_tax_is_added_by_the_country_of_the_customer(client, country, tax, reason):
    invoice = add_open(client, located(client, country), 700, 300, **TAXED)
    assert (invoice.subtotal, invoice.total, invoice.total_excluding_tax) == (1000, 1000 + tax, 1000)
    assert invoice.automatic_tax.status == "complete"
    (told,) = invoice.total_taxes
    assert (told.amount, told.taxable_amount, told.taxability_reason) == (tax, 1000, reason)
    rate = client.v1.tax_rates.retrieve(told.tax_rate_details.tax_rate)
    assert (rate.country, rate.percentage) == (country, 19 if tax else 0)


def test_each_line_is_taxed_and_rounded_by_itself(client):
    invoice = add_open(client, located(client, "DE"), 3, 3, 3, **TAXED)
    assert [line.taxes[0].amount for line in invoice.lines.data] == [1, 1, 1]
    assert invoice.total == 12


def test_inclusive_tax_is_within_the_price(client):
    draft = add_draft(client, located(client, "DE"), **TAXED)
    price = {"currency": "usd", "unit_amount": 1190, "product": "prod_x", "tax_behavior": "inclusive"}
    taxed = client.v1.invoices.add_lines(draft.id, {"lines": [{"price_data": price}]})
    assert (taxed.total, taxed.total_excluding_tax, taxed.total_taxes[0].amount) == (1190, 1000, 190)


@pytest.mark.parametrize(("exempt", "reason"), [("exempt", "customer_exempt"), ("reverse", "reverse_charge")])
def test_an_exempt_customer_pays_none_and_is_told_why(client, exempt, reason):
    customer = add_customer(client, address={"country": "DE"}, tax_exempt=exempt)
    invoice = add_open(client, customer, 1000, **TAXED)
    assert (invoice.total, invoice.total_taxes[0].taxability_reason) == (1000, reason)


def test_finalizing_fails_without_a_location_and_succeeds_once_there_is_one(client):
    customer = located(client, "US")
    draft = add_draft(client, customer, 1000, **TAXED)
    assert draft.automatic_tax.status == "requires_location_inputs"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.finalize_invoice(draft.id)
    assert (caught.value.http_status, caught.value.code) == (400, "customer_tax_location_invalid")
    failed = client.v1.invoices.retrieve(draft.id)
    assert (failed.status, failed.last_finalization_error.code) == ("draft", "customer_tax_location_invalid")
    assert event_types(client)[-1] == "invoice.finalization_failed"
    client.v1.customers.update(customer.id, {"address": {"country": "US", "postal_code": "94103"}})
    assert client.v1.invoices.finalize_invoice(draft.id).status == "open"


def test_finalizing_fails_while_stripe_tax_is_down_and_says_failed(client, sandbox):
    draft = add_draft(client, located(client, "DE"), 1000, **TAXED)
    fault = {"operation": "invoices.finalize", "kind": "tax_down"}
    requests.post(f"{sandbox.base_url}/_sandbox/faults", json=fault, timeout=10)
    with pytest.raises(stripe.InvalidRequestError, match="Stripe Tax"):
        client.v1.invoices.finalize_invoice(draft.id)
    assert client.v1.invoices.retrieve(draft.id).automatic_tax.status == "failed"
    assert client.v1.invoices.finalize_invoice(draft.id).total == 1190


def test_automatic_tax_goes_with_neither_negative_lines_nor_unspecified_behaviour_nor_taxes_by_hand(client):
    draft = add_draft(client, located(client, "DE"), 1000, **TAXED)
    price = {"currency": "usd", "unit_amount": 5, "product": "prod_x", "tax_behavior": "unspecified"}
    by_hand = {
        "amount": 1,
        "taxable_amount": 5,
        "tax_rate_data": {"display_name": "VAT", "percentage": 20, "inclusive": False},
    }
    for line in ({"amount": -5}, {"price_data": price}, {"amount": 5, "tax_amounts": [by_hand]}):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.invoices.add_lines(draft.id, {"lines": [line]})
        assert caught.value.param == "automatic_tax[enabled]"
    assert client.v1.invoices.retrieve(draft.id).total == 1190


def test_taxes_by_hand_are_taken_as_they_are(client):
    draft = add_draft(client, add_customer(client))
    tax = {
        "amount": 191,
        "taxable_amount": 1000,
        "tax_rate_data": {"display_name": "MwSt", "percentage": 19, "inclusive": False, "country": "DE"},
    }
    taxed = client.v1.invoices.add_lines(draft.id, {"lines": [{"amount": 1000, "tax_amounts": [tax]}]})
    assert (taxed.subtotal, taxed.total) == (1000, 1191)


def test_a_customers_location_is_checked_at_once_where_asked(client):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        add_customer(client, tax={"validate_location": "immediately"})
    assert caught.value.code == "customer_tax_location_invalid"
    assert add_customer(client, address={"country": "DE"}, tax={"validate_location": "immediately"}).id


def calculate(client, country="DE", **params):
    lines = [{"amount": 1000, "reference": "1"}, {"amount": 33, "reference": "2", "tax_behavior": "inclusive"}]
    details = {"address": {"country": country}, "address_source": "billing"}
    return client.v1.tax.calculations.create(
        {"currency": "eur", "line_items": lines, "customer_details": details, **params}
    )


def test_a_calculation_tells_the_tax_of_each_line(client):
    made = calculate(client, expand=["line_items.data.tax_breakdown"])
    assert (made.amount_total, made.tax_amount_exclusive, made.tax_amount_inclusive) == (1223, 190, 5)
    assert [(line.reference, line.amount_tax) for line in made.line_items.data] == [("1", 190), ("2", 5)]
    assert {(one.amount, one.tax_rate_details.percentage_decimal) for one in made.tax_breakdown} == {
        (190, "19"),
        (5, "19"),
    }
    assert "line_items" not in client.v1.tax.calculations.retrieve(made.id), "only where it is asked for"
    assert len(client.v1.tax.calculations.line_items.list(made.id).data) == 2


def test_a_calculation_becomes_one_transaction_which_is_reversed(client, clock):
    made = calculate(client)
    kept = client.v1.tax.transactions.create_from_calculation(
        {"calculation": made.id, "reference": "AM-000001", "expand": ["line_items"]}
    )
    assert (kept.reference, kept.type) == ("AM-000001", "transaction")
    with pytest.raises(stripe.InvalidRequestError, match="in use already"):
        client.v1.tax.transactions.create_from_calculation({"calculation": made.id, "reference": "AM-000001"})
    asked = {"mode": "full", "original_transaction": kept.id, "reference": "CN-1", "expand": ["line_items"]}
    back = client.v1.tax.transactions.create_reversal(asked)
    assert back.reversal.original_transaction == kept.id
    assert [(line.amount, line.amount_tax) for line in back.line_items.data] == [(-1000, -190), (-33, -5)]
    part = client.v1.tax.transactions.create_reversal(
        {**asked, "mode": "partial", "flat_amount": -100, "reference": "CN-2"}
    )
    assert sum(line.amount + line.amount_tax for line in part.line_items.data) == -100
    assert client.v1.tax.transactions.retrieve(part.id).type == "reversal"
    clock.now += 90 * 86_400
    with pytest.raises(stripe.InvalidRequestError, match="expired"):
        client.v1.tax.calculations.retrieve(made.id)


def test_a_calculation_without_a_location_is_refused(client):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        calculate(client, country="US")
    assert caught.value.code == "customer_tax_location_invalid"
