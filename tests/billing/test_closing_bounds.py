"""What keeps a period from being closed by itself: devices, reviews and bounds; and how a person decides."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from agents.models import Device
from billing import changes, closing, coupons, credits, ledger, parking, reviews, sanity
from billing.credits import Award
from billing.errors import DevicesAwaitedError, EarlierInvoiceError, InterventionError, OutOfBoundsError
from billing.models import BillingPeriod, BillingProfile, Coupon, Intervention, Invoice, OutboxMessage, RedemptionUse
from billing.models.credits import GrantKind
from billing.models.invoices import InvoiceStatus, Moment
from billing.models.ledger import Account
from billing.models.subscriptions import Opening, PeriodStatus
from billing.money import Money
from metering import usage
from tests.billing.agreement import ANNA, fee, metered, plan, start
from tests.billing.conftest import JUNE, MAY
from tests.billing.usage import invoiced

JULY = datetime(2026, 7, 1, tzinfo=UTC)
GRACE, HOLD = timedelta(hours=2), timedelta(hours=72)
DUE, MID_MAY = JUNE + GRACE, datetime(2026, 5, 16, 12, tzinfo=UTC)
DAY = timedelta(days=1)
ADA = {"by": "ada", "reason": "looked at it"}


@pytest.fixture
def period(acme, send):
    subscription = start(acme, plan(metered("1.00")))
    send.turns(acme, MID_MAY, 10)
    send.fold(JUNE)
    return subscription.periods.get()


@pytest.fixture
def device(acme):
    """A device of acme's, as the ledger of devices knows it."""

    def make(key="edge-1", enrolled_at=MAY - DAY, **values):
        return Device.objects.create(
            customer=acme, key=key, public_key=bytes(32), head=bytes(32), enrolled_at=enrolled_at, **values
        )

    return make


def reviewed(customer, window=timedelta(days=2), **values):
    BillingProfile.objects.create(customer=customer, review_window=window, **values)


def money(text):
    return Money(Decimal(text), "EUR")


# Devices


def test_a_period_waits_for_a_device_that_reported_in_it_until_its_hold_time_is_over(period, device):
    device(newest_event_at=MID_MAY, last_seen_at=MID_MAY)
    with pytest.raises(DevicesAwaitedError, match="edge-1"):
        closing.close(period_id=period.pk, now=DUE)
    assert closing.close_due(now=JUNE + HOLD - timedelta(seconds=1)).waiting == (period.pk,)
    (invoice,) = closing.close_due(now=JUNE + HOLD).invoices
    stored = Invoice.objects.get(pk=invoice.pk)
    assert stored.incomplete == f"edge-1 (silent, complete up to {MID_MAY.isoformat()})"
    assert stored.status == InvoiceStatus.OPEN


def test_a_device_that_is_complete_is_not_waited_for(period, device):
    device(newest_event_at=JUNE, last_seen_at=JUNE)
    assert invoiced(period, now=DUE).incomplete == ""


@pytest.mark.parametrize(
    "values",
    [
        {"newest_event_at": MAY - DAY, "last_seen_at": MAY - DAY},  # silent since before
        {"enrolled_at": JUNE, "newest_event_at": None},
        {"newest_event_at": MID_MAY, "last_seen_at": MID_MAY, "revoked_at": MID_MAY},
    ],
)
def test_a_device_without_usage_to_expect_is_not_waited_for(period, device, values):
    device(**values)
    assert invoiced(period, now=DUE).incomplete == ""


@pytest.mark.parametrize(
    "values",
    [
        {"newest_event_at": MAY - DAY, "last_seen_at": MAY - DAY, "gap_until": 7},
        {"enrolled_at": MID_MAY},
        {"newest_event_at": MAY - DAY, "last_seen_at": MAY - DAY, "quarantined_at": MAY - DAY},
    ],
)
def test_a_device_of_which_something_is_missing_or_still_to_come_is_waited_for(period, device, values):
    device(**values)
    assert closing.close_due(now=DUE).waiting == (period.pk,)


# Review


def test_a_draft_waits_for_its_review_and_nothing_is_booked_meanwhile(period, acme):
    reviewed(acme)
    (draft,) = closing.close_due(now=DUE).invoices
    assert (draft.status, draft.number, draft.review_until) == ("draft", None, DUE + timedelta(days=2))
    assert not OutboxMessage.objects.exists()
    assert not ledger.balance(account=Account.RECEIVABLE, currency="EUR")
    period.refresh_from_db()
    assert period.status == PeriodStatus.CLOSED


def test_when_the_review_is_over_the_draft_is_issued_as_it_was(period, acme, send):
    reviewed(acme)
    closing.close_due(now=DUE)
    send.turns(acme, MID_MAY, 99)  # too late for this one
    assert reviews.issue_due(now=DUE + timedelta(days=2, seconds=-1)).invoices == ()
    (invoice,) = closing.close_due(now=DUE + timedelta(days=2)).invoices
    assert (invoice.status, invoice.total, invoice.number) == ("open", Decimal("10.00"), "AM-000001")
    assert ledger.balance(account=Account.RECEIVABLE, currency="EUR") == money("10.00")
    assert OutboxMessage.objects.filter(invoice=invoice).exists()


