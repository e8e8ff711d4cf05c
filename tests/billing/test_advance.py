"""In advance: invoiced when the time begins; time that is not used comes back to the second, and never twice."""

from datetime import timedelta

import pytest

from billing import changes, credits, ledger, recognition
from billing.models import CreditGrant, OutboxMessage, TaxAssignment, TaxRate
from billing.models.ledger import Account
from tests.billing.agreement import ANNA, at, close, cycles, fee, lines, metered, plan, spans, start
from tests.billing.conftest import JUNE, MAY

JULY = at("2026-07-01T00:00")
MID_MAY = at("2026-05-16T12:00")


def prepaid(amount: str, key: str = "base", **fields):
    return fee(amount, key, billed="advance", **fields)


def test_the_first_period_is_invoiced_when_it_begins_and_each_next_with_the_one_before(acme, send):
    subscription = start(acme, plan(prepaid("31.00"), metered("1.00")))
    (opening,) = close(subscription, MAY)
    assert (lines(opening), opening.moment, opening.created_at.date()) == ([("Base", "31.00")], "opening", MAY.date())
    send.turns(acme, MID_MAY, 2)
    _, closing = close(subscription, JUNE)
    assert (lines(closing), closing.moment) == ([("Base", "31.00"), ("Turns", "2.00")], "closing")
    assert spans(closing) == [("06-01", "07-01"), ("05-01", "06-01")]


def test_an_opening_is_invoiced_once(acme):
    subscription = start(acme, plan(prepaid("31.00")))
    assert len(close(subscription, MAY)) == 1
    assert len(close(subscription, MAY)) == 1


def test_before_it_begins_nothing_is_invoiced(acme):
    subscription = start(acme, plan(prepaid("31.00")), starts_at=JUNE)
    assert close(subscription, MID_MAY) == []


def test_a_partial_first_period_costs_its_part(acme):
    subscription = start(acme, plan(prepaid("31.00")), starts_at=at("2026-05-22T00:00"), anchor_at=MAY)
    (opening,) = close(subscription, at("2026-05-22T00:00"))
    assert lines(opening) == [("Base", "10.00")]


def test_an_upgrade_gives_unused_time_back_and_charges_the_rest_on_the_next_invoice(acme):
    subscription = start(acme, plan(prepaid("31.00"), name="small"))
    close(subscription, MAY)
    changes.change_plan(subscription=subscription, version=plan(prepaid("62.00"), name="large"), at=MID_MAY, act=ANNA)
    _, invoice = close(subscription, JUNE)
    assert lines(invoice) == [("Base", "31.00"), ("Base", "62.00"), ("Base: unused time", "-15.50")]
    assert spans(invoice)[:2] == [("05-16", "06-01"), ("06-01", "07-01")]


def test_an_upgrade_may_be_invoiced_at_once(acme):
    subscription = start(acme, plan(prepaid("31.00"), metered("1.00"), name="small"))
    close(subscription, MAY)
    large = plan(prepaid("62.00"), metered("1.00"), name="large")
    changes.change_plan(subscription=subscription, version=large, at=MID_MAY, act=ANNA, invoice_at_once=True)
    _, invoice = close(subscription, MID_MAY)
    assert lines(invoice) == [("Base", "31.00"), ("Base: unused time", "-15.50")]
    assert cycles(subscription)[:2] == [("05-01T00", "05-16T12"), ("05-16T12", "06-01T00")]


def test_usage_that_a_change_leaves_alone_waits_for_its_own_period(acme, send):
    subscription = start(acme, plan(prepaid("31.00"), metered("1.00", allowance="5"), name="small"))
    close(subscription, MAY)
    large = plan(prepaid("62.00"), metered("1.00", allowance="5"), name="large")
    changes.change_plan(subscription=subscription, version=large, at=MID_MAY, act=ANNA, invoice_at_once=True)
    send.turns(acme, MAY + timedelta(days=1), 4)
    send.turns(acme, MID_MAY + timedelta(days=1), 4)
    _, _, last = close(subscription, JUNE)
    assert lines(last) == [("Base", "62.00"), ("Turns", "3.00")]


def test_a_downgrade_that_gives_back_more_than_it_costs_leaves_prepaid_credit(acme):
    subscription = start(acme, plan(prepaid("310.00"), name="large"))
    close(subscription, MAY)
    small = plan(prepaid("31.00"), name="small")
    changes.change_plan(subscription=subscription, version=small, at=MID_MAY, act=ANNA, invoice_at_once=True)
    _, invoice = close(subscription, MID_MAY)
    assert lines(invoice) == [("Base", "15.50"), ("Base: unused time", "-155.00")]
    assert (f"{invoice.subtotal:.2f}", f"{invoice.carried:.2f}", f"{invoice.total:.2f}") == (
        "-139.50",
        "139.50",
        "0.00",
    )
    assert invoice.status == "paid"
    grant = CreditGrant.objects.get()
    assert (grant.customer, f"{grant.amount:.2f}", grant.kind) == (acme, "139.50", "prepaid")
    recognition.recognise(now=JUNE)
    assert str(ledger.balance(account=Account.REVENUE, currency="EUR")) == "-170.50 EUR"


