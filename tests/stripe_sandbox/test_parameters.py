"""A request is held against the SDK's own parameter types, and answered in Stripe's words where it fails."""

import pytest
import requests
import stripe

from billing.stripe.sandbox import forms
from billing.stripe.sandbox.errors import InvalidParameterError
from tests.stripe_sandbox.scene import API_KEY, VERSION, add_customer, add_draft, add_open, connect


def post(sandbox, path, body, **headers):
    return requests.post(
        f"{sandbox.base_url}/v1/{path}",
        data=body,
        headers={"Authorization": f"Bearer {API_KEY}", **headers},
        timeout=10,
    )


def test_an_unknown_parameter_is_named(client):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.customers.create({"nmae": "Acme"})
    assert (caught.value.code, caught.value.param, caught.value.http_status) == ("parameter_unknown", "nmae", 400)


def test_an_unknown_parameter_deep_inside_is_named(client):
    draft = add_draft(client, add_customer(client))
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.add_lines(draft.id, {"lines": [{"amount": 1}, {"amount": 1, "unit_amount": 5}]})
    assert (caught.value.code, caught.value.param) == ("parameter_unknown", "lines[1][unit_amount]")


@pytest.mark.parametrize("removed", [{"coupon": "x"}, {"idempotency_key": "x"}, {"paid": "true"}])
def test_removed_parameters_and_leaked_options_are_unknown(sandbox, removed):
    answer = post(sandbox, "invoices", {"customer": "cus_x", **removed})
    assert answer.json()["error"]["code"] == "parameter_unknown"


@pytest.mark.parametrize("amount", [0.30000000000000004, "12.50", "1e3", "", "١٢"])
def test_money_must_be_a_whole_number(client, amount):
    draft = add_draft(client, add_customer(client))
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.add_lines(draft.id, {"lines": [{"amount": amount}]})
    assert (caught.value.code, caught.value.param) == ("parameter_invalid_integer", "lines[0][amount]")


def test_a_required_parameter_is_missed(client):
    draft = add_draft(client, add_customer(client))
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.add_lines(draft.id, {"lines": [{"amount": 1, "period": {"start": 5}}]})
    assert (caught.value.code, caught.value.param) == ("parameter_missing", "lines[0][period][end]")
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.create({"currency": "usd"})
    assert (caught.value.code, caught.value.param) == ("parameter_missing", "customer")


def test_an_enum_is_closed(client):
    with pytest.raises(stripe.InvalidRequestError, match="charge_automatically, send_invoice"):
        add_draft(client, add_customer(client), collection_method="carrier_pigeon")


def test_what_the_sandbox_does_not_model_is_refused_not_ignored(client):
    draft = add_draft(client, add_customer(client))
    with pytest.raises(stripe.InvalidRequestError, match="does not model") as caught:
        client.v1.invoices.add_lines(draft.id, {"lines": [{"amount": 5, "discounts": [{"coupon": "x"}]}]})
    assert caught.value.param == "lines.discounts"


def test_metadata_may_have_digits_for_keys_and_is_merged_and_unset(client):
    customer = add_customer(client, metadata={"0": "zero", "1": "one", "plan": "hybrid"})
    assert customer.metadata.to_dict() == {"0": "zero", "1": "one", "plan": "hybrid"}
    changed = client.v1.customers.update(customer.id, {"metadata": {"0": "", "2": "two"}})
    assert changed.metadata.to_dict() == {"1": "one", "plan": "hybrid", "2": "two"}
    assert client.v1.customers.update(customer.id, {"metadata": ""}).metadata.to_dict() == {}


@pytest.mark.parametrize("metadata", [{"k" * 41: "v"}, {"k": "v" * 501}, {f"key{index}": "v" for index in range(51)}])
def test_metadata_is_bounded(client, metadata):
    with pytest.raises(stripe.InvalidRequestError):
        add_customer(client, metadata=metadata)


def test_a_wrong_key_is_refused_and_not_repeated_in_full(sandbox):
    client = connect(sandbox, key="sk_test_someone_elses_key")
    with pytest.raises(stripe.AuthenticationError) as caught:
        client.v1.customers.list()
    assert caught.value.http_status == 401
    assert "someone_elses" not in str(caught.value)


def test_a_missing_key_is_refused_and_basic_authentication_is_understood(sandbox):
    url = f"{sandbox.base_url}/v1/customers"
    assert requests.get(url, timeout=10).status_code == 401
    assert requests.get(url, auth=(API_KEY, ""), timeout=10).status_code == 200


def test_another_api_version_is_refused(sandbox):
    with pytest.raises(stripe.InvalidRequestError, match=VERSION):
        connect(sandbox, version="2024-06-20").v1.customers.list()


def test_an_unknown_object_and_an_unknown_url_are_404(client, sandbox):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.retrieve("in_nowhere")
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    assert post(sandbox, "subscriptions", {}).status_code == 404


def test_an_unknown_object_in_a_parameter_is_400(client):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.create({"customer": "cus_nowhere"})
    assert (caught.value.http_status, caught.value.param) == (400, "customer")


def test_a_property_is_expanded_on_request(client):
    invoice = add_open(client, add_customer(client), 4200)
    assert "payments" not in invoice
    shown = client.v1.invoices.retrieve(invoice.id, {"expand": ["customer", "payments.data.payment.payment_intent"]})
    assert shown.customer.name == "Acme"
    assert shown.payments.data[0].payment.payment_intent.amount == 4200
    page = client.v1.invoices.list({"expand": ["data.customer"]})
    assert page.data[0].customer.name == "Acme"
    with pytest.raises(stripe.InvalidRequestError, match="cannot be expanded"):
        client.v1.invoices.retrieve(invoice.id, {"expand": ["number"]})


@pytest.mark.parametrize(
    "text", ["a=1&a[b]=2", "a[b]=2&a=1", "a=1&a=2", "a[[b=1", "=1", "a", "a[b][c][d][e][f][g][h][i]=1", "a=%ff"]
)
def test_a_malformed_form_is_refused(text):
    with pytest.raises(InvalidParameterError):
        forms.decode(text=text)


def test_a_form_is_nested_by_its_brackets():
    assert forms.decode(text="a=1&b[c]=2&b[d][0][e]=%C3%A9+x&f[]=3&f[]=4") == {
        "a": "1",
        "b": {"c": "2", "d": {"0": {"e": "é x"}}},
        "f": {"0": "3", "1": "4"},
    }