def test_credit_and_coupons_are_used_when_the_draft_is_issued(period, acme):
    reviewed(acme)
    award = Award(GrantKind.PROMOTIONAL, "Welcome", money("3.00"), effective_at=MAY)
    grant = credits.grant(customer=acme, award=award, key="welcome", now=MAY)
    Coupon.objects.create(
        code="TEN", name="Ten percent", percent=10, duration="once", redeemable_from=MAY, created_at=MAY
    )
    coupons.redeem(customer=acme, code="TEN", now=MID_MAY)
    (draft,) = closing.close_due(now=DUE).invoices
    assert (draft.total, str(ledger.remaining(grant=grant))) == (Decimal("6.00"), "3.00 EUR")
    assert not RedemptionUse.objects.exists()
    (invoice,) = closing.close_due(now=DUE + timedelta(days=2)).invoices
    assert (invoice.total, str(ledger.remaining(grant=grant))) == (Decimal("6.00"), "0.00 EUR")
    assert RedemptionUse.objects.get().period == period


def test_a_draft_that_is_not_what_its_period_comes_to_any_more_is_parked_not_issued(period, acme):
    reviewed(acme)
    award = Award(GrantKind.PROMOTIONAL, "Welcome", money("3.00"), effective_at=MAY)
    grant = credits.grant(customer=acme, award=award, key="welcome", now=MAY)
    closing.close_due(now=DUE)
    credits.void(grant=grant, reason="granted to the wrong one", now=DUE)
    (parked,) = closing.close_due(now=DUE + timedelta(days=2)).parked
    assert parked.reason.startswith("DraftChangedError: ")
    assert not Invoice.objects.exists()
    parking.retry(period_id=period.pk)
    (draft,) = closing.close_due(now=DUE + timedelta(days=2)).invoices
    assert draft.total == Decimal("10.00")


def test_a_person_issues_a_draft_early_and_it_is_kept_who_and_why(period, acme):
    reviewed(acme)
    (draft,) = closing.close_due(now=DUE).invoices
    with pytest.raises(InterventionError):
        reviews.issue_early(invoice_id=draft.pk, by="ada", reason=" ", now=DUE)
    assert Invoice.objects.get().status == InvoiceStatus.DRAFT
    invoice = reviews.issue_early(invoice_id=draft.pk, **ADA, now=DUE)
    assert invoice.status == InvoiceStatus.OPEN
    kept = Intervention.objects.get()
    assert (kept.kind, kept.actor, kept.reason, kept.period) == ("issue", "ada", "looked at it", period)
    with pytest.raises(InterventionError, match="open"):
        reviews.issue_early(invoice_id=draft.pk, **ADA, now=DUE)


def test_a_discarded_draft_opens_its_period_and_is_drafted_anew_with_what_came_since(period, acme, send):
    reviewed(acme)
    (draft,) = closing.close_due(now=DUE).invoices
    send.turns(acme, MID_MAY, 5)
    assert reviews.discard(invoice_id=draft.pk, **ADA, now=DUE).status == PeriodStatus.OPEN
    assert Intervention.objects.get().detail == f"draft {draft.pk}: 10.0000 EUR, as of fold {draft.fold}"
    (again,) = closing.close_due(now=DUE).invoices
    assert again.total == Decimal("15.00")
    assert BillingPeriod.objects.count() == 2
    with pytest.raises(InterventionError):
        reviews.discard(invoice_id=again.pk, by="", reason="", now=DUE)


def test_an_issued_invoice_cannot_be_discarded(period):
    invoice = invoiced(period, now=DUE)
    with pytest.raises(InterventionError, match="open"):
        reviews.discard(invoice_id=invoice.pk, **ADA, now=DUE)
    assert Invoice.objects.get().status == InvoiceStatus.OPEN


def test_a_discarded_opening_is_due_again(acme):
    reviewed(acme)
    start(acme, plan(fee("31.00", billed="advance")))
    (draft,) = closing.close_due(now=MAY).invoices
    assert (draft.moment, draft.status) == (Moment.OPENING, "draft")
    assert reviews.discard(invoice_id=draft.pk, **ADA, now=MAY).opening == Opening.DUE
    assert len(closing.close_due(now=MAY).invoices) == 1


def test_the_next_invoice_waits_while_a_draft_does(acme):
    """What the draft charges in advance is not charged again by the one after it."""
    reviewed(acme, timedelta(days=60))
    subscription = start(acme, plan(fee("31.00", billed="advance")))
    closing.close_due(now=MAY)
    (period,) = subscription.periods.all()
    with pytest.raises(EarlierInvoiceError):
        closing.close(period_id=period.pk, now=DUE)
    reviews.issue_early(invoice_id=Invoice.objects.get().pk, **ADA, now=DUE)
    assert invoiced(period, now=DUE).total == Decimal("31.00")


