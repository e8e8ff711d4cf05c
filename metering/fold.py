"""Counts received batches into windows and takes voided events out of them, each exactly once.

Why each batch carries the number of its fold: a fold takes the batches that are committed and not yet stamped, and
stamps them in the transaction that counts them. A batch whose transaction commits late is simply still unstamped
when the next fold looks; there is no watermark that could have passed it by. A fold that fails stamps nothing.
Voids are stamped in the same way, once the batch of their event is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction
from psycopg.sql import SQL, Composable, Literal

from metering import coverage, meters, readings, summaries, windows
from metering.audit import Difference, check
from metering.models import Fold
from metering.rules import Rule

__all__ = ["Difference", "Folded", "check", "fold", "fold_all"]

BATCHES_PER_FOLD: Final = 20_000
EVENTS_PER_FOLD: Final = 200_000
VOIDS_PER_FOLD: Final = 5_000
FEW_METERS: Final = 10

_WAITING: Final = """
SELECT id, event_count, received_at FROM metering_batch WHERE fold_id IS NULL ORDER BY id LIMIT %s
"""
_STAMP: Final = "UPDATE metering_batch SET fold_id = %s WHERE id = ANY(%s)"
_VOIDS: Final = """
SELECT v.id, v.batch_id, b.received_at FROM metering_void v JOIN metering_batch b ON b.id = v.batch_id
WHERE v.fold_id IS NULL AND (b.fold_id IS NOT NULL OR b.id = ANY(%s)) ORDER BY v.id LIMIT %s
"""
_STAMP_VOIDS: Final = "UPDATE metering_void SET fold_id = %s WHERE id = ANY(%s)"
_VOIDED: Final = SQL("""
(e.customer_id, e.batch_id, e.place) IN (SELECT customer_id, batch_id, place FROM metering_void WHERE id = ANY({}))
""")


@dataclass(frozen=True, slots=True)
class Folded:
    """What a fold counted and took back; no number where nothing was waiting."""

    number: int | None
    batches: int
    events: int
    voids: int = 0


@dataclass(frozen=True, slots=True)
class _Batch:
    id: int
    events: int
    received_at: datetime


@dataclass(frozen=True, slots=True)
class _Void:
    id: int
    batch_id: int
    received_at: datetime


@transaction.atomic
def fold(*, now: datetime, limit: int = BATCHES_PER_FOLD) -> Folded:
    """Count up to `limit` waiting batches, oldest first, as one fold at `now`. Waits while another fold runs."""
    coverage.wait_for_turn()
    batches = list(_bounded(_waiting(limit)))
    voids = _voids(batches)
    if not batches and not voids:
        return Folded(number=None, batches=0, events=0)
    events = sum(one.events for one in batches)
    row = Fold.objects.create(folded_at=now, batches=len(batches), events=events, voids=len(voids))
    _run(_STAMP, row.number, [one.id for one in batches])
    _run(_STAMP_VOIDS, row.number, [one.id for one in voids])
    rules = meters.active_rules()
    coverage.open_new(rules=rules, number=row.number)
    if batches:
        _add(rules, batches)
    if voids:
        _take_out(rules, voids)
    return Folded(number=row.number, batches=len(batches), events=events, voids=len(voids))


def fold_all(*, now: datetime) -> Folded:
    """Fold until nothing waits, so that all that was committed before the call is counted; returns the last number."""
    number, batches, events, voids = None, 0, 0, 0
    while (one := fold(now=now)).number is not None:
        number, batches = one.number, batches + one.batches
        events, voids = events + one.events, voids + one.voids
    return Folded(number=number, batches=batches, events=events, voids=voids)


def _waiting(limit: int) -> list[_Batch]:
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, [limit])
        return [_Batch(*row) for row in cursor.fetchall()]


def _bounded(batches: Sequence[_Batch]) -> Iterator[_Batch]:
    """Yield the first batches, at least one, so that a fold's memory and time are bounded."""
    events = 0
    for one in batches:
        events += one.events
        if events > EVENTS_PER_FOLD and events > one.events:
            return
        yield one


def _voids(batches: Sequence[_Batch]) -> list[_Void]:
    with connection.cursor() as cursor:
        cursor.execute(_VOIDS, [[one.id for one in batches], VOIDS_PER_FOLD])
        return [_Void(*row) for row in cursor.fetchall()]


def _run(statement: str, number: int, ids: list[int]) -> None:
    if ids:
        with connection.cursor() as cursor:
            cursor.execute(statement, [number, ids])


def _add(rules: Sequence[Rule], batches: Sequence[_Batch]) -> None:
    summaries.refresh(received=(one.received_at for one in batches))
    which = _among([one.id for one in batches], [one.received_at for one in batches])
    windows.add(rules=_concerned(rules, which), which=which)


def _concerned(rules: Sequence[Rule], which: Composable) -> list[Rule]:
    """Return the meters whose type of event is there at all, where there are too many to just look."""
    if len(rules) <= FEW_METERS:
        return list(rules)
    found = readings.fetch(SQL("SELECT DISTINCT e.type FROM {} e WHERE {}").format(readings.EVENTS, which))
    types = {name for (name,) in found}
    return [rule for rule in rules if rule.event_type in types]


def _take_out(rules: Sequence[Rule], voids: Sequence[_Void]) -> None:
    among = _among(sorted({one.batch_id for one in voids}), [one.received_at for one in voids])
    gone = readings.every([among, _VOIDED.format(Literal([one.id for one in voids]))])
    for rule in _concerned(rules, gone):
        covered = coverage.covered(rule=rule)
        remaining = readings.every([readings.matches_type(rule), readings.counted(None), covered])
        windows.take_out(rule=rule, which=readings.every([gone, covered]), remaining=remaining)


def _among(batches: Sequence[int], received: Sequence[datetime]) -> Composable:
    """Events of these batches; the bounds let the block-range index skip pages, and the planner partitions."""
    return SQL(
        "e.batch_id BETWEEN {} AND {} AND e.batch_id = ANY({}::bigint[]) AND e.received_at BETWEEN {} AND {}"
    ).format(
        Literal(min(batches)),
        Literal(max(batches)),
        Literal(list(batches)),
        Literal(min(received)),
        Literal(max(received)),
    )
