"""Which tax is on which line: by the customer's jurisdictions, the cards' categories and the time of supply."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from agents.models import Customer
from billing import taxes
from billing.models import TaxAssignment, TaxRate
from billing.rating.statement import Treatment
from tests import factories
from tests.billing import agreed
from tests.billing.conftest import JUNE, MAY

DAY = timedelta(days=1)


def rate(percent, jurisdiction="DE", category="", name="VAT", starts_at=MAY, ends_at=None):
    return TaxRate.objects.create(
        jurisdiction=jurisdiction,
        category=category,
        name=name,
        percent=Decimal(percent),
        starts_at=starts_at,
        ends_at=ends_at,
        created_at=MAY,
    )


def assign(customer, jurisdiction="DE", starts_at=MAY, ends_at=None):
    return TaxAssignment.objects.create(
        customer=customer, jurisdiction=jurisdiction, starts_at=starts_at, ends_at=ends_at, created_at=MAY
    )


@pytest.fixture
def version(db):
    return agreed.version("turns", "books", "tasks", categories={"books": "reduced"})


def charged(customer, version, at=JUNE):
    rule = taxes.rule_for(customer=customer, version=version, at=at)
    return None if rule is None else [(one.name, one.percent, one.cards) for one in rule.rates]


def test_one_rate_for_everything(acme, version):
    assign(acme)
    rate("19")
    assert charged(acme, version) == [("VAT", 19, ())]


def test_a_card_of_a_category_has_the_rate_of_its_category_alone(acme, version):
    assign(acme)
    rate("19")
    rate("7", category="reduced")
    assert charged(acme, version) == [("VAT", 19, ("turns", "tasks", "")), ("VAT", 7, ("books",))]


def test_a_category_without_a_rate_of_its_own_is_taxed_as_others_are(acme, version):
    assign(acme)
    rate("19")
    rate("7", jurisdiction="AT", category="reduced")
    assert charged(acme, version) == [("VAT", 19, ())]


def test_a_rate_for_a_category_alone_leaves_the_other_lines_untaxed(acme, version):
    assign(acme)
    rate("7", category="reduced")
    assert charged(acme, version) == [("VAT", 7, ("books",))]


def test_taxes_of_several_jurisdictions_are_side_by_side(acme, version):
    assign(acme, "US-CA")
    assign(acme, "US-CA-LA")
    rate("7.25", "US-CA", name="Sales tax")
    rate("2.25", "US-CA-LA", name="Sales tax")
    assert charged(acme, version) == [
        ("Sales tax", Decimal("7.25"), ()),
        ("Sales tax", Decimal("2.25"), ()),
    ]


def test_a_rate_changes_at_an_instant_which_belongs_to_the_new_one(acme, version):
    assign(acme)
    rate("19", ends_at=JUNE)
    rate("16", starts_at=JUNE)
    before = charged(acme, version, JUNE - timedelta(microseconds=1))
    assert before is not None
    assert (before[0][1], charged(acme, version, JUNE)) == (19, [("VAT", 16, ())])


def test_a_customer_that_is_assigned_nowhere_pays_no_tax(acme, make_customer, version):
    rate("19")
    assign(make_customer("rival"))
    assert charged(acme, version) is None
    assign(acme, ends_at=JUNE)
    assert charged(acme, version) is None


@pytest.mark.parametrize(
    ("exempt", "treatment", "note"),
    [
        ("exempt", Treatment.EXEMPT, "Exempt from tax; tax id of the recipient DE123."),
        ("reverse", Treatment.REVERSE, "Reverse charge: the recipient owes the tax; tax id of the recipient DE123."),
    ],
)
def test_a_customer_that_pays_no_tax_reads_why(db, version, exempt, treatment, note):
    customer = factories.customer(tax_exempt=exempt, tax_id="DE123")
    assign(customer)
    rate("19")
    rule = taxes.rule_for(customer=customer, version=version, at=JUNE)
    assert rule is not None
    assert (rule.rates, rule.treatment, rule.note) == ((), treatment, note)


def test_a_charge_is_not_reversed_without_a_tax_id(acme):
    with pytest.raises(IntegrityError), transaction.atomic():
        Customer.objects.filter(pk=acme.pk).update(tax_exempt="reverse")


def test_rates_of_one_name_never_overlap(db):
    rate("19")
    with pytest.raises(IntegrityError), transaction.atomic():
        rate("16", starts_at=JUNE)
    rate("16", starts_at=JUNE, category="reduced")


def test_a_rate_is_ended_and_never_changed(db):
    row = rate("19")
    TaxRate.objects.update(ends_at=JUNE)
    with pytest.raises(IntegrityError), transaction.atomic():
        TaxRate.objects.update(percent=16)
    with pytest.raises(Exception, match="Cannot delete"), transaction.atomic():
        TaxRate.objects.filter(pk=row.pk)._raw_delete("default")
