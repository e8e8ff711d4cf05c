"""Payments: recorded once, booked as they came, and an invoice is paid when all of it has come."""

from datetime import timedelta
from decimal import Decimal

import pytest

from billing import invoicing, ledger
from billing.errors import CurrencyMismatchError, InvoiceStateError, PaymentConflictError
from billing.models import Invoice, LedgerTransaction, Payment
from billing.models.invoices import InvoiceStatus
from billing.models.ledger import Account
from billing.money import Money
from tests.billing.conftest import JUNE, MAY
from tests.billing.usage import invoiced

DUE = JUNE + timedelta(hours=2)
PAID = DUE + timedelta(days=3)


@pytest.fixture
def invoice(acme, subscribe, send) -> Invoice:
    """An open invoice over 0.20 EUR."""
    period = subscribe(acme).periods.get()
    send.turns(acme, MAY, 10)
    send.fold(JUNE)
    return invoiced(period, now=DUE)


def pay(invoice, text, payment_id="pi_1", currency="EUR"):
    amount = Money(Decimal(text), currency)
    return invoicing.mark_paid(
        invoice_id=invoice.pk, payment_id=payment_id, amount=amount, paid_at=PAID, now=PAID + timedelta(minutes=1)
    )


def balance(account):
    return str(ledger.balance(account=account, currency="EUR"))


def test_money_that_covers_the_total_pays_the_invoice(invoice):
    paid = pay(invoice, "0.20")
    assert (paid.status, paid.paid_at) == (InvoiceStatus.PAID, PAID)
    assert (balance(Account.CASH), balance(Account.RECEIVABLE)) == ("0.20 EUR", "0.00 EUR")


def test_the_same_payment_again_changes_nothing(invoice):
    pay(invoice, "0.20")
    assert pay(invoice, "0.20").status == InvoiceStatus.PAID
    assert (Payment.objects.count(), LedgerTransaction.objects.count()) == (1, 2)


def test_the_same_payment_with_other_facts_is_refused(invoice):
    pay(invoice, "0.20")
    with pytest.raises(PaymentConflictError):
        pay(invoice, "0.10")


def test_part_of_the_money_leaves_the_invoice_open(invoice):
    assert pay(invoice, "0.15").status == InvoiceStatus.OPEN
    assert balance(Account.RECEIVABLE) == "0.05 EUR"
    assert pay(invoice, "0.05", "pi_2").status == InvoiceStatus.PAID


def test_too_much_money_is_booked_as_it_came(invoice):
    assert pay(invoice, "0.25").status == InvoiceStatus.PAID
    assert balance(Account.RECEIVABLE) == "-0.05 EUR"
    assert pay(invoice, "0.20", "pi_2").paid_at == PAID
    assert balance(Account.CASH) == "0.45 EUR"


def test_money_for_an_invoice_given_up_still_pays_it(invoice):
    Invoice.objects.update(status=InvoiceStatus.UNCOLLECTIBLE)
    assert pay(invoice, "0.20").status == InvoiceStatus.PAID


@pytest.mark.parametrize(
    ("text", "currency", "error"), [("0.20", "USD", CurrencyMismatchError), ("1", "JPY", CurrencyMismatchError)]
)
def test_money_of_another_currency_is_refused_and_leaves_nothing(invoice, text, currency, error):
    with pytest.raises(error):
        pay(invoice, text, currency=currency)
    assert not Payment.objects.exists()


def test_money_for_a_void_invoice_waits_for_a_person(invoice):
    Invoice.objects.update(status=InvoiceStatus.VOID, voided_at=PAID)
    with pytest.raises(InvoiceStateError, match="void"):
        pay(invoice, "0.20")
    assert not Payment.objects.exists()


def test_an_issued_invoice_is_not_issued_again(invoice):
    with pytest.raises(InvoiceStateError):
        invoicing.finalize(invoice=invoice, now=PAID)
    assert Invoice.objects.get().number == "AM-000001"