def test_the_credit_that_is_left_pays_the_next_invoices(acme):
    subscription = start(acme, plan(prepaid("310.00"), name="large"))
    close(subscription, MAY)
    small = plan(prepaid("31.00"), name="small")
    changes.change_plan(subscription=subscription, version=small, at=MID_MAY, act=ANNA, invoice_at_once=True)
    *_, june = close(subscription, JUNE)
    assert (f"{june.total:.2f}", f"{june.prepaid:.2f}", june.status) == ("31.00", "31.00", "paid")
    assert not OutboxMessage.objects.filter(invoice=june).exists()
    assert str(credits.available(customer=acme, currency="EUR", at=JULY)) == "108.50 EUR"


def test_a_cancellation_at_once_gives_the_rest_back_as_credit(acme):
    subscription = start(acme, plan(prepaid("31.00")))
    close(subscription, MAY)
    changes.cancel(subscription=subscription, at=at("2026-05-21T00:00"), act=ANNA)
    _, last = close(subscription, at("2026-05-21T00:00"))
    assert lines(last) == [("Base: unused time", "-11.00")]
    assert f"{last.carried:.2f}" == "11.00"


def test_unused_time_is_given_back_of_what_was_really_charged(acme):
    discount = {"key": "half", "name": "Half price", "percent": "50"}
    subscription = start(acme, plan(prepaid("31.00"), discounts=[discount]))
    (opening,) = close(subscription, MAY)
    assert f"{opening.total:.2f}" == "15.50"
    changes.cancel(subscription=subscription, at=at("2026-05-21T00:00"), act=ANNA)
    _, last = close(subscription, at("2026-05-21T00:00"))
    assert lines(last) == [("Base: unused time", "-5.50")]


def test_time_is_given_back_once_however_often_it_changes(acme):
    subscription = start(acme, plan(prepaid("31.00")))
    close(subscription, MAY)
    changes.pause(subscription=subscription, at=at("2026-05-11T00:00"), act=ANNA, invoice_at_once=True)
    _, paused = close(subscription, at("2026-05-11T00:00"))
    assert lines(paused) == [("Base: unused time", "-21.00")]
    changes.resume(subscription=subscription, at=at("2026-05-21T00:00"), act=ANNA)
    *_, may = close(subscription, JUNE)
    assert lines(may) == [("Base", "31.00"), ("Base", "11.00")]  # June, and the days of May that are agreed again
    total = sum(line.amount for invoice in close(subscription, JUNE) for line in invoice.lines.all())
    assert total == 31 + 31 - 10


def test_changes_within_one_cycle_are_settled_together(acme):
    subscription = start(acme, plan(prepaid("31.00")))
    close(subscription, MAY)
    changes.pause(subscription=subscription, at=at("2026-05-11T00:00"), act=ANNA)
    changes.resume(subscription=subscription, at=at("2026-05-21T00:00"), act=ANNA)
    *_, may = close(subscription, JUNE)
    assert lines(may) == [("Base", "31.00"), ("Base: unused time", "-10.00")]


@pytest.mark.parametrize("seconds", [1, 59, 86_399, 1_234_567])
def test_whatever_the_instant_what_was_charged_and_given_back_is_what_was_used(acme, seconds):
    subscription = start(acme, plan(prepaid("100.00")))
    close(subscription, MAY)
    end = MAY + timedelta(seconds=seconds)
    changes.cancel(subscription=subscription, at=end, act=ANNA)
    total = sum(invoice.subtotal for invoice in close(subscription, end))
    assert abs(float(total) - 100 * seconds / (31 * 86400)) <= 0.005


def test_a_yearly_fee_in_advance_stands_beside_monthly_usage(acme, send):
    version = plan(prepaid("1200.00"), metered("1.00", interval="month"), interval="year")
    subscription = start(acme, version)
    (opening,) = close(subscription, MAY)
    assert lines(opening) == [("Base", "1200.00")]
    send.turns(acme, MID_MAY, 3)
    _, may, june = close(subscription, JULY)
    assert (lines(may), lines(june)) == ([("Turns", "3.00")], [("Turns", "0.00")])
    following = close(subscription, at("2027-05-01T00:00"))[-1]
    assert lines(following) == [("Base", "1200.00"), ("Turns", "0.00")]
    assert spans(following)[0] == ("05-01", "05-01")


def test_a_yearly_fee_in_arrears_is_due_when_its_year_is_over_or_broken_off(acme):
    subscription = start(acme, plan(fee("365.00"), metered("1.00", interval="month"), interval="year"))
    assert [lines(one) for one in close(subscription, JULY)] == [[("Turns", "0.00")], [("Turns", "0.00")]]
    changes.cancel(subscription=subscription, at=at("2026-07-11T00:00"), act=ANNA)
    last = close(subscription, at("2026-07-11T00:00"))[-1]
    assert lines(last) == [("Base", "71.00"), ("Turns", "0.00")]  # May, June and ten days


