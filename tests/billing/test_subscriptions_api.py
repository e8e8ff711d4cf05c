"""Subscriptions over HTTP: seen, foretold and changed, each by the same code, and only the caller's own."""

from datetime import timedelta

import pytest
import time_machine
from rest_framework.test import APIClient

from agents.models.keys import Environment, Scope
from billing import catalog
from billing.models import SubscriptionChange
from tests import factories
from tests.billing.agreement import at, close, fee, lines, metered, plan, start
from tests.billing.conftest import JUNE, MAY

MID_MAY = at("2026-05-16T12:00")
ALL = (Scope.INVOICES_READ, Scope.BILLING_WRITE)


def client(customer, *scopes, environment=Environment.LIVE):
    caller = APIClient()
    secret = factories.api_key(customer, environment=environment, scopes=scopes or ALL)
    caller.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return caller


@pytest.fixture(autouse=True)
def clock():
    with time_machine.travel(MID_MAY, tick=False):
        yield


@pytest.fixture
def small(acme):
    return start(acme, plan(fee("31.00"), metered("1.00"), name="small"))


@pytest.fixture
def large(db):
    return plan(fee("62.00"), metered("1.00"), name="large")


def address(subscription, *parts):
    return "/".join(["/v1/subscriptions", str(subscription.pk), *parts])


def post(customer, subscription, *parts, **body):
    return client(customer).post(address(subscription, "changes", *parts), body, format="json")


def test_a_customer_sees_what_it_is_on(acme, small):
    (found,) = client(acme).get("/v1/subscriptions").json()["results"]
    assert found == {
        "id": small.pk,
        "plan": {"key": "small", "version": 1},
        "currency": "EUR",
        "time_zone": "UTC",
        "starts_at": "2026-05-01T00:00:00+00:00",
        "ends_at": None,
        "anchor_at": "2026-05-01T00:00:00+00:00",
    }


def test_one_subscription_shows_its_terms_and_everything_that_was_agreed(acme, small, large):
    post(acme, small, operation="change", plan="large", at="period_end", reason="we grow")
    found = client(acme).get(address(small)).json()
    assert [(term["plan"]["key"], term["starts_at"], term["ends_at"]) for term in found["terms"]] == [
        ("small", "2026-05-01T00:00:00+00:00", "2026-06-01T00:00:00+00:00"),
        ("large", "2026-06-01T00:00:00+00:00", None),
    ]
    newest, first = found["changes"]
    assert (newest["operation"], newest["reason"], first["operation"]) == ("change", "we grow", "start")
    assert newest["actor"].startswith("key:")


def test_the_preview_is_the_change_taken_back_and_comes_true(acme, small, large):
    asked = {"operation": "change", "plan": "large", "at": "now"}
    foretold = post(acme, small, "preview", **asked).json()
    assert SubscriptionChange.objects.count() == 1
    assert (foretold["before"]["total"], foretold["difference"]) == ("31.00", "15.50")
    made = post(acme, small, **asked)
    assert (made.status_code, made.json()["at"]) == (201, "2026-05-16T12:00:00+00:00")
    (invoice,) = close(small, JUNE)
    assert [(line["description"], line["amount"]) for line in foretold["invoices"][0]["lines"]] == lines(invoice)


@pytest.mark.parametrize(
    ("body", "end", "operation"),
    [
        ({"operation": "pause", "at": "now"}, None, "pause"),
        ({"operation": "cancel", "at": "period_end"}, "2026-06-01T00:00:00+00:00", "cancel"),
        ({"operation": "cancel", "at": "2026-05-20T02:00:00+02:00"}, "2026-05-20T00:00:00+00:00", "cancel"),
    ],
)
def test_it_is_paused_or_ended_at_once_or_later(acme, small, body, end, operation):
    assert post(acme, small, **body).json()["operation"] == operation
    assert client(acme).get(address(small)).json()["ends_at"] == end


def test_a_pause_is_ended_and_an_end_is_taken_back(acme, small):
    for body in (
        {"operation": "pause", "at": "now"},
        {"operation": "resume", "at": "2026-05-20T00:00:00Z", "invoice_at_once": True},
        {"operation": "cancel", "at": "period_end"},
        {"operation": "keep"},
    ):
        assert post(acme, small, **body).status_code == 201, body
    assert client(acme).get(address(small)).json()["ends_at"] is None


