"""One whole life of an invoice, told the same way by the sandbox and, on demand, by Stripe itself.

With STRIPE_SMOKE_KEY set to a test key (sk_test_...) of any Stripe account the same steps run against Stripe, so that
where the sandbox has drifted from it is seen. Nothing but this file talks to Stripe.
"""

import os
import time

import pytest
import stripe

from billing.stripe.sandbox.conformance import require
from tests.stripe_sandbox.scene import VERSION, connect, with_card

SMOKE_KEY = os.environ.get("STRIPE_SMOKE_KEY", "")
LOUD = "STRIPE IS NOT ASKED: set STRIPE_SMOKE_KEY=sk_test_... to run the same steps against a real Stripe sandbox"


@pytest.fixture(params=["sandbox", pytest.param("stripe", marks=pytest.mark.skipif(not SMOKE_KEY, reason=LOUD))])
def api(request):
    """The API of the one or of the other."""
    if request.param == "sandbox":
        yield connect(request.getfixturevalue("sandbox")).v1
        return
    assert SMOKE_KEY.startswith("sk_test_"), "only a test key: these steps charge and refund cards"
    http_client = stripe.RequestsClient(timeout=(5, 30))
    yield stripe.StripeClient(SMOKE_KEY, stripe_version=VERSION, http_client=http_client).v1
    http_client.close()


@pytest.fixture
def name():
    """What tells this run's keys and numbers from those of earlier runs."""
    return f"SMOKE-{time.time_ns()}"


def seen(answer):
    """The answer, held against the SDK's annotations."""
    require(body=answer.to_dict(for_json=True))
    return answer


def test_an_invoice_is_drafted_finalized_charged_credited_and_refunded(api, name):
    def key(step):
        return {"idempotency_key": f"{name}:{step}"}

    customer = seen(api.customers.create({"name": "Acme", "email": "billing@acme.example", **with_card()}, key("cus")))
    draft = {
        "auto_advance": False,
        "automatic_tax": {"enabled": False},
        "collection_method": "charge_automatically",
        "currency": "eur",
        "customer": customer.id,
        "metadata": {"agentmeter_invoice": name},
        "number": name,
        "pending_invoice_items_behavior": "exclude",
    }
    invoice = seen(api.invoices.create(draft, key("draft")))
    assert (invoice.status, invoice.total) == ("draft", 0)
    lines = [{"amount": amount, "description": f"Line {amount}"} for amount in (2900, 1234)]
    assert seen(api.invoices.add_lines(invoice.id, {"lines": lines}, key("lines"))).total == 4134
    again = api.invoices.add_lines(invoice.id, {"lines": lines}, key("lines"))
    assert (again.total, again.last_response.headers["Idempotent-Replayed"]) == (4134, "true")
    with pytest.raises(stripe.IdempotencyError) as caught:
        api.invoices.add_lines(invoice.id, {"lines": lines[:1]}, key("lines"))
    assert caught.value.http_status == 400
    opened = seen(api.invoices.finalize_invoice(invoice.id, {"auto_advance": False}, key("finalize")))
    assert (opened.status, opened.number, opened.amount_due) == ("open", name, 4134)
    paid = seen(api.invoices.pay(invoice.id, {"off_session": True}, key("pay")))
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 4134, 0)
    (payment,) = api.invoice_payments.list({"invoice": invoice.id, "status": "paid"}).data
    assert (seen(payment).amount_paid, payment.payment.type) == (4134, "payment_intent")
    asked = {"payment_intent": payment.payment.payment_intent, "amount": 1234, "metadata": {"agentmeter_refund": name}}
    refund = seen(api.refunds.create(asked, key("refund")))
    note = {"invoice": invoice.id, "amount": 1234, "refunds": [{"refund": refund.id, "amount_refunded": 1234}]}
    credited = seen(api.credit_notes.create({**note, "email_type": "none"}, key("note")))
    assert (credited.amount, credited.post_payment_amount, credited.status) == (1234, 1234, "issued")
    with pytest.raises(stripe.InvalidRequestError):
        api.credit_notes.create({"invoice": invoice.id, "amount": 5000, "out_of_band_amount": 5000})
    with pytest.raises(stripe.InvalidRequestError):
        api.invoices.void_invoice(invoice.id)
    assert api.customers.delete(customer.id).deleted is True
    assert api.customers.retrieve(customer.id).deleted is True


def test_a_card_declines_and_the_invoice_stays_open(api, name):
    customer = api.customers.create({"email": "d@acme.example", **with_card("pm_card_chargeCustomerFail")})
    invoice = api.invoices.create({"customer": customer.id, "currency": "eur", "auto_advance": False, "number": name})
    api.invoices.add_lines(invoice.id, {"lines": [{"amount": 4200, "description": "Line"}]})
    api.invoices.finalize_invoice(invoice.id, {"auto_advance": False})
    with pytest.raises(stripe.CardError) as caught:
        api.invoices.pay(invoice.id, {"off_session": True})
    assert (caught.value.http_status, caught.value.code) == (402, "card_declined")
    after = seen(api.invoices.retrieve(invoice.id))
    assert (after.status, after.attempted, after.attempt_count) == ("open", True, 1)
    assert seen(api.invoices.void_invoice(invoice.id)).status == "void"
    api.customers.delete(customer.id)


def test_quantity_times_unit_amount_is_rounded_by_the_line(api, name):
    """The tie is what the documentation leaves open (stripe.md C5); why we send amounts."""
    customer = api.customers.create({"email": "r@acme.example"})
    prices = [("0.05", "30"), ("0.5", "1"), ("1.5", "1"), ("2.5", "1")]
    amounts = []
    for price, quantity in prices:
        asked = {"customer": customer.id, "currency": "usd", "unit_amount_decimal": price, "quantity_decimal": quantity}
        amounts.append(seen(api.invoice_items.create(asked)).amount)
    assert amounts == [2, 1, 2, 3]
    api.customers.delete(customer.id)