def test_a_change_to_another_cadence_ends_the_cycle_at_its_instant(acme):
    subscription = start(acme, plan(fee("31.00"), name="monthly"))
    yearly = plan(fee("365.00"), name="yearly", interval="year")
    changes.change_plan(subscription=subscription, version=yearly, at=at("2026-05-11T00:00"), act=ANNA)
    (invoice,) = close(subscription, JUNE)
    assert lines(invoice) == [("Base", "10.00")]
    assert cycles(subscription) == [("05-01T00", "05-11T00"), ("05-11T00", "05-01T00")]
    (_, year) = close(subscription, at("2027-05-01T00:00"))
    assert lines(year) == [("Base", "355.00")]


def test_quarters_follow_the_anchor(acme):
    subscription = start(acme, plan(fee("90.00"), interval="quarter"), starts_at=at("2026-01-31T00:00"))
    assert cycles(subscription) == [("01-31T00", "04-30T00")]


@pytest.fixture
def taxed(acme):
    """Twenty percent on everything, and seven on books."""
    since = MAY - timedelta(days=99)
    facts = {"jurisdiction": "DE", "name": "VAT", "starts_at": since, "created_at": MAY}
    TaxRate.objects.create(percent=20, **facts)
    TaxRate.objects.create(percent=7, category="books", **facts)
    TaxAssignment.objects.create(customer=acme, jurisdiction="DE", starts_at=since, created_at=MAY)
    return acme


def test_the_tax_on_unused_time_comes_back_with_it(taxed):
    subscription = start(taxed, plan(prepaid("31.00")))
    (opening,) = close(subscription, MAY)
    assert (f"{opening.subtotal:.2f}", f"{opening.tax:.2f}", f"{opening.total:.2f}") == ("31.00", "6.20", "37.20")
    changes.cancel(subscription=subscription, at=at("2026-05-21T00:00"), act=ANNA)
    _, last = close(subscription, at("2026-05-21T00:00"))
    assert (f"{last.subtotal:.2f}", f"{last.tax:.2f}", f"{last.carried:.2f}") == ("-11.00", "-2.20", "13.20")
    assert str(ledger.balance(account=Account.TAX, currency="EUR")) == "-4.00 EUR"
    assert str(ledger.balance(account=Account.RECEIVABLE, currency="EUR")) == "37.20 EUR"


def test_each_version_is_taxed_as_its_own_cards_say(taxed):
    subscription = start(taxed, plan(prepaid("31.00"), name="small"))
    close(subscription, MAY)
    large = plan(prepaid("310.00", tax_category="books"), name="large")
    changes.change_plan(subscription=subscription, version=large, at=at("2026-05-21T00:00"), act=ANNA)
    _, invoice = close(subscription, JUNE)
    assert lines(invoice) == [
        ("Base", "110.00"),
        ("Base", "310.00"),
        ("Base: unused time", "-11.00"),
        ("VAT 20 %", "-2.20"),
        ("VAT 7 %", "29.40"),
    ]


def test_a_plan_of_before_is_given_back_at_the_tax_it_was_charged_with(taxed):
    """The change holds from the beginning of a cycle, in which the plan of before has no part."""
    year = plan(prepaid("365.00"), metered("1.00", interval="month"), name="year", interval="year")
    subscription = start(taxed, year)
    close(subscription, JUNE)
    other = plan(fee("0.00", tax_category="books"), metered("1.00"), name="other")
    changes.change_plan(subscription=subscription, version=other, at=JUNE, act=ANNA)
    july = close(subscription, at("2026-07-01T00:00"))[-1]
    assert lines(july)[-2:] == [("Base: unused time", "-334.00"), ("VAT 20 %", "-66.80")]


def test_what_is_agreed_in_the_grace_of_the_cycle_before_is_invoiced_at_once_all_the_same(acme):
    subscription = start(acme, plan(fee("30.00"), name="small"))
    half_past = JUNE + timedelta(minutes=30)
    large = plan(fee("60.00"), name="large")
    changes.change_plan(subscription=subscription, version=large, at=half_past, act=ANNA, invoice_at_once=True)
    assert len(close(subscription, half_past)) == 2
    assert cycles(subscription) == [("05-01T00", "06-01T00"), ("06-01T00", "06-01T00"), ("06-01T00", "07-01T00")]


def test_a_change_of_cadence_agreed_for_later_ends_the_cycle_it_falls_in(acme):
    subscription = start(acme, plan(fee("31.00"), name="monthly"))
    yearly = plan(fee("365.00"), name="yearly", interval="year")
    changes.change_plan(subscription=subscription, version=yearly, at=at("2026-06-11T00:00"), act=ANNA)
    close(subscription, JUNE)
    assert cycles(subscription)[-1] == ("06-01T00", "06-11T00")