def test_without_a_number_the_plans_current_version_is_taken(acme, small, large):
    plan(fee("70.00"), name="large", version=2)
    assert post(acme, small, "preview", operation="change", plan="large", at="now").json()["difference"] == "19.50"
    number_one = post(acme, small, "preview", operation="change", plan="large", version=1, at="now").json()
    assert number_one["difference"] == "15.50"


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/operation"),
        ({"operation": "sell", "at": "now"}, "/operation"),
        ({"operation": "override", "at": "now"}, "/operation"),
        ({"operation": ["cancel"], "at": "now"}, "/operation"),
        ({"operation": "cancel"}, "/at"),
        ({"operation": "cancel", "at": "soon"}, "/at"),
        ({"operation": "cancel", "at": "2026-05-20T00:00:00"}, "/at"),
        ({"operation": "cancel", "at": "2026-05-16T11:59:59Z"}, "/at"),
        ({"operation": "cancel", "at": "9999-12-31T00:00:00Z"}, "/at"),
        ({"operation": "cancel", "at": "0001-01-01T00:00:00+23:00"}, "/at"),
        ({"operation": "cancel", "at": "now", "invoice_at_once": True}, "/invoice_at_once"),
        ({"operation": "pause", "at": "now", "invoice_at_once": "yes"}, "/invoice_at_once"),
        ({"operation": "pause", "at": "now", "plan": "large"}, "/plan"),
        ({"operation": "change", "at": "now"}, "/plan"),
        ({"operation": "change", "at": "now", "plan": "nothing"}, "/plan"),
        ({"operation": "change", "at": "now", "plan": "dollar"}, "/plan"),
        ({"operation": "change", "at": "now", "plan": "large", "version": 2}, "/version"),
        ({"operation": "change", "at": "now", "plan": "large", "version": "1"}, "/version"),
        ({"operation": "change", "at": "now", "plan": "large", "version": 2**40}, "/version"),
        ({"operation": "keep", "reason": "a\0b"}, "/reason"),
        ({"operation": "keep", "reason": "x" * 1001}, "/reason"),
        ({"operation": "keep", "colour": "red"}, "/colour"),
    ],
)
def test_what_cannot_be_asked_is_named_and_nothing_is_changed(acme, small, large, body, pointer):
    plan(fee("1.00"), name="dollar", currency="USD")
    for parts in ((), ("preview",)):
        answer = post(acme, small, *parts, **body)
        assert (answer.status_code, answer["Content-Type"]) == (422, "application/problem+json"), answer.content
        assert answer.json()["errors"][0]["pointer"] == pointer
    assert SubscriptionChange.objects.count() == 1


def test_a_draft_is_not_on_offer(acme, small):
    catalog.import_plan(
        document={"plan": "secret", "name": "S", "version": 1, "currency": "EUR", "rate_cards": [fee("1.00")]}, now=MAY
    )
    answer = post(acme, small, operation="change", plan="secret", at="now")
    assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/plan")


def test_what_the_subscription_cannot_do_is_a_conflict(acme, small):
    assert post(acme, small, operation="resume", at="now").status_code == 409
    assert post(acme, small, operation="keep").status_code == 409
    assert client(acme).post(address(small, "changes"), [1], format="json").status_code == 400


def test_sent_again_with_its_key_a_change_is_made_once(acme, small):
    caller, body = client(acme), {"operation": "pause", "at": "now"}
    first, second = (
        caller.post(address(small, "changes"), body, format="json", headers={"Idempotency-Key": "k"}) for _ in range(2)
    )
    assert (first.status_code, second.status_code, second.json()) == (201, 201, first.json())
    assert second["Idempotency-Replayed"] == "true"
    assert SubscriptionChange.objects.count() == 2


def test_a_rivals_subscription_does_not_exist(small, make_customer):
    rival = client(make_customer("rival"))
    assert rival.get("/v1/subscriptions").json()["results"] == []
    for path in ("", "/alternatives"):
        assert rival.get(address(small) + path).status_code == 404
    for path in ("/changes", "/changes/preview"):
        assert rival.post(address(small) + path, {"operation": "keep"}, format="json").status_code == 404
    assert client(small.customer).get("/v1/subscriptions/99999999999999999999").status_code == 404


