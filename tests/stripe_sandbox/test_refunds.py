"""Refunds give back what came and never more; disputes take it back for the customer's bank."""

import pytest
import stripe

from billing.stripe.sandbox import refunds
from tests.stripe_sandbox.scene import add_customer, add_open, event_types, with_card


@pytest.fixture
def paid(client):
    invoice = add_open(client, add_customer(client, **with_card()), 4200)
    return client.v1.invoices.pay(invoice.id)


@pytest.fixture
def intent(client, paid):
    payment = client.v1.invoice_payments.list({"invoice": paid.id}).data[0].payment.payment_intent
    return client.v1.payment_intents.retrieve(payment)


def refund(client, intent, **params):
    return client.v1.refunds.create({"payment_intent": intent.id, **params})


def test_a_refund_without_an_amount_gives_everything_back(client, intent):
    made = refund(client, intent, metadata={"agentmeter_refund": "RF-1"}, reason="requested_by_customer")
    assert (made.amount, made.status, made.charge) == (4200, "succeeded", intent.latest_charge)
    charge = client.v1.charges.retrieve(intent.latest_charge)
    assert (charge.amount_refunded, charge.refunded) == (4200, True)
    assert event_types(client)[-2:] == ["refund.created", "charge.refunded"]


def test_the_cap_of_refunds_is_what_came(client, intent):
    refund(client, intent, amount=4000)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded amount") as caught:
        refund(client, intent, amount=201)
    assert caught.value.param == "amount"
    refund(client, intent, amount=200)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        refund(client, intent, amount=1)
    assert caught.value.code == "charge_already_refunded"


def test_what_never_came_cannot_go_back(client):
    invoice = add_open(client, add_customer(client), 4200)
    payment = client.v1.invoice_payments.list({"invoice": invoice.id}).data[0].payment.payment_intent
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        client.v1.refunds.create({"payment_intent": payment})
    with pytest.raises(stripe.InvalidRequestError):
        client.v1.refunds.create({"amount": 5})


@pytest.mark.parametrize("amount", [0, -5])
def test_a_refund_is_of_something(client, intent, amount):
    with pytest.raises(stripe.InvalidRequestError):
        refund(client, intent, amount=amount)


def test_a_refund_that_the_bank_sends_back_counts_no_longer(client, intent, sandbox):
    made = refund(client, intent, amount=4200)
    with sandbox.acting() as call:
        refunds.fail(call=call, refund=made.id)
    assert client.v1.refunds.retrieve(made.id).status == "failed"
    assert client.v1.charges.retrieve(intent.latest_charge).amount_refunded == 0
    assert "refund.failed" in event_types(client)
    assert refund(client, intent, amount=4200).status == "succeeded"


def test_refunds_are_found_by_payment_and_their_metadata_changes(client, intent):
    made = refund(client, intent, amount=100)
    assert client.v1.refunds.update(made.id, {"metadata": {"note": "x"}}).metadata.to_dict() == {"note": "x"}
    assert [one.id for one in client.v1.refunds.list({"payment_intent": intent.id}).data] == [made.id]
    assert [one.id for one in client.v1.charges.list({"payment_intent": intent.id}).data] == [intent.latest_charge]


def test_a_refused_card_leaves_a_failed_charge(client):
    invoice = add_open(client, add_customer(client, **with_card("pm_card_chargeDeclined")), 4200)
    with pytest.raises(stripe.CardError):
        client.v1.invoices.pay(invoice.id)
    (charge,) = client.v1.charges.list({"customer": invoice.customer}).data
    assert (charge.status, charge.failure_code, charge.amount_captured) == ("failed", "card_declined", 0)


@pytest.fixture
def disputed(client):
    """A charge of which its customer's bank wants the money back."""
    invoice = add_open(client, add_customer(client, **with_card("pm_card_createDispute")), 4200)
    assert client.v1.invoices.pay(invoice.id).status == "paid"
    (dispute,) = client.v1.disputes.list().data
    return dispute


def test_a_dispute_takes_the_money_and_bars_refunds(client, disputed, clock):
    assert (disputed.amount, disputed.status, disputed.reason) == (4200, "needs_response", "fraudulent")
    assert disputed.evidence_details.due_by == clock.now + 7 * 86_400
    assert client.v1.charges.retrieve(disputed.charge).disputed is True
    assert event_types(client)[-2:] == ["charge.dispute.created", "charge.dispute.funds_withdrawn"]
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"charge": disputed.charge})
    assert caught.value.code == "charge_disputed"


def test_a_dispute_is_won_by_winning_evidence_and_the_money_comes_back(client, disputed):
    won = client.v1.disputes.update(disputed.id, {"evidence": {"uncategorized_text": "winning_evidence"}})
    assert (won.status, won.evidence_details.submission_count) == ("won", 1)
    assert client.v1.charges.retrieve(disputed.charge).disputed is False
    assert event_types(client)[-2:] == ["charge.dispute.funds_reinstated", "charge.dispute.closed"]


def test_a_dispute_is_lost_by_losing_evidence_or_by_accepting_it(client, disputed):
    staged = client.v1.disputes.update(
        disputed.id, {"evidence": {"uncategorized_text": "losing_evidence"}, "submit": False}
    )
    assert staged.status == "needs_response"
    assert client.v1.disputes.close(disputed.id).status == "lost"
    assert event_types(client)[-1] == "charge.dispute.closed"
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        client.v1.disputes.close(disputed.id)


def test_other_evidence_waits_for_the_bank(client, disputed):
    sent = client.v1.disputes.update(disputed.id, {"evidence": {"product_description": "Turns"}})
    assert sent.status == "under_review"
    assert client.v1.disputes.retrieve(disputed.id).evidence.product_description == "Turns"
