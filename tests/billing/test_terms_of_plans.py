"""Versions: currencies, phases and trials, prices of a customer's own, dates, shared allowances, bounds of a cycle."""

from datetime import timedelta
from typing import Any

import pytest

from billing import catalog, changes
from billing.errors import (
    ChangeRefusedError,
    CurrencyMismatchError,
    PlanError,
    PlanNotPublishedError,
)
from billing.models import Invoice, PlanVersion
from tests.billing.agreement import ANNA, at, close, cycles, fee, lines, metered, plan, spans, start
from tests.billing.conftest import JUNE, MAY

JULY = at("2026-07-01T00:00")
MID_MAY = at("2026-05-16T12:00")
FLAT = {"kind": "flat"}


def in_both(**fields):
    return {"key": "base", "name": "Base", "unit": "month", "prices": {"EUR": FLAT | {"amount": "31"},
            "USD": FLAT | {"amount": "40"}}} | fields  # fmt: skip


def test_one_version_has_a_price_in_each_currency_and_the_customers_is_taken(acme, make_customer):
    version = plan(in_both(), currencies=["EUR", "USD"])
    in_euros, in_dollars = start(acme, version), start(make_customer("rival", currency="USD"), version)
    assert lines(close(in_euros, JUNE)[0]) == [("Base", "31.00")]
    (invoice,) = Invoice.objects.filter(customer__key="rival")
    assert (lines(invoice), invoice.currency) == ([("Base", "40.00")], "USD")
    assert in_dollars.currency == "USD"


def test_a_customer_in_another_currency_cannot_have_it(make_customer):
    with pytest.raises(CurrencyMismatchError, match="EUR, USD"):
        start(make_customer(currency="JPY"), plan(in_both(), currencies=["EUR", "USD"]))


def test_the_currency_of_a_subscription_stays_when_the_customers_changes(acme):
    subscription = start(acme, plan(in_both(), currencies=["EUR", "USD"]))
    type(acme).objects.update(currency="USD", time_zone="Asia/Tokyo")
    (invoice,) = close(subscription, JUNE)
    assert (invoice.currency, spans(invoice)) == ("EUR", [("05-01", "06-01")])


def test_a_ramp_charges_each_phase_for_its_months_and_then_the_plan(acme):
    phases = [
        {"name": "First", "months": 1, "cards": {"base": {"price": FLAT | {"amount": "10"}}}},
        {"name": "Second", "months": 1, "cards": {"base": {"price": FLAT | {"amount": "20"}}}},
    ]
    subscription = start(acme, plan(fee("30"), phases=phases))
    assert [lines(one) for one in close(subscription, at("2026-08-01T00:00"))] == [
        [("Base", "10.00")],
        [("Base", "20.00")],
        [("Base", "30.00")],
    ]


def test_a_phase_that_ends_within_a_cycle_splits_what_it_fieldsand_nothing_else(acme, send):
    phases = [{"name": "Ramp", "days": 10, "cards": {"base": {"price": FLAT | {"amount": "0"}}}}]
    subscription = start(acme, plan(fee("31"), metered("1", allowance="3"), phases=phases))
    send.turns(acme, MAY + timedelta(days=1), 2)
    send.turns(acme, MAY + timedelta(days=20), 2)
    (invoice,) = close(subscription, JUNE)
    assert lines(invoice) == [("Base", "0.00"), ("Base", "21.00"), ("Turns", "1.00")]


def test_a_trial_costs_nothing_shows_its_usage_and_the_first_period_begins_after_it(acme, send):
    trial = [{"name": "Trial", "days": 14, "free": True}]
    subscription = start(acme, plan(fee("31", billed="advance"), metered("1"), phases=trial))
    assert subscription.anchor_at == at("2026-05-15T00:00")
    send.turns(acme, MAY + timedelta(days=1), 7)
    (after_trial,) = close(subscription, at("2026-05-15T00:00"))
    assert lines(after_trial) == [("Base", "31.00"), ("Turns: free trial", "0.00")]
    assert spans(after_trial)[0] == ("05-15", "06-15")
    assert cycles(subscription) == [("05-01T00", "05-15T00"), ("05-15T00", "06-15T00")]


