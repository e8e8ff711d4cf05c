"""The SQLite file under a spool: durable to the last commit, bounded in size, with errors of our own."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runtime.errors import SpoolCorruptError, SpoolError, SpoolFullError, SpoolLockedError
from runtime.wire import genesis

_WAL_BYTES = 4 * 1024 * 1024
_BUSY_SECONDS = 10

_SCHEMA = """
CREATE TABLE IF NOT EXISTS event (sequence INTEGER PRIMARY KEY, body BLOB NOT NULL, hash BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS written (type TEXT PRIMARY KEY, events INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS chain (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    device TEXT NOT NULL,
    epoch INTEGER NOT NULL,
    sequence INTEGER NOT NULL,
    head BLOB NOT NULL,
    acknowledged INTEGER NOT NULL CHECK (acknowledged <= sequence),
    acknowledged_hash BLOB NOT NULL
);
"""


class Database:
    """One connection to a spool's file."""

    def __init__(self, *, path: Path, max_bytes: int) -> None:
        """Open the file, creating it when new; `max_bytes` bounds it, and the log beside it is bounded on its own."""
        with _translated():
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=_BUSY_SECONDS)
        try:
            self._set_up(max_bytes)
        except BaseException:
            self.close()
            raise

    def _set_up(self, max_bytes: int) -> None:
        self.execute("PRAGMA journal_mode = WAL")
        self.execute("PRAGMA synchronous = FULL")  # NORMAL loses acknowledged events in a power cut
        self.execute("PRAGMA fullfsync = ON")  # without it macOS only asks the disk's cache
        self.execute(f"PRAGMA journal_size_limit = {_WAL_BYTES}")
        self.execute(f"PRAGMA max_page_count = {max(max_bytes // self._pragma('page_size'), 1)}")

    def begin_chain(self, *, device: str, epoch: int) -> tuple[str, int]:
        """Make the tables and the chain's row unless they are there; return whose chain it is."""
        start = genesis(device=device, epoch=epoch)
        with self.transaction():
            for statement in _SCHEMA.split(";"):
                self.execute(statement)
            self.execute(
                "INSERT INTO chain VALUES (1, ?, ?, 0, ?, 0, ?) ON CONFLICT DO NOTHING", (device, epoch, start, start)
            )
            found: tuple[str, int] = self.execute("SELECT device, epoch FROM chain").fetchone()
        return found

    def execute(self, statement: str, values: tuple[object, ...] = ()) -> sqlite3.Cursor:
        """Run one statement; raises SpoolFullError, SpoolLockedError, SpoolCorruptError or SpoolError."""
        with _translated():
            return self._connection.execute(statement, values)

    @contextmanager
    def transaction(self, *, kind: str = "IMMEDIATE") -> Iterator[None]:
        """Commit what is done inside, durably, or nothing of it."""
        with _translated():
            self.execute(f"BEGIN {kind}")
            try:
                yield
                self.execute("COMMIT")
            except BaseException:
                # A full disk has already rolled back; rolling back twice would hide why.
                if self._connection.in_transaction:
                    self.execute("ROLLBACK")
                raise

    def free_bytes(self) -> int:
        """Return how much more the file may hold."""
        pages = self._pragma("max_page_count") - self._pragma("page_count") + self._pragma("freelist_count")
        return pages * self._pragma("page_size")

    def _pragma(self, name: str) -> int:
        return int(self.execute(f"PRAGMA {name}").fetchone()[0])

    def close(self) -> None:
        """Close the file; closing twice is harmless."""
        self._connection.close()


@contextmanager
def _translated() -> Iterator[None]:
    """Turn SQLite's errors into the spool's own."""
    try:
        yield
    except sqlite3.Error as error:
        code = getattr(error, "sqlite_errorcode", 0) & 0xFF
        kinds = {
            sqlite3.SQLITE_FULL: SpoolFullError,
            sqlite3.SQLITE_BUSY: SpoolLockedError,
            sqlite3.SQLITE_CORRUPT: SpoolCorruptError,
            sqlite3.SQLITE_NOTADB: SpoolCorruptError,
        }
        raise kinds.get(code, SpoolError)(f"spool: {error}") from error
