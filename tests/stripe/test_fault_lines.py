"""A worker is killed between any two lines of ours: still one invoice, one charge, one of everything.

What a killed worker leaves behind is what it wrote to the database and what it asked of Stripe. Lines between the same
two of these leave the same behind; they are one instant. Each journey is killed in every instant, by turns before its
first line and before its last. With AGENTMETER_EVERY_LINE set it is killed before every line that runs.
"""

import os
import sys
from collections import Counter
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pytest
import requests
from django.db import connection, transaction

import billing
from billing.stripe import delivery, reconcile
from tests.stripe import faulting
from tests.stripe.faulting import assert_true

pytestmark = pytest.mark.django_db

OURS = str(Path(billing.__file__).parent)
SANDBOX = str(Path(OURS) / "stripe" / "sandbox")
# Each journey, and how many of its stages are another's, in which the worker is killed there.
JOURNEYS = {
    "sent": (faulting.sent, 0),
    "charged": (faulting.charged, 0),
    "refunded": (faulting.refunded, 1),
    "lowered": (faulting.lowered, 1),
    "voided": (faulting.voided, 1),
}
EVERY_LINE = bool(os.environ.get("AGENTMETER_EVERY_LINE"))


class KilledError(BaseException):
    """Nothing of ours catches this, as nothing catches a SIGKILL; transactions under way are rolled back."""


class Reaper:
    """Counts lines of ours by the instant in which they run; in one instant, before one line, it kills."""

    def __init__(self):
        self.instant = 0
        self.lines: Counter[int] = Counter()
        self.doom = None
        self.killed_at = ""
        self.depth = 0

    def deliver(self, *, now):
        """One run of the background's work, which may end in the middle of it."""
        if self.killed_at:
            return delivery.deliver(now=now)
        self.depth = len(connection.savepoint_ids)
        with self.watching():
            try:
                return delivery.deliver(now=now)
            except KilledError:
                hang_up(self.depth)
                return None

    @contextmanager
    def watching(self):
        sys.settrace(self._call)
        try:
            with connection.execute_wrapper(self._sql):
                yield
        finally:
            sys.settrace(None)

    def leave(self):
        """Something has left the process: what runs from here on runs in another instant."""
        self.instant += 1

    def _sql(self, execute, sql, params, many, context):
        """A change counts when it is committed: of what a transaction changes nothing is left before that."""
        answer = execute(sql, params, many, context)
        if len(connection.savepoint_ids) == self.depth and not sql.startswith(("SELECT", "SAVEPOINT", "ROLLBACK")):
            self.leave()
        return answer

    def _call(self, frame, event, arg):
        path = frame.f_code.co_filename
        return self._line if path.startswith(OURS) and not path.startswith(SANDBOX) else None

    def _line(self, frame, event, arg):
        if event == "line":
            self.lines[self.instant] += 1
            if (self.instant, self.lines[self.instant]) == self.doom:
                self.doom = None
                self.killed_at = f"{Path(frame.f_code.co_filename).relative_to(OURS)}:{frame.f_lineno}"
                sys.settrace(None)
                raise KilledError
        return self._line


def hang_up(depth):
    """End the transactions that the killed worker had open, as the database does when a connection is gone.

    Killed while it leaves a `with`, a worker never comes to the end of its transaction.
    """
    for opened in connection.savepoint_ids[depth:][:1]:
        connection.needs_rollback = False
        transaction.savepoint_rollback(opened)
        del connection.savepoint_ids[depth:]
        del connection.atomic_blocks[depth + 1 :]


@pytest.fixture
def reaper(monkeypatch):
    """The current reaper hears of every request that leaves; the test puts another in its place for each kill."""
    current = [Reaper()]
    send = requests.Session.send

    def told(session, request, **options):
        try:
            return send(session, request, **options)
        finally:
            current[0].leave()

    monkeypatch.setattr(requests.Session, "send", told)
    return current


def travel(world, journey, current, doom=None):
    """Take a journey whose worker is killed at `doom`: an instant, and a line in it."""
    current[0] = Reaper()
    current[0].doom, world.deliver = doom, current[0].deliver
    invoice = world.travel(journey)
    return invoice, current[0]


def points(lines):
    """Where to kill: in each instant before its first line or before its last, or before every line."""
    for turn, (instant, count) in enumerate(sorted(lines.items())):
        for line in range(1, count + 1) if EVERY_LINE else [1 if turn % 2 else count]:
            yield instant, line


def instants_of(world, name, current):
    """The lines in each instant of a journey that nothing disturbs, without those of another's stages."""
    journey, taken = JOURNEYS[name]
    world.travel(journey)  # what is remembered from the first time on changes how many lines run
    current[0] = undisturbed = Reaper()
    world.deliver = undisturbed.deliver
    stages, before = world.stages(journey), -1
    for _ in islice(stages, taken):
        before = undisturbed.instant
    *_, invoice = stages
    assert_true(world, invoice)
    return {instant: count for instant, count in undisturbed.lines.items() if instant > before}


@pytest.mark.parametrize("name", JOURNEYS)
def test_a_worker_is_killed_in_every_instant(world, reaper, name):
    journey, _ = JOURNEYS[name]
    killed = []
    for doom in points(instants_of(world, name, reaper)):
        invoice, deadly = travel(world, journey, reaper, doom)
        killed.append(deadly.killed_at)
        try:
            assert_true(world, invoice)
        except AssertionError as error:
            error.add_note(f"after the worker was killed in instant {doom} before {deadly.killed_at or 'nothing'}")
            raise
    assert all(killed), "the same journey runs the same lines"
    assert not reconcile.compare(now=world.clock.now).findings
