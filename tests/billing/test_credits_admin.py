"""Credit, coupons and taxes in the admin: granted, voided, ended by hand; nothing that was agreed is changed."""

import re
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from billing import coupons, credits, ledger, top_ups
from billing.models import Coupon, CreditGrant, RecurringGrant, TaxAssignment, TaxRate, TopUp, TopUpRule
from billing.models.credits import Funding, GrantKind
from tests import factories
from tests.billing.conftest import JUNE, MAY
from tests.billing.test_credits import give, prepay


@pytest.fixture
def operator(client, db):
    client.force_login(get_user_model().objects.create_superuser("operator"))
    return client


def address(name, *args):
    return reverse(f"admin:billing_{name}", args=args)


def post(operator, page, *args, **fields):
    """Send a form as its page would; the inlines are empty."""
    none = {"TOTAL_FORMS": "0", "INITIAL_FORMS": "0"}
    inlines = {
        f"{prefix}-{key}": value for prefix in ("entries", "drawdowns", "redemptions") for key, value in none.items()
    }
    times = {
        f"{key}_{part}": text
        for key in [key for key in fields if key.endswith(("_at", "_from", "_until"))]
        for part, text in zip((0, 1), fields.pop(key).split(), strict=True)
    }
    return operator.post(address(page, *args), inlines | times | fields)


def grant_form(operator, customer, **fields):
    page = operator.get(address("creditgrant_add")).content.decode()
    key = re.search(r'name="key" value="([^"]+)"', page)
    assert key is not None
    told = {
        "key": key[1],
        "customer": customer.pk,
        "kind": "promotional",
        "currency": "EUR",
        "amount": "25.00",
        "funding": "issued",
        "name": "Sorry",
        "source": "The outage of 3 May",
        "priority": "100",
        "cards": "turns",
        "effective_at": "2026-05-01 00:00:00",
    }
    return post(operator, "creditgrant_add", **told | fields)


def test_credit_is_granted_with_who_did_it(operator, acme):
    assert grant_form(operator, acme).status_code == 302
    grant = CreditGrant.objects.get()
    assert (grant.name, grant.cards, str(ledger.remaining(grant=grant))) == ("Sorry", ["turns"], "25.00 EUR")
    assert grant.source == "The outage of 3 May\nGranted in the admin by operator"
    page = operator.get(address("creditgrant_change", grant.pk)).content.decode()
    assert "-25 EUR" in page


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"amount": "25.001"}, "no multiple of 0.01"),
        ({"currency": "USD"}, "acme pays in EUR"),
        ({"currency": "Credits"}, "no name of a virtual currency"),
        ({"kind": "prepaid", "cards": ""}, "Prepaid money comes from an account of money"),
        ({"funding": "cash"}, "Prepaid money comes from an account of money"),
        ({"kind": "prepaid", "funding": "cash"}, "Prepaid money pays whole invoices"),
        ({"amount": "0"}, "credit_grant_positive"),
    ],
    ids=str,
)
def test_a_grant_that_makes_no_sense_is_refused_with_a_reason(operator, acme, fields, message):
    answer = grant_form(operator, acme, **fields)
    assert answer.status_code == 200
    assert message in answer.content.decode()
    assert not CreditGrant.objects.exists()


def test_a_form_sent_twice_is_one_grant(operator, acme):
    for _ in range(2):
        grant_form(operator, acme, key="admin:the-same")
    assert CreditGrant.objects.count() == 1


def test_grants_are_voided_and_listed_with_what_is_left(operator, acme):
    grant, expired = prepay(acme, "40.00"), give(acme, expires_at=JUNE)
    CreditGrant.objects.filter(pk=expired.pk).update(expired_at=JUNE)
    fields = {"action": "void", "_selected_action": [grant.pk, expired.pk]}
    page = operator.post(address("creditgrant_changelist"), fields, follow=True).content.decode()
    assert "40.00 EUR taken back" in page
    assert "expired at" in page
    assert str(ledger.remaining(grant=grant)) == "0.00 EUR"


def test_a_granted_credit_is_not_changed(operator, acme):
    grant = give(acme)
    assert post(operator, "creditgrant_change", grant.pk, amount="1").status_code == 403


