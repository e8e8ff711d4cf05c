"""Dunning: an unpaid invoice is reminded of by the schedule, then its customer is suspended, until it pays."""

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
import time_machine
from django.core import mail
from django.db import DatabaseError, transaction

from billing import closing, dunning, invoicing, mails, voiding
from billing.dunning import reminders, schedule, suspensions
from billing.dunning.reminders import Dunned
from billing.dunning.schedule import Schedule
from billing.errors import DunningError
from billing.models import (
    Announcement,
    BillingProfile,
    Invoice,
    Mail,
    OutboxMessage,
    PaymentAttempt,
    Reminder,
    Suspension,
)
from billing.models.collection import AttemptOutcome
from billing.models.profiles import Collection
from billing.money import Money
from billing.stripe import settlement
from tests.factories import api_key

ISSUED = datetime(2026, 6, 1, 2, tzinfo=UTC)
DUE = ISSUED + timedelta(days=14)
DAY = timedelta(days=1)


@pytest.fixture
def invoice(acme, subscribe, send):
    return owed(acme, subscribe, send)


def owed(customer, subscribe, send):
    period = subscribe(customer).periods.get()
    send.turns(customer, datetime(2026, 5, 15, tzinfo=UTC), 10)
    send.fold(ISSUED)
    made = closing.close(period_id=period.pk, now=ISSUED)
    assert made is not None
    assert made.status == "open"
    return made


def pay(invoice, now, amount=None, payment="pi_1"):
    money = Money(invoice.due if amount is None else Decimal(amount), invoice.currency)
    return invoicing.mark_paid(invoice_id=invoice.pk, payment_id=payment, amount=money, paid_at=now, now=now)


def steps(invoice):
    return list(Reminder.objects.filter(invoice=invoice).order_by("step").values_list("step", flat=True))


def dun_daily(first, last):
    """Run on each day, as the beat does more often, and return what was done on which day after the due date."""
    done = {}
    for day in range(first, last + 1):
        if (what := reminders.dun(now=DUE + day * DAY)) != Dunned():
            done[day] = what
    return done


def test_an_invoice_is_reminded_of_on_the_days_of_the_schedule_and_then_its_customer_is_suspended(invoice, acme):
    assert dun_daily(-14, 40) == {
        1: Dunned(reminders=1),
        3: Dunned(reminders=1),
        7: Dunned(reminders=1),
        14: Dunned(reminders=1),
        21: Dunned(suspended=1),
    }
    assert dunning.is_suspended(customer=acme)
    assert dunning.is_suspended(customer=acme.pk)
    assert Suspension.objects.get().reason == f"Invoice {invoice.number} is not paid."


def test_each_step_is_one_mail_and_one_message_however_often_it_runs(invoice, acme):
    for hour in range(48):
        reminders.dun(now=DUE + DAY + timedelta(hours=hour))
    assert steps(invoice) == [1]
    (written,) = Mail.objects.all()
    assert written.recipient == acme.email
    assert invoice.number in written.subject
    assert Announcement.objects.filter(type="invoice.overdue").count() == 1
    with pytest.raises(DatabaseError), transaction.atomic():
        Reminder.objects.create(invoice=invoice, step=1, taken_at=DUE)


def test_after_days_of_silence_one_reminder_goes_out_and_nobody_is_suspended_unwarned(invoice, acme):
    late = DUE + 60 * DAY
    assert reminders.dun(now=late) == Dunned(reminders=1)
    assert steps(invoice) == [4]
    assert reminders.dun(now=late + 6 * DAY) == Dunned()
    assert not dunning.is_suspended(customer=acme)
    assert reminders.dun(now=late + 7 * DAY) == Dunned(suspended=1)


def test_a_declined_payment_begins_the_schedule_before_the_invoice_is_due(invoice, acme):
    declined = ISSUED + DAY
    PaymentAttempt.objects.create(
        invoice=invoice, key="a", outcome=AttemptOutcome.DECLINED, code="card_declined", attempted_at=declined
    )
    assert reminders.dun(now=declined + DAY - timedelta(seconds=1)) == Dunned()
    assert reminders.dun(now=declined + DAY) == Dunned(reminders=1)
    assert "was declined on 2 Jun 2026" in Mail.objects.get().text
    (arrear,) = dunning.standing_of(customer=acme, now=declined + DAY).arrears
    assert (arrear.reminders, arrear.next_at) == (1, declined + 3 * DAY)