def test_a_trial_may_be_agreed_with_one_customer_and_left_out_for_another(acme, make_customer):
    trial = [{"name": "Trial", "days": 14, "free": True}]
    version = plan(fee("31"), phases=trial)
    longer = start(acme, version, trial_ends_at=JUNE)
    none = start(make_customer("rival"), version, trial_ends_at=MAY)
    assert (longer.anchor_at, none.anchor_at) == (JUNE, MAY)
    assert close(longer, JUNE) == []
    assert [lines(one) for one in Invoice.objects.filter(period__subscription=none)] == [[("Base", "31.00")]]


def test_a_trial_with_an_anchor_of_its_own_ends_a_cycle_of_its_own(acme):
    trial = [{"name": "Trial", "days": 14, "free": True}]
    subscription = start(acme, plan(fee("31"), phases=trial), anchor_at=MAY)
    (invoice,) = close(subscription, JUNE)
    assert lines(invoice) == [("Base", "17.00")]
    assert cycles(subscription)[:2] == [("05-01T00", "05-15T00"), ("05-15T00", "06-01T00")]


def test_a_customers_own_price_holds_for_its_time_on_whatever_version(acme):
    subscription = start(acme, plan(fee("31"), name="one"))
    changes.override(
        subscription=subscription,
        card="base",
        fields={"price": FLAT | {"amount": "15.50"}},
        starts_at=at("2026-05-11T00:00"),
        ends_at=at("2026-06-16T00:00"),
        act=ANNA,
    )
    changes.change_plan(subscription=subscription, version=plan(fee("60"), name="two"), at=JUNE, act=ANNA)
    may, june = close(subscription, JULY)
    assert lines(may) == [("Base", "10.00"), ("Base", "10.50")]
    assert lines(june) == [("Base", "7.75"), ("Base", "30.00")]


def test_a_later_agreement_on_a_card_holds_where_two_meet_and_an_empty_one_gives_the_plan_back(acme):
    subscription = start(acme, plan(fee("31")))
    for day, fields in (("11", {"price": FLAT | {"amount": "62"}}), ("21", {})):
        begin = at(f"2026-05-{day}T00:00")
        changes.override(subscription=subscription, card="base", fields=fields, starts_at=begin, act=ANNA)
    (invoice,) = close(subscription, JUNE)
    assert lines(invoice) == [("Base", "10.00"), ("Base", "20.00"), ("Base", "11.00")]


def test_what_was_prepaid_at_the_plans_price_is_settled_at_the_customers_own(acme):
    subscription = start(acme, plan(fee("31", billed="advance")))
    close(subscription, MAY)
    changes.override(
        subscription=subscription, card="base", fields={"price": FLAT | {"amount": "62"}}, starts_at=MID_MAY, act=ANNA
    )
    _, invoice = close(subscription, JUNE)
    assert lines(invoice) == [("Base", "31.00"), ("Base", "62.00"), ("Base: unused time", "-15.50")]


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"price": FLAT | {"amount": 5}}, "price.amount"),
        ({"meter": "turns"}, "meter"),
        ({"allowance": "5"}, "allowance"),
        ({"billed": "advance"}, "billed"),
    ],
)
def test_a_wrong_field_of_an_own_price_is_named_and_nothing_is_agreed(acme, fields, named):
    subscription = start(acme, plan(fee("31")))
    with pytest.raises(PlanError) as caught:
        changes.override(subscription=subscription, card="base", fields=fields, starts_at=MAY, act=ANNA)
    assert str(caught.value).startswith(f"{named}: ")
    assert subscription.changes.count() == 1


def test_an_own_price_is_agreed_for_no_time_that_is_invoiced(acme):
    subscription = start(acme, plan(fee("31")))
    close(subscription, JUNE)
    with pytest.raises(ChangeRefusedError):
        changes.override(
            subscription=subscription, card="base", fields={"name": "Cheaper"}, starts_at=MID_MAY, act=ANNA
        )


