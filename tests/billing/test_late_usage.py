"""Late and corrected usage: what comes after the close is on the next invoice, at its own period's prices, once."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from django.db import IntegrityError, transaction

from billing import changes, closing, ledger, parking
from billing.changes import Act
from billing.models import BillingPeriod, CreditGrant, CreditNote, Invoice, LateDifference
from billing.models.invoices import LineKind, Moment
from billing.models.ledger import Account
from billing.models.subscriptions import PeriodStatus
from metering import corrections, records, usage
from tests.billing.agreement import ANNA, metered, plan, start
from tests.billing.conftest import JUNE, MAY
from tests.billing.usage import invoiced

JULY, AUGUST = datetime(2026, 7, 1, tzinfo=UTC), datetime(2026, 8, 1, tzinfo=UTC)
GRACE = timedelta(hours=2)
MID_MAY, MID_JUNE = datetime(2026, 5, 16, 12, tzinfo=UTC), datetime(2026, 6, 16, 12, tzinfo=UTC)


def late_lines(invoice):
    lines = invoice.lines.filter(kind=LineKind.LATE).order_by("position")
    return [(line.description, line.quantity, line.amount) for line in lines]


def close(subscription, ends_at):
    period = subscription.periods.get(ends_at=ends_at)
    usage.catch_up(now=ends_at)
    return invoiced(period, now=ends_at + GRACE)


def take_back(customer, number):
    for event in records.newest(customer_id=customer.pk, ends_at=JUNE, limit=number):
        corrections.void(
            customer_id=customer.pk,
            source=event.source,
            event_id=event.id,
            actor="user:ada",
            reason="sent by mistake",
            now=JUNE,
        )


@pytest.fixture
def agreed(acme, send):
    """Acme on turns at 0.10 to 100 and 0.05 above, with 90 of them invoiced in May."""
    tiers = {"kind": "graduated", "tiers": [{"up_to": "100", "unit": "0.10"}, {"up_to": "inf", "unit": "0.05"}]}
    subscription = start(acme, plan(metered("0", price=tiers)))
    send.turns(acme, MID_MAY, 90)
    close(subscription, JUNE)
    return subscription


def test_late_usage_is_a_named_line_of_the_next_invoice_at_the_price_of_its_place(agreed, acme, send):
    """90 were billed at 0.10; of 30 that came late ten cost 0.10 and twenty 0.05."""
    send.turns(acme, MID_MAY, 30)
    invoice = close(agreed, JULY)
    assert late_lines(invoice) == [("Late usage, 1-31 May 2026: Turns", Decimal(30), Decimal("2.00"))]
    line = invoice.lines.get(kind=LineKind.LATE)
    may = Invoice.objects.get(period__ends_at=JUNE)
    assert line.adjusts == may.lines.get()
    assert (line.starts_at, line.ends_at) == (MAY, JUNE)
    assert [row["amount"] for row in line.detail] == ["11", "-9"]
    assert invoice.total == Decimal("2.00")
    assert may.total == Decimal("9.00")


def test_it_is_billed_once_and_what_comes_later_still_is_again_only_the_difference(agreed, acme, send):
    send.turns(acme, MID_MAY, 30)
    close(agreed, JULY)
    send.turns(acme, MID_MAY, 5)
    send.turns(acme, MID_JUNE, 1)
    assert late_lines(close(agreed, AUGUST)) == [
        ("Late usage, 1-31 May 2026: Turns", Decimal(5), Decimal("0.25")),
        ("Late usage, 1-30 Jun 2026: Turns", Decimal(1), Decimal("0.10")),
    ]
    assert late_lines(close(agreed, datetime(2026, 9, 1, tzinfo=UTC))) == []


def test_all_invoices_together_come_to_what_each_period_comes_to_now(agreed, acme, send):
    for ends_at, number in ((JULY, 7), (AUGUST, 13)):
        send.turns(acme, MID_MAY, number)
        send.turns(acme, MID_JUNE, number)
        close(agreed, ends_at)
    close(agreed, datetime(2026, 9, 1, tzinfo=UTC))
    whole = sum(invoice.total for invoice in Invoice.objects.all())
    fold = usage.latest_fold()
    own = [
        line.amount.amount
        for period in BillingPeriod.objects.filter(status=PeriodStatus.CLOSED)
        for line in closing.rate(period=period, as_of=fold).lines
        if line.kind.value != LineKind.LATE
    ]
    assert whole == sum(own)


def test_late_usage_that_costs_nothing_is_shown_all_the_same(acme, send):
    subscription = start(acme, plan(metered("1", allowance="100")))
    send.turns(acme, MID_MAY, 10)
    close(subscription, JUNE)
    send.turns(acme, MID_MAY, 5)
    assert late_lines(close(subscription, JULY)) == [("Late usage, 1-31 May 2026: Turns", Decimal(5), Decimal(0))]


def test_usage_that_is_taken_back_lowers_the_next_invoice(agreed, acme, send):
    send.turns(acme, MID_JUNE, 100)
    take_back(acme, 20)
    invoice = close(agreed, JULY)
    assert late_lines(invoice) == [("Corrected usage, 1-31 May 2026: Turns", Decimal(-20), Decimal("-2.00"))]
    assert invoice.total == Decimal("8.00")


def test_what_an_invoice_gives_back_beyond_nothing_becomes_credit(agreed, acme):
    take_back(acme, 20)
    invoice = close(agreed, JULY)
    assert (invoice.total, invoice.carried) == (Decimal(0), Decimal("2.00"))
    assert CreditGrant.objects.get().amount == Decimal("2.00")
    assert sum(one.amount.amount for one in ledger.trial_balance()) == 0
    assert -ledger.balance(account=Account.REVENUE, currency="EUR").amount == Decimal("7.00")


def test_beyond_the_limit_it_is_a_credit_note_that_somebody_has_to_approve(agreed, acme, settings):
    settings.CREDIT_NOTE_LIMITS = {"EUR": 1}
    take_back(acme, 20)
    invoice = close(agreed, JULY)
    assert late_lines(invoice) == []
    note = CreditNote.objects.get()
    may = Invoice.objects.get(period__ends_at=JUNE)
    assert (note.invoice, note.status, note.total, note.needs_approval) == (may, "draft", Decimal("2.00"), True)
    assert note.explanation == "Corrected usage, 1-31 May 2026"
    assert late_lines(close(agreed, AUGUST)) == []
    assert CreditNote.objects.count() == 1


def test_what_no_credit_note_can_say_is_parked_until_a_person_releases_it(acme, send, settings):
    """A minimum takes the place of what is taken back in part: no line of May's invoice could be lowered by that."""
    subscription = start(acme, plan(metered("1"), minimum="75"))
    send.turns(acme, MID_MAY, 90)
    close(subscription, JUNE)
    settings.CREDIT_NOTE_LIMITS = {"EUR": 1}
    take_back(acme, 30)
    (parked,) = closing.close_due(now=JULY + GRACE).parked
    assert parked.reason == ("OutOfBoundsError: 15.00 EUR is given back for corrected usage, more than 1.00 EUR")
    parking.release(period_id=parked.period_id, by="ada", reason="looked at", now=JULY)
    (invoice,) = closing.close_due(now=JULY + GRACE).invoices
    assert [amount for _, _, amount in late_lines(invoice)] == [Decimal("-30.00"), Decimal("15.00")]


