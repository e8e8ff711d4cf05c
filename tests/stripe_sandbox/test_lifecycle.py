"""An invoice is drafted, finalized and paid, voided or written off, and never goes back."""

import pytest
import stripe

from tests.stripe_sandbox.scene import add_customer, add_draft, add_open, event_types, with_card


def test_a_draft_has_no_number_and_no_page(client):
    draft = add_draft(client, add_customer(client), 1500, 250)
    assert (draft.status, draft.number, draft.hosted_invoice_url) == ("draft", None, None)
    assert (draft.subtotal, draft.total, draft.amount_due) == (1750, 1750, 1750)
    assert [line.amount for line in draft.lines.data] == [1500, 250]


def test_finalizing_gives_number_page_and_pdf_and_freezes_the_sum(client):
    customer = add_customer(client)
    first, second = add_open(client, customer, 1000), add_open(client, customer, 2000)
    assert first.status == "open"
    assert first.number == f"{customer.invoice_prefix}-0001"
    assert second.number == f"{customer.invoice_prefix}-0002"
    assert first.hosted_invoice_url
    assert first.invoice_pdf
    assert first.status_transitions.finalized_at is not None
    assert (first.amount_due, first.amount_remaining, first.amount_paid) == (1000, 1000, 0)


def test_a_number_of_our_own_is_kept_and_must_be_unique(client):
    customer = add_customer(client)
    ours = add_open(client, customer, 1000, number="AM-2026-0001")
    assert ours.number == "AM-2026-0001"
    with pytest.raises(stripe.InvalidRequestError, match="already in use"):
        add_draft(client, customer, number="AM-2026-0001")
    assert add_open(client, customer, 1000).number.endswith("-0001")


def test_paying_by_the_card_on_file_settles_invoice_payment_and_intent(client):
    invoice = add_open(client, add_customer(client, **with_card()), 4200)
    paid = client.v1.invoices.pay(invoice.id)
    assert (paid.status, paid.amount_paid, paid.amount_remaining) == ("paid", 4200, 0)
    payment = client.v1.invoice_payments.list({"invoice": invoice.id, "status": "paid"}).data[0]
    assert (payment.amount_paid, payment.is_default, payment.payment.type) == (4200, True, "payment_intent")
    intent = client.v1.payment_intents.retrieve(payment.payment.payment_intent)
    assert (intent.status, intent.amount_received, intent.currency) == ("succeeded", 4200, "usd")
    assert client.v1.invoice_payments.retrieve(payment.id).id == payment.id
    found = client.v1.invoice_payments.list({"payment": {"type": "payment_intent", "payment_intent": intent.id}})
    assert [one.id for one in found.data] == [payment.id]


def test_the_events_of_a_paid_invoice_are_told_in_order(client):
    invoice = add_open(client, add_customer(client, **with_card()), 4200)
    client.v1.invoices.pay(invoice.id)
    told = event_types(client)
    milestones = ["invoice.created", "invoice.finalized", "payment_intent.succeeded", "invoice_payment.paid"]
    assert [told_type for told_type in told if told_type in milestones] == milestones
    assert told[-2:] == ["invoice.paid", "invoice.payment_succeeded"]


def test_a_declined_card_leaves_the_invoice_open_and_the_attempt_counted(client):
    invoice = add_open(client, add_customer(client, **with_card("pm_card_chargeDeclined")), 4200)
    with pytest.raises(stripe.CardError) as caught:
        client.v1.invoices.pay(invoice.id)
    assert (caught.value.http_status, caught.value.code) == (402, "card_declined")
    assert caught.value.error is not None
    assert caught.value.error.decline_code == "generic_decline"
    after = client.v1.invoices.retrieve(invoice.id)
    assert (after.status, after.attempted, after.attempt_count, after.amount_paid) == ("open", True, 1, 0)
    assert event_types(client)[-1] == "invoice.payment_failed"
    assert client.v1.invoices.pay(invoice.id, {"payment_method": "pm_card_visa"}).status == "paid"