def test_a_declined_payment_is_told_once_for_each_attempt(invoice, acme):
    for key in ("evt_1", "evt_1", "evt_2"):
        settlement.note_decline(invoice, key, "card_declined: The card was declined.", ISSUED)
    told = Announcement.objects.filter(type="invoice.payment_failed")
    assert [json.loads(one.body)["data"]["reason"] for one in told] == ["card_declined"] * 2


def test_a_card_on_file_is_asked_once_more_with_each_reminder(invoice, acme):
    BillingProfile.objects.create(customer=acme, collection=Collection.CARD_ON_FILE)
    dun_daily(0, 40)
    keys = OutboxMessage.objects.filter(operation="pay_invoice").order_by("pk").values_list("key", flat=True)
    assert [key.split(":")[-2] for key in keys] == ["2", "3", "4", "5"]


def test_paying_before_ends_it(invoice, acme):
    dun_daily(0, 8)
    pay(invoice, DUE + 8 * DAY)
    assert dun_daily(9, 40) == {}
    assert dunning.standing_of(customer=acme, now=DUE + 9 * DAY).arrears == ()


def test_paying_lifts_the_suspension_in_the_same_transaction_and_says_so(invoice, acme):
    dun_daily(0, 21)
    pay(invoice, DUE + 22 * DAY, amount="0.01", payment="pi_part")
    assert dunning.is_suspended(customer=acme)
    pay(invoice, DUE + 22 * DAY, amount=invoice.due - Decimal("0.01"))
    assert not dunning.is_suspended(customer=acme)
    lifted = Suspension.objects.get()
    assert (lifted.lifted_at, lifted.lifted_reason) == (DUE + 22 * DAY, suspensions.PAID)
    assert Mail.objects.latest("pk").subject == "Your agents may work again"
    types = list(Announcement.objects.order_by("pk").values_list("type", flat=True))
    assert types[-3:] == ["payment.received", "invoice.paid", "customer.reinstated"]
    assert "customer.suspended" in types


def test_a_voided_invoice_suspends_nobody_any_longer(invoice, acme):
    dun_daily(0, 21)
    voiding.void(invoice=invoice, actor="fin", reason="it was wrong", now=DUE + 22 * DAY)
    assert not dunning.is_suspended(customer=acme)


def test_an_invoice_that_was_written_off_still_suspends_until_it_is_paid(invoice, acme):
    dun_daily(0, 21)
    voiding.write_off(invoice=invoice, actor="fin", reason="no hope", now=DUE + 22 * DAY)
    reminders.dun(now=DUE + 23 * DAY)
    assert dunning.is_suspended(customer=acme)
    pay(invoice, DUE + 24 * DAY)
    assert not dunning.is_suspended(customer=acme)


def test_a_person_may_lift_and_the_same_invoice_does_not_suspend_again(invoice, acme):
    dun_daily(0, 21)
    assert suspensions.lift(customer=acme, reason="They called.", now=DUE + 22 * DAY)
    assert not suspensions.lift(customer=acme, reason="Again.", now=DUE + 22 * DAY)
    assert dun_daily(23, 60) == {}


def test_a_persons_own_suspension_is_not_lifted_by_a_payment(invoice, acme):
    suspensions.suspend(customer=acme, reason="Fraud is looked into.", now=DUE)
    pay(invoice, DUE)
    reminders.dun(now=DUE + DAY)
    assert dunning.is_suspended(customer=acme)


def test_one_customers_arrears_are_its_own(invoice, acme, make_customer):
    rival = make_customer("rival")
    dun_daily(0, 21)
    assert not dunning.is_suspended(customer=rival)
    assert dunning.standing_of(customer=rival, now=DUE + 21 * DAY) == dunning.Standing(None, ())


def test_a_suspension_can_only_be_lifted_and_there_is_one_at_a_time(acme):
    assert suspensions.suspend(customer=acme, reason="one", now=DUE)
    assert not suspensions.suspend(customer=acme, reason="two", now=DUE)
    for change in ({"reason": "other"}, {"since": ISSUED}):
        with pytest.raises(DatabaseError), transaction.atomic():
            Suspension.objects.update(**change)
    suspensions.lift(customer=acme, reason="over", now=DUE)
    with pytest.raises(DatabaseError), transaction.atomic():
        Suspension.objects.update(lifted_at=None, lifted_reason="")