def test_tax_rates_coupons_and_rules_are_added_and_ended(operator, acme):
    start = "2026-05-01 00:00:00"
    rate = {"jurisdiction": "DE", "name": "VAT", "percent": "19", "starts_at": start}
    post(operator, "taxrate_add", **rate)
    post(operator, "taxassignment_add", customer=acme.pk, jurisdiction="DE", starts_at=start)
    coupon = {"code": "ten", "name": "Ten", "percent": "10", "duration": "forever", "redeemable_from": start}
    post(operator, "coupon_add", **coupon)
    rule = {"customer": acme.pk, "currency": "EUR", "amount": "10"}
    post(operator, "recurringgrant_add", **rule, name="Monthly", priority="1", lasts_months="1", starts_at=start)
    post(operator, "topuprule_add", **rule, threshold="5", max_per_day="1")
    for model in (TaxRate, TaxAssignment, Coupon, RecurringGrant, TopUpRule):
        assert model.objects.count() == 1, model
    row = TaxRate.objects.get()
    assert (row.percent, row.starts_at) == (Decimal(19), MAY)
    post(operator, "taxrate_change", row.pk, percent="7", ends_at="2026-06-01 00:00:00")
    row.refresh_from_db()
    assert (row.percent, row.ends_at) == (Decimal(19), JUNE)


START = "2026-05-01 00:00:00"
COUPON = {"code": "ten", "name": "Ten", "percent": "10", "duration": "forever", "redeemable_from": START}
FIXED = COUPON | {"percent": "", "amount": "5.00", "currency": "EUR"}


@pytest.mark.parametrize(
    ("fields", "name", "message"),
    [
        (COUPON | {"percent": ""}, "percent", "A percentage or an amount is needed"),
        (COUPON | {"percent": "0"}, "percent", "above 0"),
        (COUPON | {"percent": "100.01"}, "percent", "at most 100"),
        (COUPON | {"percent": "ten"}, "percent", "Enter a number"),
        (COUPON | {"amount": "5.00"}, "amount", "no place beside a percentage"),
        (COUPON | {"currency": "EUR"}, "currency", "no place beside a percentage"),
        (FIXED | {"amount": "-5.00"}, "amount", "above 0"),
        (FIXED | {"amount": "5.001"}, "amount", "no multiple of 0.01"),
        (FIXED | {"currency": ""}, "currency", "needs a currency"),
        (FIXED | {"currency": "XYZ"}, "amount", "is not one of USD, EUR, GBP, JPY"),
        (COUPON | {"duration": "periods"}, "periods", "At least 1"),
        (COUPON | {"duration": "periods", "periods": "0"}, "periods", "At least 1"),
        (COUPON | {"periods": "2"}, "periods", "no place beside forever"),
        (COUPON | {"redeemable_until": START}, "redeemable_until", "must be after"),
        (COUPON | {"max_redemptions": "0"}, "max_redemptions", "at least 1"),
        (COUPON | {"cards": "turns,nothing"}, "cards", "No plan has a rate card nothing, turns"),
        (COUPON | {"code": "t en"}, "code", "valid"),
    ],
)
def test_a_coupon_that_makes_no_sense_is_refused_at_its_field(operator, acme, fields, name, message):
    answer = post(operator, "coupon_add", **fields)
    assert message in " ".join(answer.context["adminform"].errors.get(name, ["nothing"]))
    assert not Coupon.objects.exists()


def test_a_coupon_may_be_redeemed_no_less_often_than_it_was(operator, acme):
    post(operator, "coupon_add", **COUPON)
    coupons.redeem(customer=acme, code="ten", now=MAY)
    coupons.redeem(customer=factories.customer("rival"), code="ten", now=MAY)
    row = Coupon.objects.get()
    answer = post(operator, "coupon_change", row.pk, max_redemptions="1")
    assert "redeemed 2 times" in str(answer.context["adminform"].errors["max_redemptions"])
    assert post(operator, "coupon_change", row.pk, max_redemptions="2").status_code == 302