def test_a_card_that_asks_for_authentication_leaves_the_intent_waiting(client):
    invoice = add_open(client, add_customer(client, **with_card("pm_card_authenticationRequired")), 4200)
    with pytest.raises(stripe.CardError) as caught:
        client.v1.invoices.pay(invoice.id)
    assert caught.value.code == "invoice_payment_intent_requires_action"
    intent = client.v1.invoice_payments.list({"invoice": invoice.id}).data[0].payment.payment_intent
    assert client.v1.payment_intents.retrieve(intent).status == "requires_action"
    assert event_types(client)[-1] == "invoice.payment_action_required"


def test_paying_without_any_card_is_refused(client):
    invoice = add_open(client, add_customer(client), 4200)
    with pytest.raises(stripe.InvalidRequestError, match="default_payment_method"):
        client.v1.invoices.pay(invoice.id)


def test_a_payment_made_elsewhere_pays_without_a_charge(client):
    invoice = add_open(client, add_customer(client), 4200)
    paid = client.v1.invoices.pay(invoice.id, {"paid_out_of_band": True})
    assert (paid.status, paid.amount_paid_off_stripe, paid.amount_remaining) == ("paid", 4200, 0)
    assert client.v1.invoice_payments.list({"invoice": invoice.id}).data[0].status == "canceled"


def test_voiding_cancels_the_claim_for_good(client):
    invoice = add_open(client, add_customer(client, **with_card()), 4200)
    assert client.v1.invoices.void_invoice(invoice.id).status == "void"
    with pytest.raises(stripe.InvalidRequestError, match="This one is void"):
        client.v1.invoices.pay(invoice.id)
    assert event_types(client)[-1] == "invoice.voided"


def test_an_uncollectible_invoice_may_still_be_paid(client):
    invoice = add_open(client, add_customer(client, **with_card()), 4200)
    assert client.v1.invoices.mark_uncollectible(invoice.id).status == "uncollectible"
    assert client.v1.invoices.pay(invoice.id).status == "paid"


@pytest.mark.parametrize("action", ["pay", "void_invoice", "mark_uncollectible", "finalize_invoice", "delete"])
def test_a_paid_invoice_stays_paid(client, action):
    invoice = add_open(client, add_customer(client, **with_card()), 4200)
    client.v1.invoices.pay(invoice.id)
    with pytest.raises(stripe.InvalidRequestError):
        getattr(client.v1.invoices, action)(invoice.id)
    assert client.v1.invoices.retrieve(invoice.id).status == "paid"


def test_only_a_draft_takes_lines_and_changes_of_the_claim(client):
    invoice = add_open(client, add_customer(client), 4200)
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.add_lines(invoice.id, {"lines": [{"amount": 1}]})
    assert caught.value.code == "invoice_not_editable"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.update(invoice.id, {"description": "Another"})
    assert caught.value.code == "invoice_not_editable"
    assert client.v1.invoices.update(invoice.id, {"metadata": {"note": "ours"}}).metadata["note"] == "ours"


def test_a_deleted_draft_is_gone_with_its_lines(client):
    draft = add_draft(client, add_customer(client), 4200)
    assert client.v1.invoices.delete(draft.id).deleted is True
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.invoices.retrieve(draft.id)
    assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")
    assert event_types(client)[-1] == "invoice.deleted"


def test_sending_is_for_invoices_that_are_sent(client):
    customer = add_customer(client)
    charged = add_open(client, customer, 4200)
    with pytest.raises(stripe.InvalidRequestError, match="collection method"):
        client.v1.invoices.send_invoice(charged.id)
    sent = add_open(client, customer, 4200, collection_method="send_invoice", days_until_due=14)
    assert client.v1.invoices.send_invoice(sent.id).due_date == sent.created + 14 * 86_400
    assert event_types(client)[-1] == "invoice.sent"


def test_sending_needs_a_due_date(client):
    with pytest.raises(stripe.InvalidRequestError) as caught:
        add_draft(client, add_customer(client), collection_method="send_invoice")
    assert caught.value.param == "days_until_due"


def test_nothing_advances_by_itself_and_the_sandbox_says_so(client):
    with pytest.raises(stripe.InvalidRequestError, match="auto_advance=false"):
        add_draft(client, add_customer(client), auto_advance=True)