def test_mails_leave_once_with_text_and_html_and_a_pay_link(invoice):
    reminders.dun(now=DUE + 14 * DAY)
    assert mails.send_due(now=DUE + 14 * DAY) == mails.Sent(sent=1)
    assert mails.send_due(now=DUE + 15 * DAY) == mails.Sent()
    (sent,) = mail.outbox
    assert isinstance(sent, mail.EmailMultiAlternatives)
    for text in (str(sent.body), str(sent.alternatives[0][0])):
        assert f"/portal/pay/{invoice.number}" in text
        assert "by 6 Jul 2026, your agents are suspended" in text
    assert sent.extra_headers["Message-ID"] == mails.message_id(key=f"reminder:{invoice.number}:4")


def test_a_mail_that_cannot_leave_is_tried_again_later_and_given_up_at_last(invoice, monkeypatch):
    reminders.dun(now=DUE + DAY)

    def refuse(_self, fail_silently=False):
        raise ConnectionRefusedError("no server")

    monkeypatch.setattr("django.core.mail.EmailMultiAlternatives.send", refuse)
    now, tries = DUE + DAY, 0
    while Mail.objects.get().state == "pending":
        assert mails.send_due(now=now) == mails.Sent(failed=1)
        assert mails.send_due(now=now) == mails.Sent()
        now, tries = Mail.objects.get().not_before, tries + 1
    assert (tries, Mail.objects.get().error) == (mails.MOST_ATTEMPTS, "ConnectionRefusedError: no server")


def test_a_mail_that_somebody_else_is_sending_is_left_alone(invoice):
    reminders.dun(now=DUE + DAY)
    Mail.objects.update(attempts=1, not_before=DUE + DAY + mails.LEASE)
    assert mails.send_due(now=DUE + DAY) == mails.Sent()


def test_a_name_with_markup_stays_text(acme, subscribe, send):
    acme.name = "<b>Acme</b> & Sons\r\nBcc: all@rival.example"
    acme.save()
    owed(acme, subscribe, send)
    reminders.dun(now=DUE + DAY)
    written = Mail.objects.get()
    assert "<b>Acme" not in written.html
    assert "<b>Acme</b> & Sons" in written.text
    assert "\n" not in written.subject


@pytest.mark.parametrize(
    ("days", "grace"), [("", 7), ("3,1", 7), ("1,1", 7), ("-1", 7), ("1,x", 7), ("1,3", -1), ("1;3", 7)]
)
def test_a_schedule_that_cannot_be_used_says_so(days, grace):
    with pytest.raises(DunningError):
        schedule.read(days=days, grace_days=grace)


def test_steps_are_counted_from_the_anchor():
    plan = Schedule((0, 2), 1)
    assert [plan.step_due(anchor=DUE, now=DUE + hours * timedelta(hours=1)) for hours in (-1, 0, 47, 48, 99)] == [
        *(0, 1, 1, 2, 2)
    ]


def test_the_terms_of_the_customer_decide_when_an_invoice_is_due(acme, subscribe, send):
    BillingProfile.objects.create(customer=acme, payment_days=30, purchase_order="PO 4711")
    invoice = owed(acme, subscribe, send)
    assert invoice.due_at == ISSUED + 30 * DAY
    assert b'"purchase_order":"PO 4711"' in invoicing.canonical(Invoice.objects.get())
    assert reminders.dun(now=ISSUED + 30 * DAY) == Dunned()
    assert reminders.dun(now=ISSUED + 31 * DAY) == Dunned(reminders=1)


def test_the_api_tells_a_customer_where_it_stands(invoice, acme, make_customer, client):
    dun_daily(0, 21)
    pay(invoice, DUE + 21 * DAY, amount="0.01")
    with time_machine.travel(DUE + 21 * DAY, tick=False):
        body = client.get("/v1/dunning", headers={"Authorization": f"Bearer {api_key(acme)}"}).json()
    assert body["is_suspended"] is True
    (arrear,) = body["invoices"]
    assert (arrear["number"], arrear["due"], arrear["reminders"], arrear["next_at"]) == (
        *(invoice.number, f"{invoice.due - Decimal('0.01'):.2f}", 4, None),
    )
    other = client.get("/v1/dunning", headers={"Authorization": f"Bearer {api_key(make_customer('rival'))}"}).json()
    assert other == {"is_suspended": False, "suspended_since": None, "suspended_reason": "", "invoices": []}
    weak = api_key(acme, scopes=["usage:read"])
    assert client.get("/v1/dunning", headers={"Authorization": f"Bearer {weak}"}).status_code == 403
