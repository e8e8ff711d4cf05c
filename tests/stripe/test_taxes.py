"""Stripe Tax: asked about the draft, booked with the invoice, told to Stripe's reports, the total equal to the cent."""

from decimal import Decimal

import pytest

from billing import invoicing, ledger
from billing.models import BillingProfile, Invoice, OutboxMessage, StripeObject
from billing.models.invoices import LineKind
from billing.models.ledger import Account
from billing.stripe import delivery, taxes
from billing.stripe.errors import TaxNotAssessedError, TryLaterError
from tests.stripe import rows


@pytest.fixture
def draft(stripe, acme):
    """A draft over 41.34 EUR of a German customer of Stripe Tax, with a discount among its lines."""
    BillingProfile.objects.create(customer=acme, tax_source="stripe")
    amounts = [Decimal("29.00"), Decimal("17.34"), Decimal("-5.00")]
    return rows.draft_invoice(acme, "taxed", amounts)


def test_no_invoice_is_issued_before_its_tax_is_known(draft, clock):
    assert taxes.is_missing(invoice=draft)
    with pytest.raises(TaxNotAssessedError):
        invoicing.finalize(invoice=draft, now=clock.now)
    assert Invoice.objects.get().status == "draft"


def test_the_question_has_no_negative_amounts_and_adds_up_before_tax(draft):
    told = taxes.question(invoice=draft)
    amounts = [line["amount"] for line in told["line_items"]]
    assert (min(amounts) > 0, sum(amounts)) == (True, 4134)
    assert told["customer_details"]["address"]["country"] == "DE"


def test_the_answer_becomes_a_tax_line_once_and_the_invoice_is_issued_and_booked_with_it(draft, stripe, clock):
    for _ in range(2):
        taxes.assess(invoice=Invoice.objects.get())
    invoice = Invoice.objects.get()
    line = invoice.lines.get(kind=LineKind.TAX)
    assert (line.amount, invoice.tax, invoice.total) == (Decimal("7.86"), Decimal("7.86"), Decimal("49.20"))
    assert line.description == "VAT DE 19 %"
    issued = invoicing.finalize(invoice=invoice, now=clock.now)
    assert -ledger.balance(account=Account.TAX, currency="EUR").amount == Decimal("7.86")
    delivery.deliver(now=clock.now)
    found = stripe.only_invoice()
    assert (found.status, found.total, found.automatic_tax.enabled) == ("open", 4920, False)
    assert StripeObject.objects.get(kind="tax_transaction").reference == f"{issued.number}/1"
    assert set(OutboxMessage.objects.values_list("state", flat=True)) == {"succeeded"}


@pytest.mark.parametrize("kind", ["drop_before", "drop_after", "500_after", "429"])
def test_while_stripe_tax_does_not_answer_the_draft_waits_and_is_asked_again(draft, stripe, kind):
    stripe.fault("tax.calculations.create", kind)
    with pytest.raises(TryLaterError):
        taxes.assess(invoice=draft)
    assert taxes.is_missing(invoice=draft)
    assert taxes.assess(invoice=draft).tax == Decimal("7.86"), "19 % of 25.87 and of 15.47, each rounded by Stripe"


def test_a_lost_record_of_the_tax_is_made_once(draft, stripe, clock, deliver_all):
    invoicing.finalize(invoice=taxes.assess(invoice=draft), now=clock.now)
    stripe.fault("tax.transactions.create_from_calculation", "drop_after")
    deliver_all()
    assert set(OutboxMessage.objects.values_list("state", flat=True)) == {"succeeded"}
    assert StripeObject.objects.filter(kind="tax_transaction").count() == 1


def test_a_customer_of_our_own_rates_needs_nothing_of_stripe(stripe, acme):
    draft = rows.draft_invoice(acme, "plain", [Decimal("1.00")])
    assert taxes.assess(invoice=draft) == draft
    assert not draft.lines.filter(kind=LineKind.TAX).exists()
