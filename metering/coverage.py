"""Which folds the windows of each meter hold, and the turn that every writer of windows takes."""

from collections.abc import Sequence
from typing import Final

from django.db import connection
from psycopg.sql import SQL, Composable, Literal

from metering import readings
from metering.models import Coverage, Fold
from metering.rules import Rule

# One writer of windows at a time, in the whole database: two folds would take the same batches.
_LOCK: Final = "SELECT pg_advisory_xact_lock(hashtext('metering.fold'))"
# There is one writer, so it may have memory; and events are grouped by hashing, though the planner, which cannot know
# how many a fold takes, would sort them: together a fifth off the time of a fold.
_MEMORY: Final = "SET LOCAL work_mem = '128MB'; SET LOCAL enable_sort = off"


def wait_for_turn() -> None:
    """Wait until no other fold, back-fill or archiving of a meter runs; the turn ends with the transaction."""
    with connection.cursor() as cursor:
        cursor.execute(_LOCK)
        cursor.execute(_MEMORY)


def open_new(*, rules: Sequence[Rule], number: int) -> None:
    """Start the windows of meters that no fold has seen with fold `number`, to which the caller adds."""
    known = set(Coverage.objects.values_list("meter_id", flat=True))
    new = [rule for rule in rules if rule.id not in known]
    if not new:
        return
    # Without an older fold, nothing is missing.
    through = 0 if Fold.objects.filter(number__lt=number).exists() else number - 1
    Coverage.objects.bulk_create(Coverage(meter_id=rule.id, from_fold=number, through_fold=through) for rule in new)


def covered(*, rule: Rule) -> Composable:
    """Whether an event's batch `b` is of a fold that the windows of this meter hold."""
    row = Coverage.objects.get(meter_id=rule.id)
    if row.through_fold >= row.from_fold - 1:
        return readings.TRUE
    return SQL("(b.fold_id <= {} OR b.fold_id >= {})").format(Literal(row.through_fold), Literal(row.from_fold))
