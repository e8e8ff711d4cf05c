"""Fills the windows of a meter that is younger than its events, fold by fold, beside the running folds.

Until that is done usage is read from events, so that an answer never depends on how far a back-fill has come.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from django.db import transaction
from django.db.models import F, Max, Sum
from psycopg.sql import SQL, Literal

from metering import coverage, horizon, meters, readings, windows
from metering.errors import YoungMeterError
from metering.models import Coverage, Fold
from metering.rules import Rule

EVENTS_PER_STEP: Final = 200_000
_FOLDS_PER_STEP: Final = 1_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the windows of a meter are: events of the folds done, and of all that it must hold."""

    meter: str
    done: int
    events: int
    is_complete: bool


def progress(*, meter: str) -> Progress:
    """Return how far the windows of a meter are. Raises UnknownMeterError."""
    rule = meters.find(key=meter)
    row = Coverage.objects.filter(meter_id=rule.id).first()
    folds = Fold.objects.all() if rule.last_fold is None else Fold.objects.filter(number__lte=rule.last_fold)
    every = int(folds.aggregate(events=Sum("events"))["events"] or 0)
    if row is None:
        return Progress(meter=meter, done=0, events=every, is_complete=every == 0)
    missing = folds.filter(number__gt=row.through_fold, number__lt=row.from_fold)
    left = int(missing.aggregate(events=Sum("events"))["events"] or 0)
    return Progress(meter=meter, done=every - left, events=every, is_complete=row.through_fold >= row.from_fold - 1)


def incomplete() -> tuple[str, ...]:
    """Return the meters whose windows miss folds, by key."""
    complete = Coverage.objects.filter(through_fold__gte=F("from_fold") - 1).values_list("meter_id", flat=True)
    known = set(complete)
    has_folds = Fold.objects.exists()
    return tuple(rule.key for rule in meters.all_rules() if has_folds and rule.id not in known)


@transaction.atomic
def restart(*, meter: str) -> None:
    """Throw the windows of a meter away, to be filled anew by `step` or `run`.

    Raises UnknownMeterError; YoungMeterError where they hold what is stored nowhere else.
    """
    coverage.wait_for_turn()
    rule = meters.find(key=meter)
    since = horizon.complete_since()
    row = Coverage.objects.filter(meter_id=rule.id).first()
    if since is not None and row is not None and (row.since is None or row.since < since):
        raise YoungMeterError(rule.key, since)
    windows.forget(rule=rule)
    begun = {"from_fold": _newest() + 1, "through_fold": 0, "since": since}
    Coverage.objects.update_or_create(meter_id=rule.id, defaults=begun)


@transaction.atomic
def step(*, meter: str, limit: int = EVENTS_PER_STEP) -> bool:
    """Add the oldest missing folds, about `limit` events of them, to a meter's windows; False once none is missing.

    Each step is a transaction of its own, so that folds go on in between and an interrupted back-fill goes on where it
    was. Raises UnknownMeterError.
    """
    coverage.wait_for_turn()
    rule = meters.find(key=meter)
    newest = _newest()
    row, _ = Coverage.objects.get_or_create(meter_id=rule.id, defaults={"from_fold": newest + 1, "through_fold": 0})
    if row.through_fold >= row.from_fold - 1:
        return False
    last = _last_of_step(row, limit)
    _add(rule, row.through_fold, last)
    # Nothing is archived while a meter misses folds, so what the first step finds holds for all.
    Coverage.objects.filter(meter_id=rule.id).update(through_fold=last, since=horizon.complete_since())
    return last < row.from_fold - 1


def run(*, meter: str, limit: int = EVENTS_PER_STEP) -> Iterator[Progress]:
    """Fill the windows of a meter to the end, yielding how far it is after each step. Raises UnknownMeterError."""
    goes_on = True
    while goes_on:
        goes_on = step(meter=meter, limit=limit)
        yield progress(meter=meter)


def _newest() -> int:
    return int(Fold.objects.aggregate(newest=Max("number"))["newest"] or 0)


def _last_of_step(row: Coverage, limit: int) -> int:
    """Return the fold that the step ends with: at least one more, or all that are missing."""
    missing = Fold.objects.filter(number__gt=row.through_fold, number__lt=row.from_fold).order_by("number")
    events, last = 0, row.through_fold
    taken = list(missing.values_list("number", "events")[:_FOLDS_PER_STEP])
    for number, count in taken:
        if events and events + count > limit:
            return last
        events, last = events + count, number
    return last if len(taken) == _FOLDS_PER_STEP else row.from_fold - 1


def _add(rule: Rule, after: int, last: int) -> None:
    """Add what counts of the folds in (after, last]; for an archived meter, as of its last fold, voids included."""
    last = last if rule.last_fold is None else min(last, rule.last_fold)
    folds = SQL("b.fold_id > {} AND b.fold_id <= {}").format(Literal(after), Literal(last))
    found = readings.fetch(
        SQL(
            "SELECT min(b.id), max(b.id), min(b.received_at), max(b.received_at) FROM metering_batch b WHERE {}"
        ).format(folds)
    )
    ((first_batch, last_batch, since, until),) = found
    if first_batch is None:
        return
    batches = SQL("e.batch_id BETWEEN {} AND {} AND e.received_at BETWEEN {} AND {}").format(
        Literal(first_batch), Literal(last_batch), Literal(since), Literal(until)
    )
    which = readings.every([readings.matches_type(rule), batches, folds, readings.counted(rule.last_fold)])
    windows.add(rules=[rule], which=which)
