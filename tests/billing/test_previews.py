"""Previews and moves: what is foretold is what comes, and foretelling leaves nothing behind."""

from datetime import timedelta
from functools import partial

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agents.models import Seat
from billing import changes, moves, previews, subscriptions
from billing.errors import ChangeRefusedError, NegativeQuantityError
from billing.models import BillingPeriod, Subscription, SubscriptionChange
from billing.models.subscriptions import ChangeKind
from tests import factories
from tests.billing.agreement import ANNA, at, close, fee, lines, metered, plan, start
from tests.billing.conftest import JUNE, MAY

MID_MAY = at("2026-05-16T12:00")


def told(rated):
    return [(line.description, f"{line.amount.amount:.2f}") for line in rated.lines]


@pytest.fixture
def running(acme, send):
    subscription = start(acme, plan(fee("31.00", billed="advance"), metered("1.00"), name="small"))
    close(subscription, MAY)
    send.turns(acme, MAY + timedelta(days=1), 3)
    send.fold(MAY + timedelta(days=2))
    return subscription


OPERATIONS = {
    "an upgrade": lambda one: partial(changes.change_plan, version=plan(fee("62.00", billed="advance"), name="large")),
    "a pause": lambda one: partial(changes.pause),
    "a cancellation": lambda one: partial(changes.cancel),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_preview_is_the_invoice(running, name):
    operation = partial(OPERATIONS[name](running), subscription=running, at=MID_MAY, act=ANNA)
    foretold = previews.of(operation, subscription=running)
    assert (running.changes.count(), running.periods.get().ends_at) == (1, JUNE)
    operation()
    invoice = close(running, JUNE)[-1]
    assert told(foretold.invoices[-1]) == lines(invoice)
    assert (foretold.kind, foretold.at) == (running.changes.order_by("-number")[0].kind, MID_MAY)


def test_a_preview_says_what_becomes_different(running):
    upgrade = partial(OPERATIONS["an upgrade"](running), subscription=running, at=MID_MAY, act=ANNA)
    foretold = previews.of(upgrade, subscription=running)
    assert foretold.before is not None
    assert str(foretold.before.total) == "34.00 EUR"  # June, and three turns
    assert str(foretold.difference) == "46.50 EUR"  # 31 more for June, and 15.50 more for half of May


def test_a_start_is_foretold_with_its_opening(acme):
    version = plan(fee("31.00", billed="advance"), metered("1.00"))
    operation = partial(subscriptions.start, customer=acme, version=version, starts_at=MAY, now=MAY)
    foretold = previews.of(operation, subscription=None)
    assert [told(rated) for rated in foretold.invoices] == [
        [("Base", "31.00")],
        [("Base", "31.00"), ("Turns", "0.00")],
    ]
    assert not Subscription.objects.exists()


def test_what_would_be_refused_is_refused_by_the_preview(running):
    with pytest.raises(ChangeRefusedError):
        previews.of(partial(changes.resume, subscription=running, at=MID_MAY, act=ANNA), subscription=running)


def test_customers_are_moved_at_the_end_of_their_periods_each_by_itself(acme, make_customer):
    old = plan(fee("30.00"))
    first = start(acme, old)
    second = start(make_customer("rival"), old, starts_at=at("2026-05-11T00:00"))
    new = plan(fee("60.00"), version=2)
    act = changes.Act("anna", now=MID_MAY)
    foretold = list(moves.preview_migration(version=new, act=act))
    when = [(move.subscription, move.at) for move in foretold]
    assert when == [(first, JUNE), (second, at("2026-06-11T00:00"))]
    assert SubscriptionChange.objects.filter(kind=ChangeKind.MIGRATE).count() == 0
    assert [move.refusal for move in moves.migrate(version=new, act=act)] == ["", ""]
    assert list(moves.migrate(version=new, act=act)) == []
    assert [lines(one) for one in close(first, at("2026-07-01T00:00"))] == [[("Base", "30.00")], [("Base", "60.00")]]


def test_who_cannot_be_moved_stays_and_says_why(acme, make_customer):
    old = plan(fee("30.00"))
    in_dollars = plan(fee("30.00"), version=2, currency="USD")
    start(acme, old)
    (move,) = moves.migrate(version=in_dollars, act=ANNA)
    assert "not in EUR" in move.refusal
    assert Subscription.objects.get().version == old


def test_customers_stay_on_their_version_until_they_are_moved(acme):
    subscription = start(acme, plan(fee("30.00")))
    plan(fee("60.00"), version=2)
    assert [lines(one) for one in close(subscription, at("2026-07-01T00:00"))] == [[("Base", "30.00")]] * 2


STEPS = st.lists(
    st.tuples(
        st.sampled_from(["small", "large", "pause", "resume"]),
        st.integers(min_value=0, max_value=20 * 24 * 3600),
        st.booleans(),
    ),
    max_size=6,
)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_whatever_was_changed_what_was_charged_in_advance_is_what_was_held(db, steps):
    """Each second of May is charged once at the price that held in it, however it was changed and invoiced."""
    customer = factories.customer(f"customer-{Subscription.objects.count()}")
    versions = {
        "small": plan(fee("26784.00", billed="advance"), name="small"),  # a cent a second
        "large": plan(fee("80352.00", billed="advance"), name="large"),
    }
    subscription = start(customer, versions["small"])
    close(subscription, MAY)
    rate, paused, since, cents = 1, False, MAY, 0
    for what, seconds, at_once in sorted(steps, key=lambda step: step[1]):
        instant = MAY + timedelta(seconds=seconds)
        try:
            operation = {"pause": changes.pause, "resume": changes.resume}.get(what) or partial(
                changes.change_plan, version=versions[what]
            )
            operation(subscription=subscription, at=instant, act=ANNA, invoice_at_once=at_once)
        except ChangeRefusedError:
            continue
        cents += (0 if paused else rate) * int((instant - since).total_seconds())
        since, paused = instant, {"pause": True, "resume": False}.get(what, paused)
        rate = {"small": 1, "large": 3}.get(what, rate)
    end = at("2026-05-31T00:00")
    changes.cancel(subscription=subscription, at=end, act=ANNA)
    cents += (0 if paused else rate) * int((end - since).total_seconds())
    invoices = close(subscription, JUNE)
    assert sum(invoice.subtotal for invoice in invoices) * 100 == cents
    assert all(invoice.total >= 0 for invoice in invoices)
    assert not BillingPeriod.objects.filter(subscription=subscription).exclude(status="closed").exists()


class TestSeats:
    """29.00 a seat and month, by the second."""

    SEAT = {"key": "seats", "name": "Seats", "meter": "seats", "unit": "seat", "per_period": True}

    @pytest.fixture
    def seated(self, acme, send):
        subscription = start(acme, plan(self.SEAT | {"price": {"kind": "unit", "amount": "31.00"}}))
        send.seat(acme, MAY)
        send.fold(MAY + timedelta(days=1))
        return subscription

    def test_what_seats_would_cost_is_what_they_cost(self, acme, seated, send):
        foretold = previews.of_seats(subscription=seated, change=2, at=MID_MAY)
        assert (str(foretold.difference), told(foretold.invoices[0])) == ("31.00 EUR", [("Seats", "62.00")])
        for _ in range(2):
            send.seat(acme, MID_MAY)
        assert lines(close(seated, JUNE)[0]) == [("Seats", "62.00")]

    def test_a_seat_given_back_costs_until_then(self, acme, seated, send):
        foretold = previews.of_seats(subscription=seated, change=-1, at=MID_MAY)
        assert str(foretold.difference) == "-15.50 EUR"
        send.release(Seat.objects.get(), MID_MAY)
        assert [(text, amount) for text, amount in lines(close(seated, JUNE)[0])] == told(foretold.invoices[0])

    def test_no_more_can_be_given_back_than_are_held(self, seated):
        with pytest.raises(NegativeQuantityError):
            previews.of_seats(subscription=seated, change=-3, at=MID_MAY)

    def test_from_the_next_period_on_they_change_nothing_of_this_one(self, seated):
        assert str(previews.of_seats(subscription=seated, change=5, at=JUNE).difference) == "0.00 EUR"
