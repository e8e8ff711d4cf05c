"""What becomes of a submitted event."""

from datetime import timedelta

import pytest

from metering.event import Malformed, Problem
from metering.models import Batch, Event, EventKey, Refusal
from tests.metering.factories import (
    ACME,
    LATER,
    RIVAL,
    compute,
    decision,
    pointers,
    seat,
    send,
    task,
    turn,
    usage_event,
    verdicts,
)

pytestmark = pytest.mark.django_db


def test_a_new_event_is_accepted_and_stored_as_received():
    event = turn("t1")
    recorded = send(event)
    assert verdicts(recorded) == ["accepted"]
    assert (recorded.verdicts[0].id, recorded.verdicts[0].source) == (event.id, event.source)
    stored = Event.objects.get()
    assert (stored.customer_id, stored.batch_id, stored.received_at) == (ACME, recorded.batch_id, LATER)
    assert (stored.data, stored.time, stored.subject) == (event.data, event.time, "greeter")


def test_the_batch_says_how_many_events_it_brought_and_who_sent_it():
    recorded = send(turn(), turn(), turn(environment="elsewhere"))
    batch = Batch.objects.get()
    assert batch.pk == recorded.batch_id
    assert (batch.event_count, batch.api_key_id, batch.fold) == (2, 7, None)
    assert recorded.counts == {"accepted": 2, "duplicate": 0, "conflict": 0, "rejected": 1}


def test_the_same_event_again_is_a_duplicate_and_makes_no_batch():
    event = turn()
    send(event)
    again = send(event)
    assert verdicts(again) == ["duplicate"]
    assert again.batch_id is None
    assert (Batch.objects.count(), Event.objects.count(), Refusal.objects.count()) == (1, 1, 0)


def test_the_same_id_with_other_content_is_a_conflict_and_kept_as_evidence():
    send(turn("t1", id="e"))
    recorded = send(turn("t2", id="e"))
    assert verdicts(recorded) == ["conflict"]
    assert pointers(recorded) == ["/id"]
    refusal = Refusal.objects.get()
    assert (refusal.verdict, refusal.reason, refusal.event_id) == ("conflict", "id_reused", "e")
    assert '"t2"' in refusal.body


@pytest.mark.parametrize(
    ("first", "second", "pointer"),
    [
        (task("a"), task("a", "failed"), "/data/task"),
        (turn("a"), turn("a"), "/data/turn"),
        (decision("a", 1), decision("a", 1, outcome="unusable"), "/data/turn"),
        (compute(1, name="a"), compute(2, name="a"), "/data/slice"),
    ],
)
def test_a_unit_counted_under_another_id_is_a_conflict_every_time(first, second, pointer):
    send(first)
    assert verdicts(send(second)) == ["conflict"]
    again = send(second)
    assert (verdicts(again), pointers(again)) == (["conflict"], [pointer])
    assert Refusal.objects.count() == 1
    assert Event.objects.count() == 1
    assert EventKey.objects.count() == 1


def test_a_seat_may_be_taken_and_given_back_many_times():
    assert verdicts(send(seat(1), seat(-1), seat(1))) == ["accepted"] * 3


def test_two_decisions_of_one_turn_are_two_units():
    assert verdicts(send(decision("a", 1), decision("a", 2))) == ["accepted"] * 2


def test_the_number_of_a_decision_is_the_same_as_text():
    send(decision("a", 1))
    again = usage_event("io.agentmeter.decision.made.v1", {"turn": "a", "number": "1", "outcome": "usable"})
    assert verdicts(send(again)) == ["conflict"]


def test_a_test_event_never_keeps_a_billable_one_from_being_counted():
    assert verdicts(send(task("a", environment="test"), task("a"))) == ["accepted"] * 2


def test_customers_do_not_share_ids_or_units():
    event = turn("t", id="e")
    assert verdicts(send(event)) == verdicts(send(event, customer=RIVAL)) == ["accepted"]


def test_sources_do_not_share_ids():
    assert verdicts(send(turn(id="e", source="urn:a"), turn(id="e", source="urn:b"))) == ["accepted"] * 2


