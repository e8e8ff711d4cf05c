"""Months of events that have served their time: written to Parquet, read back, and only then dropped.

The order makes it safe to stop anywhere and run again: a file appears under its name only when it is whole and synced,
a partition goes only when a file with exactly its rows was read back. Keys, batches and windows stay in the database,
so that an archived event is still counted once for ever, still proved by its batch, and still in every sum.
"""

import hashlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import msgspec
import pyarrow as pa
from django.db import connection, transaction
from psycopg.sql import SQL, Identifier
from pyarrow import parquet

from metering import backfill, coverage, partitions
from metering.errors import ArchiveMismatchError, NotArchivableError
from metering.models import Batch
from metering.partitions import Month

ROWS_AT_ONCE: Final = 100_000
_TIME: Final = pa.timestamp("us", tz="UTC")
_EVENTS: Final = pa.schema(
    [
        ("batch_id", pa.int64()),
        ("place", pa.int16()),
        ("customer_id", pa.int64()),
        ("received_at", _TIME),
        ("time", _TIME),
        ("type", pa.string()),
        ("source", pa.string()),
        ("subject", pa.string()),
        ("environment", pa.string()),
        ("event_id", pa.binary()),  # as stored: the 16 bytes of a UUID, or the text
        ("data", pa.string()),
    ]
)
_BATCHES: Final = pa.schema(
    [
        ("id", pa.int64()),
        ("customer_id", pa.int64()),
        ("received_at", _TIME),
        ("digest", pa.binary()),
        ("event_count", pa.int64()),
        ("device_id", pa.int64()),
        ("epoch", pa.int64()),
        ("first_sequence", pa.int64()),
        ("last_sequence", pa.int64()),
        ("signature", pa.string()),
        ("header", pa.binary()),
        ("fold_id", pa.int64()),
    ]
)
# Sorted so that like lies beside like, which is what compression lives on.
_SELECT_EVENTS: Final = SQL("""
SELECT e.batch_id, e.place, e.customer_id, e.received_at, e.time, o.type, o.source, o.subject, o.environment,
       e.event_id, e.data::text
FROM {} e JOIN metering_origin o ON o.customer_id = e.customer_id AND o.id = e.origin_id
ORDER BY e.customer_id, e.origin_id, e.batch_id, e.place
""")
_REPEATING: Final = ["batch_id", "customer_id", "received_at", "type", "source", "subject", "environment"]


@dataclass(frozen=True, slots=True)
class Content:
    """What a file holds: its number of rows, and a SHA-256 over their values."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True)
class Archived:
    """A month that was written: its file, what is in it, its size, and whether its partition is gone."""

    month: Month
    path: Path
    content: Content
    size: int
    dropped: bool


def archive_before(*, before: Month, folder: Path, now: datetime, keep: bool = False) -> Iterator[Archived]:
    """Archive every month before `before`, oldest first, one after the other; with `keep` drop nothing.

    Raises NotArchivableError for a month that is not over, or that waits to be counted, and ArchiveMismatchError where
    a file does not read back as what was written; what was archived until then stays archived.
    """
    for month in partitions.months():
        if month.starts_at < before.starts_at:
            yield archive(month=month, folder=folder, now=now, keep=keep)


def archive(*, month: Month, folder: Path, now: datetime, keep: bool = False) -> Archived:
    """Write a month to `folder`, read it back, and drop its partition unless `keep`. Raises as `archive_before`."""
    _require_ready(month, now)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"events-{month}.parquet"
    content = _write(path, _EVENTS, _events_of(month))
    batches = folder / f"batches-{month}.parquet"
    _require_same(batches, _write(batches, _BATCHES, _batches_of(month)))
    _require_same(path, content)
    if not keep:
        _drop(month, content.rows)
    return Archived(month, path, content, path.stat().st_size, dropped=not keep)


def read_back(path: Path) -> Content:
    """Return what a file of ours holds, by reading all of it."""
    digest, rows = hashlib.sha256(), 0
    with parquet.ParquetFile(path) as file:
        for number in range(file.num_row_groups):
            table = file.read_row_group(number)
            rows += table.num_rows
            _add(digest, table)
    return Content(rows, digest.hexdigest())


def _require_ready(month: Month, now: datetime) -> None:
    if month.ends_at > now:
        raise NotArchivableError(str(month), "is not over")
    received = Batch.objects.filter(received_at__gte=month.starts_at, received_at__lt=month.ends_at)
    if received.filter(fold=None).exists():
        raise NotArchivableError(str(month), "has usage that is not folded yet; fold, then try again")
    if young := backfill.incomplete():
        raise NotArchivableError(str(month), f"is still needed to fill the meters {', '.join(young)}")
    if any(other.starts_at < month.starts_at for other in partitions.months()):
        raise NotArchivableError(str(month), "has older months before it; archive those first")


def _events_of(month: Month) -> Iterator[Sequence[Any]]:
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(_SELECT_EVENTS.format(Identifier(month.table)))
        while rows := cursor.fetchmany(ROWS_AT_ONCE):
            yield rows


def _batches_of(month: Month) -> Iterator[Sequence[Any]]:
    received = Batch.objects.filter(received_at__gte=month.starts_at, received_at__lt=month.ends_at)
    rows: list[Any] = []
    for row in received.order_by("customer_id", "id").values_list(*_BATCHES.names).iterator(ROWS_AT_ONCE):
        rows.append(row)
        if len(rows) == ROWS_AT_ONCE:
            yield rows
            rows = []
    if rows:
        yield rows


def _write(path: Path, schema: pa.Schema, chunks: Iterator[Sequence[Any]]) -> Content:
    """Write rows under a draft's name and give it its own once it is whole and on the disk."""
    draft = path.with_suffix(".draft")
    digest, rows = hashlib.sha256(), 0
    repeating = [name for name in _REPEATING if name in schema.names]
    with parquet.ParquetWriter(
        draft, schema, compression="zstd", compression_level=12, use_dictionary=repeating, write_statistics=False
    ) as writer:
        for chunk in chunks:
            columns = [
                pa.array(column, field.type) for column, field in zip(zip(*chunk, strict=True), schema, strict=True)
            ]
            table = pa.table(columns, schema=schema)
            writer.write_table(table, row_group_size=ROWS_AT_ONCE)
            rows += table.num_rows
            _add(digest, table)
    _sync(draft)
    draft.replace(path)
    _sync(path.parent)
    return Content(rows, digest.hexdigest())


def _add(digest: "hashlib._Hash", table: pa.Table) -> None:
    """Add the values of a row group, whatever their encoding in the file."""
    for name in table.column_names:
        digest.update(msgspec.msgpack.encode(table.column(name).to_pylist()))


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _require_same(path: Path, written: Content) -> None:
    if (found := read_back(path)) != written:
        raise ArchiveMismatchError(str(path), f"holds {found.rows} rows, {written.rows} were written, or other values")


@transaction.atomic
def _drop(month: Month, rows: int) -> None:
    """Drop the partition if it still holds just the rows that the file has; nobody folds meanwhile."""
    coverage.wait_for_turn()
    table = Identifier(month.table)
    with connection.cursor() as cursor:
        cursor.execute(SQL("LOCK TABLE {} IN ACCESS EXCLUSIVE MODE").format(table))
        cursor.execute(SQL("SELECT count(*) FROM {}").format(table))
        stored = cursor.fetchone()[0]
        if stored != rows:
            raise ArchiveMismatchError(month.table, f"holds {stored} events, the file {rows}; archive again")
        cursor.execute(SQL("DROP TABLE {}").format(table))
    transaction.on_commit(partitions.forget)
