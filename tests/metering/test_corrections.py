"""Taking events back: who, why, once; and what usage says afterwards."""

from datetime import timedelta

import pytest
from django.db import ProgrammingError, transaction

from metering import corrections, fold, meters, usage
from metering.aggregation import AGGREGATIONS
from metering.audit import Account
from metering.errors import AlreadyVoidedError, InvalidVoidError, UnknownEventError
from metering.models import Batch, Event, Void
from metering.rules import Rule
from tests.metering.factories import (
    ACME,
    LATER,
    NOON,
    RIVAL,
    compute,
    fold_now,
    seat,
    send,
    turn,
    usage_event,
    verdicts,
)

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def void(event, *, customer=ACME, actor="user:ada", reason="sent by mistake"):
    return corrections.void(
        customer_id=customer, source=event.source, event_id=event.id, actor=actor, reason=reason, now=LATER
    )


def amount(meter, **rest):
    return usage.quantity(customer_id=ACME, meter=meter, starts_at=NOON, ends_at=NOON + HOUR, **rest)


def test_a_voided_event_counts_until_the_next_fold_and_no_more_after_it():
    kept, gone = compute(1000), compute(250)
    send(kept, gone)
    first = fold_now()
    made = void(gone)
    assert (made.actor, made.reason, made.voided_at, made.fold) == ("user:ada", "sent by mistake", LATER, None)
    assert str(amount("compute-seconds")) == "1.25"
    assert usage.has_unfolded(customer_id=ACME)
    second = fold_now()
    assert amount("compute-seconds") == 1
    assert str(amount("compute-seconds", as_of=first)) == "1.25"
    assert corrections.find(customer_id=ACME, source=gone.source, event_id=gone.id).fold == second
    assert not usage.has_unfolded(customer_id=ACME)
    assert fold.check() == []


def test_the_last_event_of_a_window_leaves_none():
    event = turn()
    send(event)
    fold_now()
    void(event)
    fold_now()
    assert usage.read(customer_id=ACME, meter="turns", starts_at=NOON, ends_at=NOON + HOUR, window="hour").rows == ()
    assert fold.check() == []


def test_an_event_that_no_fold_has_counted_is_counted_and_taken_back_at_once():
    event = turn()
    send(event)
    void(event)
    number = fold_now()
    assert amount("turns") == 0
    assert Void.objects.get().fold_id == Batch.objects.get().fold_id == number


def test_a_void_waits_for_the_fold_of_its_event():
    first, second = turn(), turn()
    send(first)
    send(second)
    void(second)
    assert fold.fold(now=LATER, limit=1) == fold.Folded(number=usage.latest_fold(), batches=1, events=1, voids=0)
    assert amount("turns") == 1
    assert fold.fold(now=LATER, limit=1).voids == 1
    assert amount("turns") == 1


def test_voids_alone_make_a_fold():
    event = turn()
    send(event)
    fold_now()
    void(event)
    folded = fold.fold(now=LATER)
    assert (folded.batches, folded.events, folded.voids) == (0, 0, 1)
    assert folded.number == usage.latest_fold()


def test_a_seat_that_was_assigned_by_mistake_was_never_held():
    event = seat(1, NOON - 100 * HOUR)
    send(event, seat(1, NOON - 50 * HOUR))
    fold_now()
    void(event)
    fold_now()
    assert amount("seats") == 3600
    assert fold.check() == []


@pytest.mark.parametrize(("key", "before", "after"), [("max", 9, 5), ("min", 1, 3), ("latest", 9, 1)])
def test_what_cannot_be_subtracted_is_made_anew_from_the_other_events(key, before, after):
    meters.define(
        rule=Rule(key, key, "unit", "reading", AGGREGATIONS[key], value_field="n", dimensions=("agent", "device"))
    )
    quarter = timedelta(minutes=15)
    stream = [
        usage_event("reading", {"n": n, "agent": agent}, time=NOON + place * quarter)
        for place, (n, agent) in enumerate([(5, "a"), (3, "b"), (1, "a"), (9, "a")])
    ]
    send(*stream)
    fold_now()
    assert amount(key) == before
    void(next(event for event in stream if event.data["n"] == before))
    fold_now()
    assert amount(key) == after
    assert fold.check() == []


def test_an_event_can_be_taken_back_once_by_its_customer_only():
    event = turn()
    send(event)
    with pytest.raises(UnknownEventError):
        void(event, customer=RIVAL)
    with pytest.raises(UnknownEventError):
        void(turn())
    void(event)
    for _ in range(2):
        with pytest.raises(AlreadyVoidedError):
            void(event, actor="user:eve", reason="another")
    fold_now()
    with pytest.raises(AlreadyVoidedError):
        void(event)
    assert Void.objects.count() == 1


@pytest.mark.parametrize(("field", "text"), [("actor", " "), ("reason", ""), ("reason", "x" * 1001), ("actor", "\0")])
def test_it_must_be_said_who_and_why(field, text):
    event = turn()
    send(event)
    with pytest.raises(InvalidVoidError) as refusal:
        void(event, **{field: text})
    assert refusal.value.parameter == field
    assert not Void.objects.exists()


def test_the_event_and_its_keys_stay_so_that_no_retry_brings_it_back():
    event = turn("t-1")
    send(event)
    fold_now()
    void(event)
    fold_now()
    assert Event.objects.count() == 1
    assert verdicts(send(event)) == ["duplicate"]
    assert verdicts(send(turn("t-1"))) == ["conflict"]
    fold_now()
    assert amount("turns") == 0


def test_what_was_said_of_a_void_stands():
    event = turn()
    send(event)
    void(event)
    fold_now()
    for change in ({"reason": "other"}, {"actor": "user:eve"}, {"fold": None}):
        with pytest.raises(ProgrammingError), transaction.atomic():
            Void.objects.update(**change)
    with pytest.raises(ProgrammingError), transaction.atomic():
        Void.objects.all().delete()


def test_every_accepted_event_is_in_exactly_one_state():
    gone = turn()
    send(gone, turn(), turn(), turn(environment="test"), turn(outcome="runtime_fault"), usage_event("unknown"))
    send(turn(time=NOON + 5 * HOUR))
    fold_now()
    void(gone)
    fold_now()
    send(turn(), compute())
    found = usage.account(customer_id=ACME, starts_at=NOON, ends_at=NOON + HOUR)
    assert found == Account(pending=2, counted=2, test=1, voided=1, unmatched=2)
    assert found.accepted == 8
    assert usage.account(customer_id=RIVAL, starts_at=NOON, ends_at=NOON + HOUR).accepted == 0
