"""Archived months of one customer, back in a table of this transaction, so that they are counted like the rest.

The files are read as they were written; the database is not changed, and the table is gone with the transaction.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from django.db import connection
from django.db.models.functions import TruncMonth
from psycopg.sql import SQL, Composable
from pyarrow import compute, parquet

from metering import horizon, readings
from metering.errors import MissingArchiveError
from metering.judging import MAX_AHEAD
from metering.models import Batch
from metering.partitions import Month

ROWS_AT_ONCE: Final = 50_000
_COLUMNS: Final = (
    "customer_id",
    "batch_id",
    "place",
    "received_at",
    "time",
    "type",
    "source",
    "subject",
    "environment",
    "event_id",
    "data",
)
_TABLE: Final = """
CREATE TEMPORARY TABLE metering_restored (
    customer_id bigint NOT NULL, batch_id bigint NOT NULL, place smallint NOT NULL, received_at timestamptz NOT NULL,
    time timestamptz NOT NULL, type text NOT NULL, source text NOT NULL, subject text NOT NULL,
    environment text NOT NULL, event_id bytea NOT NULL, data json NOT NULL
) ON COMMIT DROP
"""
_COPY: Final = f"COPY metering_restored ({', '.join(_COLUMNS)}) FROM STDIN"
# The id of an event is unpacked as the view of stored events does it.
_BOTH: Final = SQL("""
(SELECT customer_id, batch_id, place, received_at, time, type, source, subject, environment, event_id, data
 FROM metering_event
 UNION ALL
 SELECT customer_id, batch_id, place, received_at, time, type, source, subject, environment,
        CASE WHEN octet_length(event_id) = 16 THEN encode(event_id, 'hex')::uuid::text
             ELSE convert_from(rtrim(event_id, '\\x00'::bytea), 'UTF8') END, data
 FROM metering_restored)
""")


@dataclass(slots=True)
class Restored:
    """The events of one customer, from wherever they lie; must be used within one transaction.

    `folder` is where the archives are. Nothing is read from them before it is needed.
    """

    customer_id: int
    folder: Path
    months: set[Month] = field(default_factory=set)

    def relation(self, *, since: datetime | None) -> Composable:
        """Return a relation with every event used from `since` on (null: ever). Raises MissingArchiveError."""
        for month in self._archived(since):
            if month not in self.months:
                self._load(month)
        return _BOTH if self.months else readings.EVENTS

    def _archived(self, since: datetime | None) -> list[Month]:
        """Return the archived months in which the customer sent events that may have been used from `since` on."""
        oldest = horizon.stored_since()
        if oldest is None:
            return []
        received = Batch.objects.filter(customer_id=self.customer_id, received_at__lt=oldest)
        if since is not None:
            received = received.filter(received_at__gte=since - MAX_AHEAD)
        months = received.annotate(month=TruncMonth("received_at", tzinfo=UTC)).values_list("month", flat=True)
        return sorted({Month.of(at) for at in months.distinct()}, key=str)

    def _load(self, month: Month) -> None:
        if not self.months:
            with connection.cursor() as cursor:
                cursor.execute(_TABLE)
        self.months.add(month)
        path = self.folder / f"events-{month}.parquet"
        if not path.is_file():
            raise MissingArchiveError(str(month), self.folder)
        with connection.cursor() as cursor, cursor.copy(_COPY) as copy:
            for row in self._rows(path):
                copy.write_row(row)

    def _rows(self, path: Path) -> Iterator[tuple[Any, ...]]:
        with parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=list(_COLUMNS)):
                ours = batch.filter(compute.equal(batch.column("customer_id"), self.customer_id))
                yield from zip(*(ours.column(name).to_pylist() for name in _COLUMNS), strict=True)