def test_drafts_of_one_day_are_merged_where_the_customer_wants_that(acme, send):
    reviewed(acme, timedelta(0), merges=True)
    subscription = start(acme, plan(metered("1.00")))
    changes.cancel(subscription=subscription, at=JUNE, act=ANNA)
    send.turns(acme, MID_MAY, 10)
    start(acme, plan(fee("31.00", billed="advance"), name="next"), starts_at=JUNE)
    (invoice,) = closing.close_due(now=DUE).invoices[2:]
    assert (invoice.moment, invoice.total, invoice.status) == (Moment.MERGED, Decimal("41.00"), "open")
    assert invoice.parts.count() == 2


# Bounds


def history(subscription, acme, send, months):
    for month in range(1, months + 1):
        at = datetime(2026, month, 16, tzinfo=UTC)
        send.turns(acme, at, 2)
        usage.catch_up(now=at)
        ends_at = datetime(2026, month + 1, 1, tzinfo=UTC)
        invoiced(subscription.periods.get(ends_at=ends_at), now=ends_at + GRACE)


def test_a_total_far_above_the_customers_median_is_parked_until_a_person_releases_it(acme, send):
    subscription = start(acme, plan(metered("1.00")), starts_at=datetime(2026, 1, 1, tzinfo=UTC))
    history(subscription, acme, send, 4)
    send.turns(acme, MID_MAY, 21)
    (parked,) = closing.close_due(now=DUE).parked
    assert parked.reason == (
        "OutOfBoundsError: 21.00 EUR is more than 10 times 2.0000, the median of the last invoices"
    )
    parking.retry(period_id=parked.period_id)
    assert closing.close_due(now=DUE).parked == (parked,)
    with pytest.raises(InterventionError):
        parking.release(period_id=parked.period_id, by="", reason="fine", now=DUE)
    parking.release(period_id=parked.period_id, **ADA, now=DUE)
    (invoice,) = closing.close_due(now=DUE).invoices
    assert invoice.total == Decimal("21.00")
    kept = Intervention.objects.get()
    assert (kept.kind, kept.detail) == ("release", parked.reason)
    with pytest.raises(InterventionError, match="not parked"):
        parking.release(period_id=parked.period_id, **ADA, now=DUE)


def test_ten_times_the_median_is_within_the_bounds(acme, send):
    subscription = start(acme, plan(metered("1.00")), starts_at=datetime(2026, 1, 1, tzinfo=UTC))
    history(subscription, acme, send, 4)
    send.turns(acme, MID_MAY, 20)
    assert closing.close_due(now=DUE).parked == ()


def test_without_a_history_there_is_no_bound_by_it(acme, send):
    subscription = start(acme, plan(metered("1.00")), starts_at=datetime(2026, 3, 1, tzinfo=UTC))
    for month, number in ((3, 1), (4, 100)):
        send.turns(acme, datetime(2026, month, 16, tzinfo=UTC), number)
    assert closing.close_due(now=datetime(2026, 5, 1, tzinfo=UTC) + GRACE).parked == ()
    assert subscription.periods.filter(status=PeriodStatus.CLOSED).count() == 2


def test_too_many_lines_are_parked(period, settings):
    settings.CLOSE_MOST_LINES = 0
    with pytest.raises(OutOfBoundsError, match="1 lines are more than 0"):
        closing.close(period_id=period.pk, now=DUE)


def test_a_charge_for_a_time_too_far_ahead_is_parked(acme, settings):
    settings.CLOSE_MONTHS_AHEAD = 6
    start(acme, plan(fee("120.00", billed="advance", interval="year")))
    (parked,) = closing.close_due(now=MAY).parked
    assert "more than 6 months ahead" in parked.reason


def test_a_charge_below_nothing_is_parked(period, monkeypatch):
    bill = sanity.require_usual

    def lowered(*, assessed, **rest):
        line = assessed.rated.lines[0]
        object.__setattr__(line, "amount", -line.amount)
        bill(assessed=assessed, **rest)

    monkeypatch.setattr(sanity, "require_usual", lowered)
    with pytest.raises(OutOfBoundsError, match=r"Turns comes to -10.00 EUR"):
        closing.close(period_id=period.pk, now=DUE)


# The command line


def test_what_waits_for_a_person_is_listed_and_can_be_let_go_on(period, acme, settings):
    settings.CLOSE_MOST_LINES = 0
    closing.close_due(now=DUE)
    out = StringIO()
    call_command("parked", stdout=out)
    assert "1 lines are more than 0" in out.getvalue()
    with pytest.raises(CommandError, match="somebody"):
        call_command("parked", release=period.pk)
    call_command("parked", release=period.pk, by="ada", reason="fine")
    reviewed(acme)
    closing.close_due(now=DUE)
    draft = Invoice.objects.get()
    out = StringIO()
    call_command("parked", stdout=out)
    assert f"draft │ {draft.pk}" in out.getvalue()
    call_command("parked", discard=draft.pk, by="ada", reason="again")
    closing.close_due(now=DUE)
    call_command("parked", issue=Invoice.objects.get().pk, by="ada", reason="fine")
    assert Invoice.objects.get().status == InvoiceStatus.OPEN
    with pytest.raises(CommandError, match="not parked"):
        call_command("parked", retry=period.pk)
