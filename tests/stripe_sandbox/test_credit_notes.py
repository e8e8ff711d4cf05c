"""Credit notes lower what is owed, account for every cent that goes back, and never exceed the invoice."""

import pytest
import stripe

from tests.stripe_sandbox.scene import add_customer, add_open, event_types, with_card


@pytest.fixture
def opened(client):
    return add_open(client, add_customer(client), 3000, 1200)


@pytest.fixture
def paid(client):
    invoice = add_open(client, add_customer(client, **with_card()), 3000, 1200)
    return client.v1.invoices.pay(invoice.id)


def credit(client, invoice, **params):
    return client.v1.credit_notes.create({"invoice": invoice.id, **params})


def intent_of(client, invoice):
    return client.v1.invoice_payments.list({"invoice": invoice.id}).data[0].payment.payment_intent


def test_before_payment_it_lowers_what_is_to_pay(client, opened):
    note = credit(client, opened, amount=1000, reason="order_change", memo="Sorry")
    assert (note.pre_payment_amount, note.post_payment_amount, note.type) == (1000, 0, "pre_payment")
    assert note.number == f"{opened.number}-CN-01"
    after = client.v1.invoices.retrieve(opened.id)
    assert (after.total, after.amount_due, after.amount_remaining) == (4200, 3200, 3200)
    assert after.pre_payment_credit_notes_amount == 1000
    payment = client.v1.invoice_payments.list({"invoice": opened.id}).data[0]
    assert payment.amount_requested == 3200
    assert event_types(client)[-1] == "credit_note.created"
    paid = client.v1.invoices.pay(opened.id, {"payment_method": "pm_card_visa"})
    assert (paid.status, paid.amount_paid) == ("paid", 3200)


def test_one_over_the_whole_open_invoice_pays_it_without_money(client, opened):
    credit(client, opened, amount=4200)
    after = client.v1.invoices.retrieve(opened.id)
    assert (after.status, after.amount_due, after.amount_paid) == ("paid", 0, 0)
    assert client.v1.invoice_payments.list({"invoice": opened.id}).data[0].status == "canceled"
    assert "invoice.paid" in event_types(client)


def test_after_payment_a_refund_amount_gives_the_money_back(client, paid):
    note = credit(client, paid, amount=1000, refund_amount=1000)
    assert (note.pre_payment_amount, note.post_payment_amount, note.type) == (0, 1000, "post_payment")
    (linked,) = note.refunds
    refund = client.v1.refunds.retrieve(linked.refund)
    assert (refund.amount, refund.status, refund.payment_intent) == (1000, "succeeded", intent_of(client, paid))
    after = client.v1.invoices.retrieve(paid.id)
    assert (after.status, after.amount_paid, after.post_payment_credit_notes_amount) == ("paid", 4200, 1000)


def test_a_refund_made_before_is_told_by_the_credit_note_and_counted_once(client, paid):
    refund = client.v1.refunds.create({"payment_intent": intent_of(client, paid), "amount": 1000})
    note = credit(client, paid, amount=1000, refunds=[{"refund": refund.id, "amount_refunded": 1000}])
    assert [(one.refund, one.amount_refunded) for one in note.refunds] == [(refund.id, 1000)]
    assert len(client.v1.refunds.list({"payment_intent": refund.payment_intent}).data) == 1
    with pytest.raises(stripe.InvalidRequestError, match="tell more than the refund"):
        credit(client, paid, amount=1, refunds=[{"refund": refund.id, "amount_refunded": 1}])
    credit(client, paid, amount=3200, refund_amount=3200)


def test_a_refund_of_everything_can_still_be_told_by_a_credit_note(client, paid):
    refund = client.v1.refunds.create({"payment_intent": intent_of(client, paid)})
    note = credit(client, paid, amount=4200, refunds=[{"refund": refund.id}])
    assert (note.amount, note.refunds[0].amount_refunded) == (4200, 4200)
    with pytest.raises(stripe.InvalidRequestError, match="left to credit"):
        credit(client, paid, amount=1, out_of_band_amount=1)


def test_a_credit_goes_to_the_balance_and_pays_the_next_invoice(client, paid):
    note = credit(client, paid, amount=1000, credit_amount=1000)
    assert note.customer_balance_transaction.startswith("cbtxn_")
    (movement,) = client.v1.customers.balance_transactions.list(paid.customer).data
    assert (movement.amount, movement.ending_balance, movement.type) == (-1000, -1000, "credit_note")
    following = add_open(client, client.v1.customers.retrieve(paid.customer), 2500)
    assert following.amount_due == 1500


