"""A subscription against the calendar: leap days, starts that lie back, hours that a zone skips; and test usage."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from msgspec import structs

from billing.models import Invoice
from tests.billing.agreement import at, close, cycles, fee, lines, metered, plan, start
from tests.billing.conftest import JUNE, MAY
from tests.billing.usage import Sender


class SenderOfTests(Sender):
    """Sends what a test key would."""

    def _event(self, kind, at, data):
        return structs.replace(super()._event(kind, at, data), environment="test")


def test_an_anchor_on_a_leap_day_comes_back_to_it_every_fourth_year(acme):
    leap_day = at("2024-02-29T00:00")
    subscription = start(acme, plan(fee("366.00"), interval="year"), starts_at=leap_day)
    close(subscription, at("2028-03-01T00:00"))
    starts = subscription.periods.order_by("starts_at").values_list("starts_at", flat=True)
    assert [one.strftime("%Y-%m-%d") for one in starts] == [
        "2024-02-29",
        "2025-02-28",
        "2026-02-28",
        "2027-02-28",
        "2028-02-29",
    ]


def test_a_leap_day_is_a_part_of_its_month(acme):
    subscription = start(acme, plan(fee("29.00")), starts_at=at("2024-02-10T00:00"), anchor_at=at("2024-02-01T00:00"))
    (invoice, *_) = close(subscription, at("2024-03-01T00:00"))
    assert lines(invoice) == [("Base", "20.00")]  # from the 10th on, 20 of 29 days


def test_a_start_that_lies_back_is_invoiced_period_by_period(acme, send):
    send.turns(acme, MAY + timedelta(days=10), 3)
    subscription = start(acme, plan(fee("31.00"), metered("1.00")), starts_at=MAY)
    assert cycles(subscription) == [("05-01T00", "06-01T00")]
    invoices = close(subscription, at("2026-08-01T00:00"))
    assert [lines(one)[1] for one in invoices] == [("Turns", "3.00"), ("Turns", "0.00"), ("Turns", "0.00")]


def test_an_anchor_on_the_31st_in_a_zone_with_summer_time_is_local_midnight(make_customer):
    zone = ZoneInfo("Europe/Berlin")
    customer = make_customer(time_zone="Europe/Berlin")
    subscription = start(customer, plan(fee("31.00")), starts_at=datetime(2026, 1, 31, tzinfo=zone).astimezone(UTC))
    close(subscription, at("2026-05-01T00:00"))
    starts = subscription.periods.order_by("starts_at").values_list("starts_at", flat=True)
    local = [one.astimezone(zone).strftime("%m-%d %H:%M") for one in starts]
    assert local == ["01-31 00:00", "02-28 00:00", "03-31 00:00", "04-30 00:00"]


def test_what_a_test_key_sends_is_never_billed(acme, send):
    of_tests = SenderOfTests()
    of_tests.numbers = send.numbers
    subscription = start(acme, plan(metered("1.00")))
    send.turns(acme, MAY + timedelta(days=1), 2)
    of_tests.turns(acme, MAY + timedelta(days=1), 40)
    close(subscription, JUNE)
    assert lines(Invoice.objects.get()) == [("Turns", "2.00")]
