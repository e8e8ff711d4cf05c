"""Changes: another plan, a pause, an end; to the second, on the next invoice, and recorded for ever."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, InternalError, ProgrammingError, transaction

from billing import changes, closing
from billing.errors import (
    ChangeRefusedError,
    CurrencyMismatchError,
    PlanNotPublishedError,
    SubscriptionExistsError,
)
from billing.models import Subscription, SubscriptionChange, SubscriptionTerm
from billing.models.subscriptions import ChangeKind
from tests.billing.agreement import ANNA, at, close, cycles, fee, lines, metered, plan, spans, start
from tests.billing.conftest import JUNE, MAY

JULY = at("2026-07-01T00:00")
MID_MAY = at("2026-05-16T12:00")  # half of May, to the second
REFUSED = (IntegrityError, InternalError, ProgrammingError)


def test_an_upgrade_at_once_charges_each_plan_for_its_part(acme):
    subscription = start(acme, plan(fee("31.00"), name="small"))
    changes.change_plan(subscription=subscription, version=plan(fee("62.00"), name="large"), at=MID_MAY, act=ANNA)
    (invoice,) = close(subscription, JUNE)
    assert lines(invoice) == [("Base", "15.50"), ("Base", "31.00")]
    assert spans(invoice) == [("05-01", "05-16"), ("05-16", "06-01")]
    assert invoice.version.plan.key == "large"


def test_the_instant_of_a_change_belongs_to_the_new_state(acme, send):
    subscription = start(acme, plan(metered("1.00"), name="small"))
    changes.change_plan(subscription=subscription, version=plan(metered("2.00"), name="large"), at=MID_MAY, act=ANNA)
    send.turns(acme, MID_MAY - timedelta(microseconds=1))
    send.turns(acme, MID_MAY)
    (invoice,) = close(subscription, JUNE)
    assert lines(invoice) == [("Turns", "1.00"), ("Turns", "2.00")]


def test_a_downgrade_at_the_end_of_the_period_leaves_this_one_as_it_is(acme):
    subscription = start(acme, plan(fee("62.00"), name="large"))
    end = changes.period_end(subscription=subscription, now=MID_MAY)
    assert end == JUNE
    changes.change_plan(subscription=subscription, version=plan(fee("30.00"), name="small"), at=end, act=ANNA)
    may, june = close(subscription, JULY)
    assert (lines(may), lines(june)) == ([("Base", "62.00")], [("Base", "30.00")])
    assert [invoice.version.plan.key for invoice in (may, june)] == ["large", "small"]


def test_several_changes_on_one_day_each_count_for_their_hours(acme):
    subscription = start(acme, plan(fee("31.00", prorated=True), name="one"))
    for hour, name, amount in ((6, "two", "62.00"), (12, "three", "93.00"), (18, "one", None)):
        version = plan(fee(amount or "31.00"), name=name)
        changes.change_plan(subscription=subscription, version=version, at=at(f"2026-05-10T{hour:02}:00"), act=ANNA)
    (invoice,) = close(subscription, JUNE)
    assert [amount for _, amount in lines(invoice)] == ["9.25", "0.50", "0.75", "21.25"]  # a day is 1.00 of plan one


def test_of_two_changes_at_one_instant_the_later_one_holds(acme):
    subscription = start(acme, plan(fee("31.00"), name="one"))
    for name, amount in (("two", "62.00"), ("three", "93.00")):
        changes.change_plan(subscription=subscription, version=plan(fee(amount), name=name), at=MID_MAY, act=ANNA)
    (invoice,) = close(subscription, JUNE)
    assert lines(invoice) == [("Base", "15.50"), ("Base", "46.50")]


def test_a_card_that_a_change_leaves_alone_goes_on_with_its_tiers_and_allowance(acme, send):
    turns = metered("1.00", allowance="10")
    subscription = start(acme, plan(fee("31.00"), turns, name="small"))
    changes.change_plan(
        subscription=subscription, version=plan(fee("62.00"), turns, name="large"), at=MID_MAY, act=ANNA
    )
    send.turns(acme, MAY + timedelta(days=1), 8)
    send.turns(acme, MID_MAY, 8)
    (invoice,) = close(subscription, JUNE)
    assert lines(invoice) == [("Base", "15.50"), ("Base", "31.00"), ("Turns", "6.00")]


def test_a_pause_stops_fees_and_shows_what_was_used_for_nothing(acme, send):
    subscription = start(acme, plan(fee("31.00"), metered("1.00")))
    changes.pause(subscription=subscription, at=at("2026-05-11T00:00"), act=ANNA)
    changes.resume(subscription=subscription, at=at("2026-05-21T00:00"), act=ANNA)
    for day in ("05", "15", "25"):
        send.turns(acme, at(f"2026-05-{day}T00:00"), 3)
    (invoice,) = close(subscription, JUNE)
    assert lines(invoice) == [
        ("Base", "10.00"),
        ("Base", "11.00"),
        ("Turns", "3.00"),
        ("Turns", "3.00"),
        ("Turns: paused", "0.00"),
    ]
    free = invoice.lines.get(kind="zero_rated")
    assert (str(free.quantity.normalize()), free.source) == ("3", "paused")


def test_a_cycle_in_which_nothing_falls_due_makes_no_invoice(acme):
    subscription = start(acme, plan(fee("31.00"), metered("1.00")))
    changes.pause(subscription=subscription, at=at("2026-05-11T00:00"), act=ANNA)
    (may,) = close(subscription, JULY)
    assert lines(may)[0] == ("Base", "10.00")
    assert list(subscription.periods.order_by("starts_at").values_list("status", flat=True)) == [
        "closed",
        "closed",
        "open",
    ]


def test_a_plan_change_agreed_before_a_pause_goes_on_beneath_it(acme):
    subscription = start(acme, plan(fee("31.00"), name="one"))
    changes.change_plan(subscription=subscription, version=plan(fee("30.00"), name="two"), at=JUNE, act=ANNA)
    changes.pause(subscription=subscription, at=at("2026-05-11T00:00"), act=ANNA)
    changes.resume(subscription=subscription, at=at("2026-06-16T00:00"), act=ANNA)
    may, june = close(subscription, JULY)
    assert (lines(may), lines(june)) == ([("Base", "10.00")], [("Base", "15.00")])


def test_a_cancellation_at_once_cuts_the_cycle_and_opens_no_other(acme):
    subscription = start(acme, plan(fee("31.00")))
    changes.cancel(subscription=subscription, at=at("2026-05-11T00:00"), act=ANNA)
    (invoice,) = close(subscription, at("2026-05-11T00:00"))
    assert lines(invoice) == [("Base", "10.00")]
    assert cycles(subscription) == [("05-01T00", "05-11T00")]
    assert len(close(subscription, JULY)) == 1


def test_a_cancellation_at_the_end_can_be_taken_back_until_then(acme):
    subscription = start(acme, plan(fee("31.00")))
    changes.cancel(subscription=subscription, at=JUNE, act=ANNA)
    assert Subscription.objects.get().ends_at == JUNE
    changes.keep(subscription=subscription, act=ANNA)
    assert Subscription.objects.get().ends_at is None
    assert len(close(subscription, JULY)) == 2


def test_keeping_gives_the_cycle_its_length_back(acme):
    subscription = start(acme, plan(fee("31.00")))
    changes.cancel(subscription=subscription, at=MID_MAY, act=ANNA)
    changes.keep(subscription=subscription, act=ANNA)
    assert cycles(subscription) == [("05-01T00", "06-01T00")]
    with pytest.raises(ChangeRefusedError, match="Nothing is agreed"):
        changes.keep(subscription=subscription, act=ANNA)


def test_after_its_end_a_customer_may_subscribe_again_but_not_before(acme):
    version = plan(fee("31.00"))
    changes.cancel(subscription=start(acme, version), at=MID_MAY, act=ANNA)
    with pytest.raises(SubscriptionExistsError):
        start(acme, version, starts_at=MID_MAY - timedelta(microseconds=1))
    assert start(acme, version, starts_at=MID_MAY).ends_at is None


def test_what_is_invoiced_cannot_be_changed_any_more(acme):
    subscription = start(acme, plan(fee("31.00"), name="one"))
    close(subscription, JUNE)
    another = plan(fee("62.00"), name="two")
    with pytest.raises(ChangeRefusedError, match="invoiced past"):
        changes.change_plan(subscription=subscription, version=another, at=MID_MAY, act=ANNA)
    assert subscription.changes.count() == 1
    changes.change_plan(subscription=subscription, version=another, at=JUNE, act=ANNA)


@pytest.mark.parametrize(
    "operation",
    [
        lambda one, same: changes.change_plan(subscription=one, version=same, at=MID_MAY, act=ANNA),
        lambda one, _: changes.resume(subscription=one, at=MID_MAY, act=ANNA),
        lambda one, _: changes.cancel(subscription=one, at=MAY, act=ANNA),
        lambda one, _: changes.cancel(subscription=one, at=MAY - timedelta(days=1), act=ANNA),
        lambda one, _: changes.pause(subscription=one, at=MAY - timedelta(days=1), act=ANNA),
        lambda one, _: changes.override(subscription=one, card="x", fields={"name": "X"}, starts_at=MAY, act=ANNA),
    ],
)
def test_what_makes_no_sense_is_refused_and_leaves_nothing(acme, operation):
    version = plan(fee("31.00"))
    subscription = start(acme, version)
    with pytest.raises(ChangeRefusedError):
        operation(subscription, version)
    assert subscription.changes.count() == 1


def test_a_paused_subscription_is_resumed_before_it_changes(acme):
    subscription = start(acme, plan(fee("31.00"), name="one"))
    changes.pause(subscription=subscription, at=MID_MAY, act=ANNA)
    with pytest.raises(ChangeRefusedError, match="resume it first"):
        changes.change_plan(subscription=subscription, version=plan(fee("1"), name="two"), at=JUNE, act=ANNA)
    with pytest.raises(ChangeRefusedError, match="paused"):
        changes.pause(subscription=subscription, at=JUNE, act=ANNA)


def test_only_what_is_on_offer_in_the_currency_can_be_changed_to(acme):
    subscription = start(acme, plan(fee("31.00"), name="one"))
    in_dollars = plan(fee("31.00"), name="two", currency="USD")
    with pytest.raises(CurrencyMismatchError):
        changes.change_plan(subscription=subscription, version=in_dollars, at=MID_MAY, act=ANNA)
    later = plan(fee("31.00"), name="three")
    type(later).objects.filter(pk=later.pk).update(status="archived")
    later.refresh_from_db()
    with pytest.raises(PlanNotPublishedError):
        changes.change_plan(subscription=subscription, version=later, at=MID_MAY, act=ANNA)


def test_every_change_is_on_record_with_what_when_who_and_why(acme):
    subscription = start(acme, plan(fee("31.00")), actor="boris", reason="a new customer")
    changes.pause(subscription=subscription, at=MID_MAY, act=ANNA)
    changes.cancel(subscription=subscription, at=JUNE, act=ANNA)
    rows = subscription.changes.order_by("number").values_list("number", "kind", "at", "actor", "reason")
    assert list(rows) == [
        (1, ChangeKind.START, MAY, "boris", "a new customer"),
        (2, ChangeKind.PAUSE, MID_MAY, "anna", "asked by phone"),
        (3, ChangeKind.CANCEL, JUNE, "anna", "asked by phone"),
    ]


@pytest.mark.parametrize("model", [SubscriptionChange, SubscriptionTerm])
def test_the_record_is_append_only(acme, model):
    start(acme, plan(fee("31.00")))
    for spoil in (lambda: model.objects.all()._raw_delete("default"), lambda: model.objects.update(id=99)):
        with pytest.raises(REFUSED), transaction.atomic():
            spoil()


def test_who_zone_and_anchor_of_a_subscription_are_fixed(acme):
    start(acme, plan(fee("31.00")))
    for change in ({"time_zone": "Europe/Berlin"}, {"anchor_at": JUNE}, {"currency": "USD"}):
        with pytest.raises(REFUSED), transaction.atomic():
            Subscription.objects.update(**change)


def test_a_closed_cycle_is_rated_as_it_was_agreed_then(acme):
    subscription = start(acme, plan(fee("30.00", billed="advance")))
    close(subscription, MAY)
    close(subscription, JUNE)
    changes.cancel(subscription=subscription, at=at("2026-06-16T00:00"), act=ANNA)
    may = subscription.periods.order_by("starts_at")[0]
    invoice = may.invoices.get(moment="closing")
    assert closing.rate(period=may, as_of=invoice.fold).total.amount == invoice.total
