"""The history of a subscription: what each change ended, what it began, who did it and why."""

from django.contrib.auth import get_user_model
from django.urls import reverse

from billing import agreements, changes
from tests.billing.agreement import ANNA, at, fee, plan, start

MID_MAY = at("2026-05-16T12:00")


def history(subscription):
    return [(step.change.kind, step.gone, step.new) for step in agreements.steps(subscription=subscription)]


def test_each_change_says_what_was_agreed_before_and_what_is_since(acme):
    subscription = start(acme, plan(fee("31.00"), name="small"))
    changes.change_plan(subscription=subscription, version=plan(fee("62.00"), name="large"), at=MID_MAY, act=ANNA)
    assert history(subscription) == [
        (
            "change",
            ("small version 1 from 2026-05-01 00:00:00",),
            (
                "small version 1 from 2026-05-01 00:00:00 to 2026-05-16 12:00:00",
                "large version 1 from 2026-05-16 12:00:00",
            ),
        ),
        ("start", (), ("small version 1 from 2026-05-01 00:00:00",)),
    ]


def test_prices_of_the_customers_own_are_in_it(acme):
    subscription = start(acme, plan(fee("31.00")))
    fields = {"price": {"kind": "flat", "amount": "20.00"}}
    changes.override(subscription=subscription, card="base", fields=fields, starts_at=MID_MAY, act=ANNA)
    newest = history(subscription)[0]
    assert newest[:2] == ("override", ())
    assert newest[2] == ("base from 2026-05-16 12:00:00: price = {'kind': 'flat', 'amount': '20.00'}",)


def test_times_are_the_customers(make_customer):
    subscription = start(make_customer("far", time_zone="Asia/Tokyo"), plan(fee("31.00")))
    assert history(subscription)[0][2] == ("basic version 1 from 2026-05-01 09:00:00",)


def test_a_long_history_takes_as_many_questions_as_a_short_one(acme, django_assert_num_queries):
    subscription = start(acme, plan(fee("31.00")))
    for _ in range(5):
        changes.cancel(subscription=subscription, at=MID_MAY, act=ANNA)
        changes.keep(subscription=subscription, act=ANNA)
    with django_assert_num_queries(5):
        assert len(agreements.steps(subscription=subscription)) == 11


def test_the_admin_shows_it(client, acme):
    client.force_login(get_user_model().objects.create_superuser("operator"))
    subscription = start(acme, plan(fee("31.00")))
    changes.pause(subscription=subscription, at=MID_MAY, act=ANNA)
    page = client.get(reverse("admin:billing_subscription_change", args=[subscription.pk])).content.decode()
    for text in ("asked by phone", "anna", "basic version 1 from 2026-05-16 12:00:00, paused"):
        assert text in page