@pytest.mark.parametrize(
    ("fields", "name", "message"),
    [
        ({"currency": "USD"}, "currency", "pays in EUR"),
        ({"amount": "0"}, "amount", "above 0"),
        ({"amount": "0.001"}, "amount", "no multiple of 0.01"),
        ({"threshold": "-1"}, "threshold", "at least 0"),
        ({"threshold": "0.001"}, "threshold", "no multiple of 0.01"),
        ({"max_per_day": "0"}, "max_per_day", "at least 1"),
        ({"amount": "much"}, "amount", "Enter a number"),
    ],
)
def test_a_top_up_rule_that_makes_no_sense_is_refused_at_its_field(operator, acme, fields, name, message):
    rule = {"customer": acme.pk, "currency": "EUR", "amount": "10", "threshold": "5", "max_per_day": "1"}
    answer = post(operator, "topuprule_add", **rule | fields)
    assert message in " ".join(answer.context["adminform"].errors.get(name, ["nothing"]))
    assert not TopUpRule.objects.exists()


def test_a_second_rule_in_a_currency_is_refused_until_the_first_is_stopped(operator, acme):
    rule = {"customer": acme.pk, "currency": "EUR", "amount": "10", "threshold": "5", "max_per_day": "1"}
    post(operator, "topuprule_add", **rule)
    answer = post(operator, "topuprule_add", **rule)
    assert "stop that first" in str(answer.context["adminform"].errors["customer"])
    post(operator, "topuprule_change", TopUpRule.objects.get().pk, stopped_at=START)
    assert post(operator, "topuprule_add", **rule).status_code == 302
    assert TopUpRule.objects.count() == 2


@pytest.mark.parametrize(
    ("fields", "name", "message"),
    [
        ({"amount": "0"}, "amount", "above 0"),
        ({"amount": "1.001"}, "amount", "no multiple of 0.01"),
        ({"currency": "Credits"}, "amount", "no name of a virtual currency"),
        ({"ends_at": START}, "ends_at", "must be after the start"),
    ],
)
def test_a_recurring_grant_that_makes_no_sense_is_refused_at_its_field(operator, acme, fields, name, message):
    rule = {"customer": acme.pk, "currency": "EUR", "amount": "10", "name": "Monthly", "priority": "1"}
    answer = post(operator, "recurringgrant_add", **rule | {"lasts_months": "1", "starts_at": START} | fields)
    assert message in " ".join(answer.context["adminform"].errors.get(name, ["nothing"]))
    assert not RecurringGrant.objects.exists()


def test_two_rates_of_one_name_at_once_are_refused_on_the_form(operator, acme):
    rate = {"jurisdiction": "DE", "name": "VAT", "percent": "19", "starts_at": "2026-05-01 00:00:00"}
    post(operator, "taxrate_add", **rate)
    assert "tax_rate_no_overlap" in post(operator, "taxrate_add", **rate).content.decode()


def test_a_top_up_that_waits_is_given_up(operator, acme):
    TopUpRule.objects.create(customer=acme, currency="EUR", threshold=5, amount=20, created_at=MAY)
    row = top_ups.due(now=MAY)[0]
    fields = {"action": "cancel", "_selected_action": [row.pk]}
    operator.post(address("topup_changelist"), fields)
    assert TopUp.objects.get().status == "canceled"


def test_a_top_up_is_paid_by_money_that_is_named_once(operator, acme):
    TopUpRule.objects.create(customer=acme, currency="EUR", threshold=50, amount=20, max_per_day=2, created_at=MAY)
    row = top_ups.due(now=MAY)[0]
    assert "Which money has come" in str(
        post(operator, "topup_change", row.pk, payment="").context["adminform"].errors["payment"]
    )
    assert post(operator, "topup_change", row.pk, payment="wire-1").status_code == 302
    assert str(credits.available(customer=acme, currency="EUR", at=datetime.now(UTC))) == "20.00 EUR"
    assert post(operator, "topup_change", row.pk, payment="wire-2").status_code == 403
    second = top_ups.due(now=MAY)[0]
    answer = post(operator, "topup_change", second.pk, payment="wire-1")
    assert "has paid another" in str(answer.context["adminform"].errors["payment"])
    assert CreditGrant.objects.count() == 1


@pytest.mark.parametrize(
    "table", ["creditgrant", "recurringgrant", "topuprule", "topup", "taxrate", "taxassignment", "coupon"]
)
def test_every_list_is_shown_and_nothing_is_deleted(operator, acme, table):
    give(acme, kind=GrantKind.PREPAID, funding=Funding.CASH)
    assert operator.get(address(f"{table}_changelist")).status_code == 200
    assert operator.post(address(f"{table}_delete", 1)).status_code in {302, 403}
    assert CreditGrant.objects.count() == 1
