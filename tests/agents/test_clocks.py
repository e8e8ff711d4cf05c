"""The events of a device count at the time they happened, whatever its wall clock says."""

from datetime import UTC, datetime, timedelta

import pytest

from agents import clocks, cloudevents
from metering.event import Malformed, UsageEvent
from runtime.wire import BatchHeader, format_time

RECEIVED = datetime(2026, 11, 23, 12, tzinfo=UTC)
SECOND = 1_000_000_000
BOOT = "0d1c8f6e-5c1f-4e0e-9f3a-3f5f3f7f0001"
HOURS = timedelta(hours=1)


def header(boottime="7200000000000", bootid=BOOT):
    digest = "0" * 64
    return BatchHeader(
        device="edge-1", epoch=1, first=1, last=9, previous=digest, head=digest, bootid=bootid, boottime=boottime
    )


def event(time, seconds=None, bootid=BOOT):
    boot = {} if seconds is None else {"bootid": bootid, "boottime": str(seconds * SECOND)}
    return {
        "specversion": "1.0",
        "id": "a",
        "source": "/s",
        "type": "t",
        "time": time if isinstance(time, str) else format_time(time),
        "data": {"turn": "a"},
    } | boot


def place(*documents, signed=None):
    submissions = [
        cloudevents.parse(document=document, index=index, environment="live", received_at=RECEIVED)
        for index, document in enumerate(documents)
    ]
    return clocks.place(submissions=submissions, documents=documents, header=signed or header(), received_at=RECEIVED)


def times(*documents, signed=None):
    return [one.time for one in place(*documents, signed=signed)]


def test_a_clock_that_agrees_with_the_time_since_boot_is_believed():
    right = RECEIVED - HOURS - timedelta(seconds=20)  # the request took 20 seconds
    assert times(event(right, 3600)) == [right]


@pytest.mark.parametrize("wrong", ["1970-01-01T00:00:07Z", "2026-11-23T12:00:00Z", "2031-01-01T00:00:00Z"])
def test_a_wrong_clock_is_corrected_by_the_time_since_boot(wrong):
    placed = place(event(wrong, 3600))[0]
    assert placed.time == RECEIVED - HOURS
    assert placed.data["device_time"] == format_time(datetime.fromisoformat(wrong))


def test_a_correction_changes_nothing_by_which_a_repetition_is_recognised():
    wrong = event("1970-01-01T00:00:07Z", 3600)
    parsed = cloudevents.parse(document=wrong, index=0, environment="live", received_at=RECEIVED)
    placed = place(wrong)[0]
    assert isinstance(parsed, UsageEvent)
    assert (placed.id, placed.source, placed.body) == (parsed.id, parsed.source, parsed.body)


def test_an_event_of_an_earlier_boot_keeps_a_time_that_can_be():
    yesterday = RECEIVED - 24 * HOURS
    assert times(event(yesterday, 50_000, "another-boot"), event(RECEIVED - HOURS, 3600)) == [
        yesterday,
        RECEIVED - HOURS,
    ]


@pytest.mark.parametrize("wrong", ["1970-01-01T00:00:07Z", "2026-11-23T11:50:00Z", "2031-01-01T00:00:00Z"])
def test_an_event_of_an_earlier_boot_was_no_later_than_what_follows_it(wrong):
    following = event("1970-01-01T00:10:00Z", 3600)
    assert times(event(wrong, 50_000, "another-boot"), following) == [RECEIVED - HOURS, RECEIVED - HOURS]


def test_a_device_that_does_not_know_its_boots_is_bounded_by_receipt():
    past, future = RECEIVED - 5 * HOURS, RECEIVED + 5 * HOURS
    unsigned = header(bootid=None, boottime=None)
    assert times(event(past), event(future), event("1970-01-01T00:00:00Z"), signed=unsigned) == [
        past,
        RECEIVED,
        RECEIVED,
    ]


def test_the_order_of_the_chain_alone_moves_nothing():
    earlier, later = RECEIVED - 5 * HOURS, RECEIVED - 2 * HOURS
    assert times(event(later), event(earlier)) == [later, earlier]


@pytest.mark.parametrize("seconds", [7201, 10**9])
def test_a_time_since_boot_later_than_the_signing_says_nothing(seconds):
    past = RECEIVED - 5 * HOURS
    assert times(event(past, seconds)) == [past]


@pytest.mark.parametrize("boottime", ["-1", "", "1.5", "٣", "9" * 20])
def test_a_time_since_boot_that_is_no_number_says_nothing(boottime):
    past = RECEIVED - 5 * HOURS
    assert times(event(past, 3600) | {"boottime": boottime}) == [past]


def test_what_could_not_be_parsed_stays_where_it_was():
    placed = place(event(RECEIVED), event("never"), event(RECEIVED))
    assert [isinstance(one, Malformed) for one in placed] == [False, True, False]