def test_a_minimum_swallows_late_usage_below_it(acme, send):
    subscription = start(acme, plan(metered("1"), minimum="75"))
    send.turns(acme, MID_MAY, 50)
    close(subscription, JUNE)
    send.turns(acme, MID_MAY, 10)
    invoice = close(subscription, JULY)
    assert [amount for _, _, amount in late_lines(invoice)] == [Decimal("10.00"), Decimal("-10.00")]
    assert invoice.total == Decimal("75.00")


def test_it_is_rated_as_was_agreed_then(agreed, acme, send):
    dear = plan(metered("7"), name="dear")
    changes.change_plan(subscription=agreed, version=dear, at=JULY, act=Act("anna", now=MID_JUNE))
    send.turns(acme, MID_MAY, 10)
    assert [amount for _, _, amount in late_lines(close(agreed, JULY))] == [Decimal("1.00")]


def test_a_level_that_changes_late_changes_every_period_since(acme, send):
    subscription = start(acme, plan(metered("30", "seats", per_period=True)))
    close(subscription, JUNE)
    close(subscription, JULY)
    send.seat(acme, MAY)
    invoice = close(subscription, AUGUST)
    assert [(text, amount) for text, _, amount in late_lines(invoice)] == [
        ("Late usage, 1-31 May 2026: Seats", Decimal("30.00")),
        ("Late usage, 1-30 Jun 2026: Seats", Decimal("30.00")),
    ]


def test_late_usage_of_a_subscription_that_ended_has_an_invoice_of_its_own(agreed, acme, send):
    changes.cancel(subscription=agreed, at=JULY, act=ANNA)
    closing.close_due(now=JULY + GRACE)
    send.turns(acme, MID_MAY, 30)
    send.turns(acme, MID_JUNE, 3)
    (invoice,) = closing.close_due(now=AUGUST).invoices
    assert (invoice.moment, invoice.status) == (Moment.LATE, "open")
    assert [amount for _, _, amount in late_lines(invoice)] == [Decimal("2.00"), Decimal("0.30")]
    assert closing.close_due(now=AUGUST) == closing.Closed((), (), ())
    send.turns(acme, MID_JUNE, 2)
    (again,) = closing.close_due(now=AUGUST).invoices
    assert again.total == Decimal("0.20")


def test_the_preview_shows_what_came_late(agreed, acme, send):
    send.turns(acme, MID_MAY, 30)
    send.turns(acme, MID_JUNE, 1)
    usage.catch_up(now=JULY)
    june = agreed.periods.get(ends_at=JULY)
    foretold = closing.preview(period=june, now=JULY)
    invoice = close(agreed, JULY)
    assert [line.detail() for line in foretold.lines] == [line.detail for line in invoice.lines.order_by("position")]


def test_an_invoice_with_late_usage_is_rated_again_as_it_was(agreed, acme, send, settings):
    send.turns(acme, MID_MAY, 30)
    invoice = close(agreed, JULY)
    send.turns(acme, MID_MAY, 9)
    close(agreed, AUGUST)
    settings.CREDIT_NOTE_LIMITS = {"EUR": 0}
    again = closing.rate(period=invoice.period, as_of=invoice.fold)
    stored = list(invoice.lines.order_by("position"))
    assert [(line.description, line.amount.amount, line.detail()) for line in again.lines] == [
        (line.description, line.amount, line.detail) for line in stored
    ]


def test_a_customer_without_late_usage_is_not_rated_again(agreed, acme, send, monkeypatch):
    send.turns(acme, MID_JUNE, 3)
    monkeypatch.setattr("billing.sides.as_it_is", lambda **_: pytest.fail("rated again"))
    assert close(agreed, JULY).total == Decimal("0.30")


def test_the_database_refuses_to_settle_a_difference_twice(agreed, acme, send):
    send.turns(acme, MID_MAY, 30)
    close(agreed, JULY)
    row = LateDifference.objects.get()
    row.pk = None
    with pytest.raises(IntegrityError, match="late_difference_settled_once"), transaction.atomic():
        row.save(force_insert=True)