def test_changing_and_foretelling_need_a_scope_of_their_own(acme, small):
    reader = client(acme, Scope.INVOICES_READ)
    writer = client(acme, Scope.BILLING_WRITE)
    body = {"operation": "pause", "at": "now"}
    for path in (("changes",), ("changes", "preview")):
        assert reader.post(address(small, *path), body, format="json").status_code == 403
    assert writer.get(address(small)).status_code == 403
    assert APIClient().post(address(small, "changes"), body, format="json").status_code == 401


def test_a_test_key_foretells_and_changes_nothing(acme, small):
    caller, body = client(acme, environment=Environment.TEST), {"operation": "pause", "at": "now"}
    assert caller.post(address(small, "changes", "preview"), body, format="json").status_code == 200
    assert caller.post(address(small, "changes"), body, format="json").status_code == 403
    assert SubscriptionChange.objects.count() == 1


class TestSeats:
    """Assigned one by one; what more or fewer of them would cost is foretold."""

    @pytest.fixture
    def seated(self, acme):
        card = {"key": "seats", "name": "Seats", "meter": "seats", "unit": "seat", "per_period": True}
        return start(acme, plan(card | {"price": {"kind": "unit", "amount": "31.00"}}))

    def test_they_are_foretold(self, acme, seated):
        found = post(acme, seated, "preview", operation="seats", seats=2, at="now").json()
        assert (found["operation"], found["difference"]) == ("seats", "31.00")

    @pytest.mark.parametrize(
        ("body", "pointer"),
        [({"at": "now"}, "/seats"), ({"seats": 0, "at": "now"}, "/seats"), ({"seats": "2", "at": "now"}, "/seats"),
         ({"seats": 10**9, "at": "now"}, "/seats"), ({"seats": 2}, "/at"), ({"seats": 2, "at": "now", "x": 1}, "/x")],
    )  # fmt: skip
    def test_what_cannot_be_asked_is_named(self, acme, seated, body, pointer):
        answer = post(acme, seated, "preview", operation="seats", **body)
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, pointer)

    def test_more_than_are_held_cannot_be_given_back(self, acme, seated):
        assert post(acme, seated, "preview", operation="seats", seats=-1, at="now").status_code == 409

    def test_they_are_no_change_of_the_subscription(self, acme, seated):
        answer = post(acme, seated, operation="seats", seats=2, at="now")
        assert (answer.status_code, answer.json()["errors"][0]["pointer"]) == (422, "/operation")


class TestAlternatives:
    @pytest.fixture
    def used(self, acme, small, large, send):
        send.turns(acme, MAY + timedelta(days=1), 40)
        send.fold(JUNE)
        close(small, JUNE)
        plan(metered("1.50"), name="pay-as-you-go")
        plan(metered("0.01"), name="dollar", currency="USD")
        return small

    def test_plans_come_with_what_the_usage_would_have_cost_the_cheapest_first(self, acme, used):
        found = client(acme).get(address(used, "alternatives")).json()
        assert (found["billed"], found["periods"], found["currency"]) == ("71.00", 1, "EUR")
        assert [(one["plan"]["key"], one["is_current"], one["total"], one["change"]) for one in found["plans"]] == [
            ("pay-as-you-go", False, "60.00", "-11.00"),
            ("small", True, "71.00", "0.00"),
            ("large", False, "102.00", "31.00"),
        ]

    def test_each_says_its_difference_line_by_line(self, acme, used):
        cheapest = client(acme).get(address(used, "alternatives")).json()["plans"][0]
        assert [(line["rate_card"], line["billed"], line["amount"]) for line in cheapest["lines"]] == [
            ("turns", "40.00", "60.00"),
            ("base", "31.00", "0.00"),
        ]

    def test_only_the_last_periods_count(self, acme, used, send):
        send.turns(acme, JUNE + timedelta(days=1), 1)
        send.fold(at("2026-07-01T00:00"))
        close(used, at("2026-07-01T00:00"))
        found = client(acme).get(address(used, "alternatives") + "?periods=1").json()
        assert (found["billed"], found["plans"][0]["total"]) == ("32.00", "1.50")

    @pytest.mark.parametrize("periods", ["0", "37", "x", "", "-1", "²"])
    def test_a_number_of_periods_that_cannot_be_is_named(self, acme, used, periods):
        answer = client(acme).get(address(used, "alternatives") + f"?periods={periods}")
        assert answer.status_code == 400
        assert "periods" in answer.json()["detail"]

    def test_before_the_first_invoice_there_is_nothing_to_compare(self, acme, small):
        assert client(acme).get(address(small, "alternatives")).status_code == 422