def test_what_is_settled_outside_moves_nothing_here(client, paid):
    note = credit(client, paid, amount=1000, out_of_band_amount=1000)
    assert (note.out_of_band_amount, note.refunds, note.customer_balance_transaction) == (1000, [], None)
    assert client.v1.customers.retrieve(paid.customer).balance == 0


@pytest.mark.parametrize("parts", [{}, {"refund_amount": 999}, {"credit_amount": 600, "out_of_band_amount": 401}])
def test_after_payment_the_parts_must_add_up_to_the_amount(client, paid, parts):
    with pytest.raises(stripe.InvalidRequestError, match="must equal the post payment") as caught:
        credit(client, paid, amount=1000, **parts)
    assert caught.value.http_status == 400
    assert client.v1.credit_notes.list({"invoice": paid.id}).data == []


def test_before_payment_nothing_may_go_back(client, opened):
    with pytest.raises(stripe.InvalidRequestError, match="must equal the post payment"):
        credit(client, opened, amount=1000, refund_amount=1000)


def test_credit_notes_and_refunds_together_never_exceed_the_invoice(client, paid):
    client.v1.refunds.create({"payment_intent": intent_of(client, paid), "amount": 1000})
    credit(client, paid, amount=3200, out_of_band_amount=3200)
    with pytest.raises(stripe.InvalidRequestError, match="left to credit"):
        credit(client, paid, amount=1, out_of_band_amount=1)


def test_lines_mirror_those_of_the_invoice_and_none_is_credited_twice(client, opened):
    first = opened.lines.data[0]
    mirrored = {"type": "invoice_line_item", "invoice_line_item": first.id, "amount": 2000}
    custom = {"type": "custom_line_item", "description": "Goodwill", "quantity": 3, "unit_amount_decimal": "0.5"}
    note = credit(client, opened, lines=[mirrored, custom])
    assert [(line.amount, line.type) for line in note.lines.data] == [
        (2000, "invoice_line_item"),
        (2, "custom_line_item"),
    ]
    assert note.amount == 2002
    lines = client.v1.credit_notes.line_items.list(note.id).data
    assert [line.description for line in lines] == ["Line 1", "Goodwill"]
    with pytest.raises(stripe.InvalidRequestError, match="More than the line came to"):
        credit(client, opened, lines=[{**mirrored, "amount": 1001}])


def test_the_tax_of_a_line_is_credited_with_it(client):
    customer = add_customer(client, address={"country": "DE"})
    invoice = add_open(client, customer, 1000, automatic_tax={"enabled": True})
    assert invoice.total == 1190
    line = {"type": "invoice_line_item", "invoice_line_item": invoice.lines.data[0].id, "amount": 500}
    note = credit(client, invoice, lines=[line])
    assert (note.subtotal, note.total, [tax.amount for tax in note.total_taxes]) == (500, 595, [95])
    assert client.v1.invoices.retrieve(invoice.id).amount_remaining == 595


def test_voiding_brings_the_debt_back_and_goes_only_while_open(client, opened, paid):
    note = credit(client, opened, amount=1000)
    assert client.v1.credit_notes.void_credit_note(note.id).status == "void"
    assert client.v1.invoices.retrieve(opened.id).amount_remaining == 4200
    assert credit(client, opened, amount=4200).number.endswith("-CN-02")
    settled = credit(client, paid, amount=1000, out_of_band_amount=1000)
    with pytest.raises(stripe.InvalidRequestError, match="before payment"):
        client.v1.credit_notes.void_credit_note(settled.id)


def test_drafts_and_void_invoices_take_none(client, opened):
    client.v1.invoices.void_invoice(opened.id)
    with pytest.raises(stripe.InvalidRequestError, match="finalized invoice"):
        credit(client, opened, amount=1)


def test_memo_and_metadata_may_change_and_lists_find_them(client, opened):
    note = credit(client, opened, amount=10, metadata={"agentmeter_credit_note": "CN-1"})
    changed = client.v1.credit_notes.update(note.id, {"memo": "Later"})
    assert (changed.memo, changed.metadata.to_dict()) == ("Later", {"agentmeter_credit_note": "CN-1"})
    assert [one.id for one in client.v1.credit_notes.list({"customer": opened.customer}).data] == [note.id]
    assert client.v1.credit_notes.retrieve(note.id).amount == 10
