"""The operator's commands: what they show is what they do, and a mistake is named."""

from datetime import UTC, datetime, timedelta

import pytest
from django.core.management import CommandError, call_command

from billing.models import Subscription
from tests.billing.agreement import fee, plan, start

NOW = datetime.now(UTC)
BEGIN = NOW - timedelta(days=3)


@pytest.fixture
def running(acme):
    return start(acme, plan(fee("31.00"), name="small"), starts_at=BEGIN)


def order(operation, customer="acme", **options):
    at = ["--at", options.pop("at")] if "at" in options else []  # as text, as it is typed
    call_command("subscription", operation, customer, *at, "--actor=anna", "--reason=by phone", **options)


def test_a_preview_shows_the_invoices_and_does_nothing(running, capsys):
    plan(fee("62.00"), name="large")
    order("change", plan="large", number=1, preview=True)
    shown = capsys.readouterr().out
    assert shown.count("Base") == 2
    assert "Without it the next invoice would come to 31.00 EUR." in shown
    assert running.changes.count() == 1


def test_a_change_at_the_end_of_the_period_is_agreed(running, capsys):
    version = plan(fee("62.00"), name="large")
    order("change", plan="large", number=1, at="period-end")
    change = running.changes.get(number=2)
    assert (change.at, change.actor, change.reason) == (running.periods.get().ends_at, "anna", "by phone")
    assert Subscription.objects.get().version == version
    order("keep")
    assert Subscription.objects.get().version != version


@pytest.mark.parametrize(("operation", "kind"), [("pause", "pause"), ("cancel", "cancel")])
def test_it_pauses_and_cancels(running, operation, kind):
    order(operation)
    assert running.changes.get(number=2).kind == kind


def test_it_resumes(running):
    order("pause", at=(NOW - timedelta(days=1)).isoformat())
    order("resume", invoice_at_once=True)
    assert running.changes.get(number=3).kind == "resume"


def test_it_starts(acme, capsys):
    plan(fee("31.00", billed="advance"), name="small")
    order("start", plan="small", number=1, preview=True)
    assert "Without it" not in capsys.readouterr().out
    order("start", plan="small", number=1)
    assert Subscription.objects.get().customer == acme


@pytest.mark.parametrize(
    ("operation", "customer", "options", "named"),
    [
        ("cancel", "nobody", {}, "no customer nobody"),
        ("start", "nobody", {"plan": "small", "number": 1}, "no customer nobody"),
        ("start", "acme", {"plan": "small", "number": 1, "at": "period-end"}, "--at"),
        ("change", "acme", {"plan": "small", "number": 7}, "--plan, --number"),
        ("resume", "acme", {}, "not paused"),
        ("pause", "acme", {"at": "soon"}, "no time"),
        ("pause", "acme", {"at": "2026-06-01"}, "no offset"),
    ],
)
def test_a_mistake_is_named(running, operation, customer, options, named):
    with pytest.raises(CommandError, match=named):
        order(operation, customer, **options)
    assert Subscription.objects.count() == 1


def test_customers_are_shown_and_moved(running, make_customer, capsys):
    plan(fee("62.00"), name="small", version=2, currency="EUR")
    call_command("move_customers", "small", number=2, actor="anna", preview=True)
    assert "next invoice 31.00 EUR" in capsys.readouterr().out
    call_command("move_customers", "small", number=2, actor="anna")
    assert running.changes.get(number=2).kind == "migrate"


def test_who_stays_is_named(running):
    plan(fee("62.00"), name="small", version=2, currency="USD")
    with pytest.raises(CommandError, match="1 customers stay"):
        call_command("move_customers", "small", number=2, actor="anna")
    with pytest.raises(CommandError, match="no version 3"):
        call_command("move_customers", "small", number=3, actor="anna")
