"""Keeps the block-range indexes of stored events up to date: a fold finds its batches by them.

PostgreSQL summarises pages that an insert has filled when autovacuum next comes by, a minute later or more; until then
every fold would read all of them. A fold therefore asks for it first, which reads each new page once.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from django.db import OperationalError, connection, transaction

from metering.partitions import Month

# Whoever works on a whole partition (vacuum) holds a lock against it; the fold then reads more pages, and is right.
_PATIENCE: Final = "SET LOCAL lock_timeout = '50ms'"
_SUMMARISE: Final = """
SELECT brin_summarize_new_values(i.indexrelid)
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_am a ON a.oid = c.relam
WHERE a.amname = 'brin' AND i.indrelid = ANY(SELECT to_regclass(name) FROM unnest(%s::text[]) AS name)
"""


def refresh(*, received: Iterable[datetime]) -> None:
    """Summarise the pages that were filled since, in the partitions of these times of receipt."""
    tables = sorted({Month.of(at).table for at in received})
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SHOW lock_timeout")
            before = cursor.fetchone()[0]
            cursor.execute(_PATIENCE)
            cursor.execute(_SUMMARISE, [tables])
            cursor.execute("SELECT set_config('lock_timeout', %s, true)", [before])
    except OperationalError:
        return  # not now: the savepoint is undone, and with it the time limit