def test_within_one_request_the_first_of_the_same_wins():
    one = turn("t1", id="e")
    recorded = send(one, one, turn("t2", id="e"), turn("t1"))
    assert verdicts(recorded) == ["accepted", "duplicate", "conflict", "conflict"]


def test_an_event_that_lost_its_unit_does_not_hold_its_id():
    send(turn("t1"))
    assert verdicts(send(turn("t1", id="e"), turn("t2", id="e"))) == ["conflict", "accepted"]


def test_an_event_that_lost_its_id_does_not_hold_its_unit():
    send(turn("t1", id="e"))
    recorded = send(turn("t2", id="e"), turn("t2", id="f"))
    assert verdicts(recorded) == ["conflict", "accepted"]


def test_one_bad_event_never_fails_its_batch():
    recorded = send(turn(), compute("much"), turn())
    assert verdicts(recorded) == ["accepted", "rejected", "accepted"]


def test_what_the_parser_could_not_read_is_rejected_with_its_reasons_and_kept_once():
    bad = Malformed(index=0, errors=(Problem("/id", "id is missing."), Problem("/time", "no time.")), raw=b"{\0\xff")
    for _ in range(2):
        recorded = send(bad)
        assert (verdicts(recorded), pointers(recorded)) == (["rejected"], ["/id", "/time"])
    assert Refusal.objects.get().body == "{��"


def test_an_event_of_the_future_is_rejected_beyond_five_minutes():
    assert verdicts(send(turn(time=LATER + timedelta(minutes=5)))) == ["accepted"]
    recorded = send(turn(time=LATER + timedelta(minutes=5, microseconds=1)))
    assert (verdicts(recorded), pointers(recorded)) == (["rejected"], ["/time"])


@pytest.mark.parametrize(
    "value",
    [None, True, -1, 1.5, "1e3", "NaN", "Infinity", "", " 1", "+1", "1,5", "١", [1], 10**15, "0.0000000001", "1\n"],
)
def test_a_value_that_is_no_exact_number_is_rejected(value):
    recorded = send(compute(value))
    assert (verdicts(recorded), pointers(recorded)) == (["rejected"], ["/data/milliseconds"])
    assert Refusal.objects.get().reason == "bad_value"


@pytest.mark.parametrize("value", [0, 10**15 - 1, "0", "12.5", "0.000000001", "999999999999999.999"])
def test_whole_numbers_and_decimal_strings_are_values(value):
    assert verdicts(send(compute(value))) == ["accepted"]


def test_a_missing_part_of_the_identity_is_rejected_by_name():
    recorded = send(usage_event("io.agentmeter.decision.made.v1", {"turn": "a", "outcome": "usable"}))
    assert (verdicts(recorded), pointers(recorded)) == (["rejected"], ["/data/number"])


@pytest.mark.parametrize("value", [["a"], {"a": 1}, "ä" * 65])
def test_a_dimension_must_be_a_short_scalar(value):
    recorded = send(turn(agent=value))
    assert (verdicts(recorded), pointers(recorded)) == (["rejected"], ["/data/agent"])


@pytest.mark.parametrize(
    ("event", "pointer"),
    [
        (turn(id="a\0b"), "/id"),
        (turn(subject="a\0b"), "/subject"),
        (usage_event("other", {"a": [{"b/c": "\0"}]}), "/data/a/0/b~1c"),
        (usage_event("other", {"\0": 1}), "/data/\0"),
    ],
)
def test_a_character_that_cannot_be_stored_is_rejected_at_its_place(event, pointer):
    recorded = send(event)
    assert (verdicts(recorded), pointers(recorded)) == (["rejected"], [pointer])


def test_text_that_only_looks_like_such_a_character_is_stored():
    event = usage_event("other", {"note": "\\u0000", "ünïcode": "\u2028 '\"%s \\"})
    assert verdicts(send(event)) == ["accepted"]
    assert Event.objects.get().data == event.data


def test_a_type_without_meters_is_stored_all_the_same():
    assert verdicts(send(usage_event("com.example.anything", {"x": None}))) == ["accepted"]


def test_an_empty_request_records_nothing():
    recorded = send()
    assert (recorded.batch_id, recorded.verdicts) == (None, ())
