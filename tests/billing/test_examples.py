"""Every invoice in tests/examples, worked by hand: usage comes in as events, is folded, and the period is closed."""

from decimal import Decimal

import pytest

from billing import catalog, ledger
from billing.admin.pricing.documents import KINDS
from billing.models.ledger import Account
from billing.money import Money
from metering import fold
from tests.billing.conftest import MAY
from tests.examples import documents, stage
from tests.examples.documents import PATHS, README, lines, read

NAMES = [path.stem for path in PATHS]


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_the_invoice_is_what_was_worked_out_by_hand(path, make_customer, send):
    example = read(path)
    customer = make_customer(**example["customer"])
    invoice = stage.play(example, customer=customer, send=send, now=MAY)

    expected = [
        (line["kind"], line["description"], Decimal(line["quantity"]), line["unit"], Decimal(line["amount"]))
        for line in lines(example)
    ]
    rows = invoice.lines.order_by("position")
    assert [(row.kind, row.description, row.quantity, row.unit, row.amount) for row in rows] == expected
    sums = example["invoice"]
    assert invoice.total == Decimal(sums["total"]) == sum(Decimal(line["amount"]) for line in lines(example))
    assert invoice.subtotal == Decimal(sums.get("subtotal", sums["total"]))
    assert invoice.tax == Decimal(sums.get("tax", "0"))
    assert invoice.prepaid == Decimal(sums.get("prepaid", "0"))
    assert fold.check() == []


@pytest.mark.parametrize("path", [path for path in PATHS if "invoice" not in read(path)["period"]], ids=str)
def test_the_books_say_what_the_invoice_says(path, make_customer, send):
    example = read(path)
    customer = make_customer(**example["customer"])
    invoice = stage.play(example, customer=customer, send=send, now=MAY)

    def balance(account):
        return ledger.balance(account=account, currency=invoice.currency, customer=customer)

    assert balance(Account.RECEIVABLE) == Money(invoice.due, invoice.currency)
    assert -(balance(Account.REVENUE) + balance(Account.DEFERRED)) == Money(invoice.subtotal, invoice.currency)


def test_the_examples_show_every_plan_that_is_shipped():
    shipped = {read(path)["plan"] for path in PATHS if "plan" in read(path)}
    assert shipped == {"seats", "compute", "activity", "hybrid"}


def test_the_examples_show_every_kind_of_price():
    texts = "".join(path.read_text(encoding="utf-8") for path in [*PATHS, *catalog.PLANS.glob("*.toml")])
    assert [kind for kind in KINDS if f'kind = "{kind}"' not in texts] == []


@pytest.mark.parametrize("path", PATHS, ids=NAMES)
def test_every_line_says_how_it_was_worked_out(path):
    assert all(line["by_hand"].strip() for line in read(path)["lines"])
    assert read(path)["rule"].strip()


def test_the_readme_shows_the_examples_as_they_are():
    text = README.read_text(encoding="utf-8")
    assert documents.BEGIN in text
    assert documents.written(text) == text, "run python -m tests.examples"