def test_nobody_is_put_on_a_version_for_a_time_before_it_is_effective(acme):
    version = plan(fee("31"))
    assert version.effective_at is None
    later = catalog.import_plan(document=catalog.document_of(version) | {"version": 2}, now=MAY)
    later = catalog.publish(version=later, now=MAY, effective_at=JUNE)
    with pytest.raises(PlanNotPublishedError, match="effective only from"):
        start(acme, later)
    assert catalog.current(plan=version.plan, at=MID_MAY) == version
    assert catalog.current(plan=version.plan, at=JUNE) == later
    catalog.archive(version=later)
    assert catalog.current(plan=version.plan, at=JUNE) == version


def test_a_draft_is_not_archived(db):
    draft = catalog.import_plan(document={"plan": "a", "name": "A", "version": 1, "currency": "EUR",
                                          "rate_cards": [fee("1")]}, now=MAY)  # fmt: skip
    with pytest.raises(PlanNotPublishedError):
        catalog.archive(version=draft)


def test_a_version_comes_back_as_the_document_that_makes_it_again(db):
    everything: dict[str, Any] = {
        "currencies": ["EUR", "USD"],
        "phases": [{"name": "Trial", "days": 3, "free": True}],
        "pools": [{"key": "both", "name": "Both", "allowance": "10", "rollover": "2", "cards": ["turns"]}],
        "discounts": [{"key": "d", "name": "D", "amount": {"EUR": "1", "USD": "2"}, "cards": ["base"]}],
        "interval": "quarter",
        "description": "All there is.",
    }
    turns = metered("1", zero_rates=[{"key": "test", "name": "Test", "filters": {"agent": ["a"]}}], allowance="1")
    turns["prices"] = {"EUR": turns["price"], "USD": turns.pop("price")}
    version = plan(in_both(billed="advance", interval="year", tax_category="software"), turns, **everything)
    document = catalog.document_of(version)
    assert catalog.parse(document=document) == catalog.offer_of(version)
    assert catalog.import_plan(document=document, now=JUNE) == version
    copy = catalog.import_plan(document=document | {"version": 2}, now=JUNE)
    assert copy.rate_cards.count() == 2


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"currencies": ["EUR", "USD"]}, "rate_cards[0].prices"),
        ({"currencies": ["EUR", "EUR"]}, "currencies"),
        ({"currencies": ["EUR", "XXX"]}, "currencies"),
        ({"currencies": ["EUR"], "currency": "EUR"}, "currency"),
        ({"currencies": ["EUR", "USD"], "rate_cards": [in_both(prices={"EUR": FLAT | {"amount": "1"}})]},
         "rate_cards[0].prices.USD"),
        ({"rate_cards": [in_both()]}, "rate_cards[0].prices.USD"),
        ({"rate_cards": [metered("1", billed="advance")]}, "rate_cards[0].billed"),
        ({"rate_cards": [fee("1", billed="sometimes")]}, "rate_cards[0].billed"),
        ({"rate_cards": [fee("1", interval="week")]}, "rate_cards[0].interval"),
        ({"rate_cards": [fee("1", minimum="1")]}, "rate_cards[0].minimum"),
        ({"rate_cards": [metered("1", minimum="0.001")]}, "rate_cards[0].minimum"),
        ({"rate_cards": [metered("1", zero_rates=[{"key": "t", "name": "T", "filters": {}}])]},
         "rate_cards[0].zero_rates[0].filters"),
        ({"phases": [{"name": "P", "months": 1}]}, "phases[0].cards"),
        ({"phases": [{"name": "P", "free": True}]}, "phases[0].months"),
        ({"phases": [{"name": "P", "days": 0, "free": True}]}, "phases[0].days"),
        ({"phases": [{"name": "P", "days": 1, "cards": {"no": {"name": "x"}}}]}, "phases[0].cards.no"),
        ({"phases": [{"name": "P", "days": 1, "cards": {"base": {"unit": "x"}}}]}, "phases[0].cards.base.unit"),
        ({"pools": [{"key": "p", "name": "P", "allowance": "1", "cards": ["no"]}]}, "pools[0].cards"),
        ({"pools": [{"key": "base", "name": "P", "allowance": "1", "cards": ["base"]}]}, "pools[0].key"),
        ({"discounts": [{"key": "d", "name": "D"}]}, "discounts[0].percent"),
        ({"discounts": [{"key": "d", "name": "D", "percent": "101"}]}, "discounts[0].percent"),
        ({"discounts": [{"key": "d", "name": "D", "amount": "0"}]}, "discounts[0].amount"),
        ({"minimum": "10", "rate_cards": [fee("1", billed="advance")]}, "minimum"),
        ({"maximum": "10", "rate_cards": [fee("1", interval="year")]}, "maximum"),
    ],
)  # fmt: skip
def test_a_wrong_document_names_the_field_and_leaves_nothing(db, fields, field):
    document = {"plan": "bad", "name": "Bad", "version": 1, "rate_cards": [fee("1")]} | fields
    document |= {} if "currencies" in document else {"currency": "EUR"}
    with pytest.raises(PlanError) as caught:
        catalog.import_plan(document=document, now=MAY)
    assert str(caught.value).startswith(f"{field}: ")
    assert not PlanVersion.objects.exists()


