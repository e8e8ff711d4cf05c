"""Senders, folds, voids and a back-fill, all at once: usage is still what the plain definitions say."""

import random
from datetime import timedelta

import pytest

from metering import backfill, corrections, fold, meters, usage
from metering.models import Batch, Event, Void
from tests.metering.factories import ACME, LATER, fold_now, send, usage_event
from tests.metering.streams import PLAIN, RULES, START, TYPE, compare
from tests.threads import at_once

pytestmark = pytest.mark.usefixtures("committed")


def stream_of(seed, size):
    chance = random.Random(seed)
    return [
        usage_event(
            TYPE,
            {
                "n": chance.choice([0, 1, 2, 7, "0.25"]),
                "tag": chance.choice("xyz"),
                "outcome": chance.choice(["fine", "fine", "fault"]),
                "agent": chance.choice(["a", "b", None]),
                "byoc": chance.choice([True, False]),
            },
            time=START + timedelta(minutes=15 * chance.randrange(200), microseconds=chance.choice([0, 1])),
            source=chance.choice(["urn:a", "urn:b"]),
        )
        for _ in range(size)
    ]


def sender(stream, seed):
    """Send all of the stream, shuffled, in batches of its own, half of them twice."""
    chance = random.Random(seed)

    def run():
        own = chance.sample(stream, len(stream))
        while own:
            size = chance.randint(1, 9)
            batch, own = own[:size], own[size:]
            for _ in range(chance.randint(1, 2)):
                send(*batch)

    return run


def test_a_stream_sent_by_many_at_once_beside_folds_voids_and_a_back_fill_gives_the_plain_usage():
    stream, gone = stream_of(1, 120), []
    early, late = stream[:30], stream[30:]
    send(*early)
    fold_now()
    stored = [meters.define(rule=rule) for rule in RULES + PLAIN]

    def take_back():
        for one in early[::3]:
            corrections.void(
                customer_id=ACME, source=one.source, event_id=one.id, actor="user:ada", reason="mistake", now=LATER
            )
            gone.append(one)

    def fill():
        for rule in stored:
            list(backfill.run(meter=rule.key, limit=1))

    def fold_often():
        for _ in range(15):
            fold.fold(now=LATER, limit=3)

    at_once(*(sender(late, seed) for seed in range(3)), take_back, fill, fold_often, fold_often)
    fold_now()
    assert (Event.objects.count(), Void.objects.filter(fold=None).count()) == (120, 0)
    assert not Batch.objects.filter(fold=None).exists()
    assert fold.check() == []
    left = [one for one in stream if one not in gone]
    for rule in stored:
        compare(rule, left, START, START + timedelta(hours=50))
        compare(rule, left, START + timedelta(minutes=7), START + timedelta(hours=31, minutes=30), zone="Europe/Berlin")
    found = usage.account(customer_id=ACME, starts_at=START, ends_at=START + timedelta(hours=51))
    assert (found.accepted, found.voided, found.pending) == (120, len(gone), 0)
