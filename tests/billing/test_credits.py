"""Credit: granted once, drawn in a fixed order, booked away when it ends; what is left is the sum of the entries."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing import credits, ledger
from billing.credits import Award
from billing.errors import (
    CreditConflictError,
    CreditEndedError,
    CurrencyMismatchError,
    InsufficientCreditError,
    InvoiceStateError,
    MoneyError,
)
from billing.ledger import Units
from billing.models import CreditDrawdown, CreditGrant, LedgerEntry, LedgerTransaction
from billing.models.credits import Funding, GrantKind
from billing.models.ledger import Account
from billing.money import Money
from billing.rating.statement import Draw
from tests.billing import agreed
from tests.billing.conftest import JUNE, MAY

DAY = timedelta(days=1)
JULY = JUNE + 30 * DAY


def eur(text):
    return Money(Decimal(text), "EUR")


def give(customer, text="100.00", key="gift", **terms):
    """Promotional money from May on, unless told otherwise."""
    terms = {"kind": GrantKind.PROMOTIONAL, "name": "Welcome", "amount": eur(text), "effective_at": MAY} | terms
    return credits.grant(customer=customer, award=Award(**terms), key=key, now=MAY)


def prepay(customer, text="100.00", key="paid", **terms):
    return give(customer, text, key, **({"kind": GrantKind.PREPAID, "funding": Funding.CASH} | terms))


def left(grant):
    return str(ledger.remaining(grant=grant))


def balance(account, customer=None):
    return str(ledger.balance(account=account, currency="EUR", customer=customer).amount)


@pytest.fixture
def may(acme):
    return agreed.period(acme, MAY, JUNE)


class TestGranting:
    def test_promotional_credit_is_booked_against_what_was_issued(self, acme):
        grant = give(acme)
        assert left(grant) == "100.00 EUR"
        assert (balance(Account.CREDITS), balance(Account.ISSUED)) == ("-100.00", "100.00")

    def test_prepaid_credit_is_booked_against_the_money_that_came(self, acme):
        prepay(acme, "40.00")
        assert (balance(Account.CREDITS), balance(Account.CASH)) == ("-40.00", "40.00")

    def test_unused_prepaid_time_becomes_credit_and_is_no_revenue_any_more(self, acme):
        prepay(acme, "12.50", funding=Funding.REVENUE)
        assert balance(Account.REVENUE) == "12.50"

    def test_the_same_grant_again_changes_nothing(self, acme):
        assert give(acme).pk == give(acme).pk
        assert (CreditGrant.objects.count(), LedgerTransaction.objects.count()) == (1, 1)

    def test_a_key_stands_for_one_grant(self, acme, make_customer):
        give(acme)
        with pytest.raises(CreditConflictError):
            give(acme, "99.00")
        with pytest.raises(CreditConflictError):
            give(make_customer("rival"))

    def test_money_of_another_currency_is_refused(self, acme):
        with pytest.raises(CurrencyMismatchError):
            give(acme, amount=Money(Decimal(1), "USD"))

    def test_money_of_a_subscription_that_began_in_another_currency_is_the_customers_own(self, acme, may):
        acme.currency = "USD"
        assert left(give(acme)) == "100.00 EUR"

    def test_units_of_a_virtual_currency_are_counted_apart_from_money(self, acme):
        grant = give(acme, amount=Units(Decimal("250.125"), "credits"))
        assert left(grant) == "250.125 credits"
        assert ledger.trial_balance() == ()

    @pytest.mark.parametrize("amount", ["1.0000000000001", "NaN", "10000000000000000"])
    def test_what_is_no_amount_of_units_is_refused(self, amount):
        with pytest.raises(MoneyError):
            Units(Decimal(amount), "credits")

    @pytest.mark.parametrize("name", ["EUR", "Credits", "c", "no spaces"])
    def test_a_virtual_currency_has_a_lower_case_name(self, name):
        with pytest.raises(MoneyError):
            Units(Decimal(1), name)

    @pytest.mark.parametrize(
        "terms",
        [
            {"amount": Money(Decimal(0), "EUR")},
            {"amount": Money(Decimal(-1), "EUR")},
            {"expires_at": MAY},
            {"funding": Funding.CASH},
            {"kind": GrantKind.PREPAID},
            {"kind": GrantKind.PREPAID, "funding": Funding.CASH, "cards": ["turns"]},
        ],
        ids=str,
    )
    def test_the_database_refuses_what_makes_no_sense(self, acme, terms):
        with pytest.raises(IntegrityError), transaction.atomic():
            give(acme, **terms)
        assert not LedgerEntry.objects.exists()


class TestBurnOrder:
    def names(self, period):
        return [grant.name for grant in credits.for_period(period=period, currency="EUR")]

    def test_priority_then_earlier_expiry_then_earlier_grant(self, acme, may):
        give(acme, key="1", name="never expires, first")
        give(acme, key="2", name="never expires, second")
        give(acme, key="3", name="expires in July", expires_at=JULY)
        give(acme, key="4", name="expires in June", expires_at=JUNE)
        give(acme, key="5", name="urgent", priority=1)
        give(acme, key="6", name="last", priority=200, expires_at=JUNE)
        assert self.names(may) == [
            "urgent",
            "expires in June",
            "expires in July",
            "never expires, first",
            "never expires, second",
            "last",
        ]

    def test_a_grant_serves_the_periods_that_it_meets(self, acme, may):
        give(acme, key="1", name="ended before", effective_at=MAY - 9 * DAY, expires_at=MAY)
        give(acme, key="2", name="ends within", effective_at=MAY - 9 * DAY, expires_at=MAY + DAY)
        give(acme, key="3", name="begins within", effective_at=JUNE - DAY)
        give(acme, key="4", name="begins after", effective_at=JUNE)
        assert self.names(may) == ["ends within", "begins within"]

    def test_prepaid_money_is_not_promotional_but_prepaid_units_lower_the_charge(self, acme, may):
        prepay(acme, key="1", name="money")
        prepay(acme, key="2", name="units", amount=Units(Decimal(5), "credits"), funding=Funding.ISSUED)
        assert self.names(may) == ["units"]

    def test_another_customers_credit_stays_theirs(self, make_customer, may):
        give(make_customer("rival"))
        assert self.names(may) == []

    def test_a_grant_for_some_rate_cards_says_so(self, acme, may):
        give(acme, cards=["turns", "tasks"])
        assert credits.for_period(period=may, currency="EUR")[0].cards == ("turns", "tasks")


class TestDrawing:
    def test_what_charges_took_from_grants_is_booked_and_kept(self, acme, may):
        grant = give(acme)
        draws = [Draw("gift", "turns", Decimal("30.00"), "EUR"), Draw("gift", "tasks", Decimal("12.00"), "EUR")]
        invoice = agreed.draft(may)
        credits.draw(invoice=invoice, draws=draws, now=JUNE)
        assert left(grant) == "58.00 EUR"
        assert CreditDrawdown.objects.get().amount == 42
        assert (balance(Account.CREDITS), balance(Account.ISSUED)) == ("-58.00", "58.00")

    def test_an_issued_invoice_is_rated_again_with_what_it_drew_and_no_more(self, acme, may):
        give(acme)
        give(acme, key="later", name="Not drawn")
        invoice = agreed.draft(may)
        credits.draw(invoice=invoice, draws=[Draw("gift", "turns", Decimal("30.00"), "EUR")], now=JUNE)
        agreed.issue(invoice, JUNE)
        may.refresh_from_db()
        grants = credits.for_period(period=may, currency="EUR")
        assert [(grant.key, grant.remaining) for grant in grants] == [("gift", Decimal(30))]

    def test_a_grant_used_up_is_offered_no_more(self, acme, may):
        give(acme, "30.00")
        credits.draw(invoice=agreed.draft(may), draws=[Draw("gift", "turns", Decimal("30.00"), "EUR")], now=JUNE)
        assert credits.for_period(period=agreed.period(acme, JUNE, JULY), currency="EUR") == ()

    def test_more_than_is_left_is_refused(self, acme, may):
        grant = give(acme, "30.00")
        with pytest.raises(InsufficientCreditError, match=r"30\.00 EUR is left"):
            credits.draw(invoice=agreed.draft(may), draws=[Draw("gift", "turns", Decimal("30.01"), "EUR")], now=JUNE)
        assert left(grant) == "30.00 EUR"

    def test_an_ended_grant_is_not_drawn(self, acme, may):
        credits.void(grant=give(acme), reason="mistake", now=JUNE)
        with pytest.raises(CreditEndedError):
            credits.draw(invoice=agreed.draft(may), draws=[Draw("gift", "turns", Decimal("0.01"), "EUR")], now=JUNE)

    def test_the_database_itself_lets_no_grant_fall_below_nothing_or_rise_above_itself(self, acme):
        grant = give(acme)
        booking = LedgerTransaction.objects.create(key="raw", description="", booked_at=MAY)
        raw = {"transaction": booking, "account": "credits", "customer": acme, "currency": "EUR"}
        for amount in (Decimal("100.01"), Decimal("-0.01")):
            with pytest.raises(IntegrityError, match="cannot be left with"), transaction.atomic():
                LedgerEntry.objects.create(**raw, grant=grant, amount=amount)
        with pytest.raises(IntegrityError), transaction.atomic():
            LedgerEntry.objects.create(**raw, amount=1)


class TestPaying:
    def test_prepaid_credit_pays_after_tax_as_far_as_it_goes(self, acme, may):
        grant = prepay(acme, "40.00")
        assert credits.apply(invoice=agreed.draft(may, "119.00"), now=JUNE) == eur("40.00")
        assert left(grant) == "0.00 EUR"
        assert (balance(Account.CREDITS), balance(Account.RECEIVABLE)) == ("0.00", "-40.00")

    def test_several_grants_pay_in_the_burn_order(self, acme, may):
        first = prepay(acme, "10.00", "a", expires_at=JULY)
        second = prepay(acme, "10.00", "b")
        third = prepay(acme, "10.00", "c", priority=1)
        credits.apply(invoice=agreed.draft(may, "15.00"), now=JUNE)
        assert [left(grant) for grant in (third, first, second)] == ["0.00 EUR", "5.00 EUR", "10.00 EUR"]

    def test_a_wallet_pays_two_taxed_invoices(self, acme, may):
        """39.00 granted; 14.29 and 24 % tax, then 14.27 and 24 % (lago-api, scenario K12)."""
        grant = prepay(acme, "39.00")
        credits.apply(invoice=agreed.draft(may, "17.72"), now=JUNE)
        assert left(grant) == "21.28 EUR"
        credits.apply(invoice=agreed.draft(agreed.period(acme, JUNE, JULY), "17.69"), now=JULY)
        assert left(grant) == "3.59 EUR"

    def test_promotional_credit_pays_nothing_after_tax(self, acme, may):
        give(acme)
        assert not credits.apply(invoice=agreed.draft(may, "10.00"), now=JUNE)

    def test_credit_bought_after_the_period_but_before_the_issue_pays(self, acme, may):
        prepay(acme, "40.00", effective_at=JUNE + DAY)
        assert not credits.apply(invoice=agreed.draft(may, "1.00", moment="opening"), now=JUNE)
        assert credits.apply(invoice=agreed.draft(may, "1.00"), now=JUNE + 2 * DAY) == eur("1.00")

    def test_an_issued_invoice_takes_no_more_credit(self, acme, may):
        prepay(acme)
        invoice = agreed.issue(agreed.draft(may, "10.00"), JUNE)
        with pytest.raises(InvoiceStateError, match="credit pays at issue only"):
            credits.apply(invoice=invoice, now=JUNE)

    def test_nothing_is_drawn_for_nothing(self, acme, may):
        prepay(acme)
        assert not credits.apply(invoice=agreed.draft(may), now=JUNE)
        assert not CreditDrawdown.objects.exists()


class TestVoiding:
    def test_the_rest_goes_back_to_where_it_came_from_once(self, acme, may):
        grant = prepay(acme, "40.00")
        credits.apply(invoice=agreed.draft(may, "15.00"), now=JUNE)
        assert credits.void(grant=grant, reason="paid back", now=JULY) == eur("25.00")
        assert not credits.void(grant=grant, reason="again", now=JULY)
        assert (left(grant), balance(Account.CASH)) == ("0.00 EUR", "15.00")
        assert grant.voided_at == JULY

    def test_what_is_not_used_at_the_void_is_forfeited(self, acme, may):
        """100 granted, 50 used, void, 50 more used: balance 0 and 50 uncovered (openmeter, scenario K4)."""
        grant = give(acme)
        credits.draw(invoice=agreed.draft(may), draws=[Draw("gift", "turns", Decimal(50), "EUR")], now=JUNE)
        credits.void(grant=grant, reason="over", now=JUNE)
        assert left(grant) == "0.00 EUR"
        assert credits.for_period(period=agreed.period(acme, JUNE, JULY), currency="EUR") == ()

    def test_an_expired_grant_is_not_voided(self, acme):
        grant = give(acme, expires_at=JUNE)
        credits.expire_due(now=JUNE)
        with pytest.raises(CreditEndedError):
            credits.void(grant=grant, reason="late", now=JULY)

    def test_a_grant_ends_once_and_its_terms_never_change(self, acme):
        grant = give(acme)
        for change in ({"amount": 1}, {"priority": 1}, {"kind": "prepaid"}, {"expires_at": JULY}):
            with pytest.raises(IntegrityError), transaction.atomic():
                CreditGrant.objects.filter(pk=grant.pk).update(**change)
        credits.void(grant=grant, reason="", now=JUNE)
        with pytest.raises(IntegrityError), transaction.atomic():
            CreditGrant.objects.filter(pk=grant.pk).update(voided_at=None)


class TestExpiry:
    def test_the_rest_is_booked_away_once(self, acme):
        grant = give(acme, expires_at=JUNE)
        assert credits.expire_due(now=JUNE - DAY) == []
        assert credits.expire_due(now=JUNE) == [grant]
        assert credits.expire_due(now=JULY) == []
        assert (left(grant), balance(Account.ISSUED)) == ("0.00 EUR", "0.00")

    def test_prepaid_credit_that_expires_is_forfeited(self, acme):
        prepay(acme, "7.00", expires_at=JUNE)
        credits.expire_due(now=JUNE)
        assert (balance(Account.FORFEITED), balance(Account.CASH)) == ("-7.00", "7.00")

    def test_expiry_waits_for_the_invoice_of_a_period_that_the_grant_serves(self, acme, may):
        grant = give(acme, expires_at=MAY + DAY)
        assert credits.expire_due(now=JUNE) == []
        agreed.issue(agreed.draft(may), JUNE)
        assert credits.expire_due(now=JUNE) == [grant]

    def test_a_grant_used_up_expires_without_a_booking(self, acme, may):
        prepay(acme, "7.00", expires_at=JUNE)
        invoice = agreed.draft(may, "7.00")
        credits.apply(invoice=invoice, now=JUNE)
        agreed.issue(invoice, JUNE)
        assert len(credits.expire_due(now=JULY)) == 1
        assert LedgerTransaction.objects.count() == 2


def test_available_is_what_is_in_force(acme):
    prepay(acme, "1.00", "a", effective_at=JUNE)
    prepay(acme, "2.00", "b", expires_at=JUNE)
    prepay(acme, "4.00", "c")
    assert [str(credits.available(customer=acme, currency="EUR", at=at)) for at in (MAY, JUNE - DAY, JUNE, JULY)] == [
        "6.00 EUR",
        "6.00 EUR",
        "5.00 EUR",
        "5.00 EUR",
    ]