def test_a_minimum_of_the_plan_is_prorated_with_what_is_charged_of_the_cycle(acme):
    subscription = start(acme, plan(metered("1"), minimum="31"))
    changes.pause(subscription=subscription, at=at("2026-05-11T00:00"), act=ANNA)
    (invoice,) = close(subscription, JUNE)
    assert lines(invoice) == [("Turns", "0.00"), ("Minimum", "10.00")]


def test_each_versions_minimum_counts_for_its_time(acme):
    subscription = start(acme, plan(metered("1"), minimum="31", name="one"))
    two = plan(metered("1"), minimum="62", name="two")
    changes.change_plan(subscription=subscription, version=two, at=at("2026-05-11T00:00"), act=ANNA)
    (invoice,) = close(subscription, JUNE)
    assert lines(invoice)[-1] == ("Minimum", "52.00")


def test_a_shared_allowance_and_what_is_left_of_it(acme, send):
    pool = {"key": "both", "name": "Both", "allowance": "10", "rollover": "4", "cards": ["turns", "decisions"]}
    subscription = start(acme, plan(metered("1"), metered("1", key="decisions"), pools=[pool]))
    send.turns(acme, MID_MAY, 3)
    send.decisions(acme, MID_MAY + timedelta(days=31), 15)
    may, june = close(subscription, JULY)
    assert (lines(may), lines(june)) == (
        [("Turns", "0.00"), ("Decisions", "0.00")],
        [("Turns", "0.00"), ("Decisions", "1.00")],
    )
    assert may.period.carried == {"both": "4"}


def test_a_discount_of_the_plan_reaches_both_parts_of_a_card_that_changed(acme):
    half = [{"key": "half", "name": "Half", "percent": "50", "cards": ["base"]}]
    subscription = start(acme, plan(fee("31"), name="one", discounts=half))
    two = plan(fee("62"), name="two", discounts=half)
    changes.change_plan(subscription=subscription, version=two, at=MID_MAY, act=ANNA)
    (invoice,) = close(subscription, JUNE)
    assert f"{invoice.total:.2f}" == "23.25"
    reduced = invoice.lines.filter(kind="discount").order_by("position").values_list("rate_card__version", flat=True)
    assert list(reduced) == [subscription.changes.order_by("number")[0].terms.get().version_id, two.pk]


def test_a_start_in_the_past_is_invoiced_period_by_period(acme):
    subscription = start(acme, plan(fee("31", billed="advance")), starts_at=at("2026-03-01T00:00"))
    found = close(subscription, MAY)
    assert [spans(one) for one in found] == [[("03-01", "04-01")], [("04-01", "05-01")], [("05-01", "06-01")]]


def test_a_month_that_loses_an_hour_costs_the_same_and_its_seconds_more(make_customer):
    customer = make_customer(time_zone="Europe/Berlin")
    subscription = start(customer, plan(fee("743")), starts_at=at("2026-02-28T23:00"))
    changes.cancel(subscription=subscription, at=at("2026-03-01T00:00"), act=ANNA)
    (invoice,) = close(subscription, at("2026-03-01T00:00"))
    assert lines(invoice) == [("Base", "1.00")]  # one of the 743 hours of March 2026 in Berlin
