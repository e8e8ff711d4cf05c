"""Keeps the sandbox's state in one SQLite file, so that it survives a restart.

One connection and one lock: the sandbox serves one developer, and Stripe's promises are easiest kept when requests
take turns. `transaction` is the unit in which an operation, its events and its idempotency record become true together.
"""

import json
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias

from billing.stripe.sandbox.errors import ConfigurationError
from billing.stripe.sandbox.objects import Body

_SCHEMA = """
CREATE TABLE IF NOT EXISTS objects (
    position INTEGER PRIMARY KEY AUTOINCREMENT,
    id TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    parent TEXT,
    created INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS objects_by_kind ON objects (kind, position);
CREATE INDEX IF NOT EXISTS objects_by_parent ON objects (kind, parent, position);
CREATE TABLE IF NOT EXISTS deliveries (
    event TEXT PRIMARY KEY REFERENCES objects (id),
    attempts INTEGER NOT NULL DEFAULT 0,
    outcome TEXT,
    is_delivered INTEGER NOT NULL DEFAULT 0
) STRICT;
CREATE INDEX IF NOT EXISTS deliveries_open ON deliveries (event) WHERE is_delivered = 0;
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY,
    fingerprint TEXT NOT NULL,
    status INTEGER NOT NULL,
    body BLOB NOT NULL,
    created INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS idempotency_by_age ON idempotency (created);
"""

Operator: TypeAlias = Literal["eq", "lt", "lte", "gt", "gte", "in", "not in", "glob", "is", "is not"]
_OPERATORS = {
    "eq": "=",
    "lt": "<",
    "lte": "<=",
    "gt": ">",
    "gte": ">=",
    "in": "IN",
    "not in": "NOT IN",
    "glob": "GLOB",
    "is": "IS",
    "is not": "IS NOT",
}


@dataclass(frozen=True, slots=True)
class Filter:
    """A condition on a column (`position`, `id`, `created`, `parent`) or on a dotted path of the JSON body."""

    field: str
    operator: Operator
    value: str | int | Sequence[str] | None

    def clause(self) -> tuple[str, list[str | int | None]]:
        """The SQL text, made of our own words only, and its parameters."""
        own = self.field in ("position", "id", "created", "parent")
        column, path = (self.field, []) if own else ("json_extract(body, ?)", [f"$.{self.field}"])
        if self.value is None or isinstance(self.value, str | int):
            return f"{column} {_OPERATORS[self.operator]} ?", [*path, self.value]
        marks = ", ".join("?" for _ in self.value)
        return f"{column} {_OPERATORS[self.operator]} ({marks})", [*path, *self.value]


@dataclass(frozen=True, slots=True)
class StoredAnswer:
    """What an idempotency key was answered with, byte for byte."""

    fingerprint: str
    status: int
    body: bytes


class Store:
    """The SQLite file. Methods other than `transaction` and `close` are called within a transaction."""

    def __init__(self, *, path: Path) -> None:
        """Open or make the file. Raises ConfigurationError where that is not possible."""
        self._lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        except sqlite3.OperationalError as error:
            raise ConfigurationError(f"The sandbox cannot open its database {path}: {error}") from error
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = NORMAL")
        self._connection.executescript(_SCHEMA)

    def close(self) -> None:
        """Close the file once the transaction under way has ended."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """All or nothing, one at a time."""
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def savepoint(self, *, keeps: Callable[[BaseException], bool]) -> Iterator[None]:
        """Undo what was done inside when an exception leaves it, unless `keeps` says otherwise of that exception."""
        self._connection.execute("SAVEPOINT operation")
        try:
            yield
        except BaseException as error:
            if not keeps(error):
                self._connection.execute("ROLLBACK TO operation")
            raise
        finally:
            self._connection.execute("RELEASE operation")

    def insert(self, *, body: Body, now: int, parent: str | None = None) -> None:
        """Keep a new object made at `now` (Unix seconds); `parent` is the object under which it is listed."""
        self._connection.execute(
            "INSERT INTO objects (id, kind, parent, created, body) VALUES (?, ?, ?, ?, ?)",
            (body["id"], body["object"], parent, now, json.dumps(body)),
        )

    def replace(self, *, body: Body) -> None:
        """Keep the new state of an object."""
        self._connection.execute("UPDATE objects SET body = ? WHERE id = ?", (json.dumps(body), body["id"]))

    def remove(self, *, id: str) -> None:  # noqa: A002 - Stripe's word
        """Forget an object and what is listed under it."""
        self._connection.execute("DELETE FROM objects WHERE id = ? OR parent = ?", (id, id))

    def find(self, *, kind: str, id: str) -> Body | None:  # noqa: A002 - Stripe's word
        """The object, or None."""
        row = self._connection.execute("SELECT body FROM objects WHERE id = ? AND kind = ?", (id, kind)).fetchone()
        return None if row is None else _load(row[0])

    def position(self, *, kind: str, id: str) -> int | None:  # noqa: A002 - Stripe's word
        """Where the object stands in the order of creation, or None."""
        row = self._connection.execute("SELECT position FROM objects WHERE id = ? AND kind = ?", (id, kind)).fetchone()
        return None if row is None else int(row[0])

    def select(
        self, *, kind: str, filters: Sequence[Filter] = (), newest_first: bool = False, limit: int = -1
    ) -> list[Body]:
        """Objects in order of creation; a negative limit is no limit."""
        clauses, values = _conditions(kind, filters)
        order = "DESC" if newest_first else "ASC"
        sql = f"SELECT body FROM objects WHERE {clauses} ORDER BY position {order} LIMIT ?"  # noqa: S608 - our own words
        return [_load(row[0]) for row in self._connection.execute(sql, [*values, limit])]

    def count(self, *, kind: str, filters: Sequence[Filter] = ()) -> int:
        """How many objects `select` would give without a limit."""
        clauses, values = _conditions(kind, filters)
        sql = f"SELECT count(*) FROM objects WHERE {clauses}"  # noqa: S608 - our own words
        return int(self._connection.execute(sql, values).fetchone()[0])

    def owe_delivery(self, *, event: str) -> None:
        """Note that an event is still to be delivered."""
        self._connection.execute("INSERT INTO deliveries (event) VALUES (?)", (event,))

    def owed_deliveries(self) -> list[tuple[str, int]]:
        """The ids of events not yet delivered, oldest first, with the attempts made."""
        sql = """SELECT event, attempts FROM deliveries JOIN objects ON objects.id = event
                 WHERE is_delivered = 0 ORDER BY position"""
        return [(row[0], row[1]) for row in self._connection.execute(sql)]

    def is_owed(self, *, event: str) -> bool:
        """Whether the event is still to be delivered."""
        sql = "SELECT 1 FROM deliveries WHERE event = ? AND is_delivered = 0"
        return self._connection.execute(sql, (event,)).fetchone() is not None

    def note_attempt(self, *, event: str, outcome: str, is_delivered: bool) -> None:
        """Count an attempt to deliver and remember how it ended."""
        self._connection.execute(
            "UPDATE deliveries SET attempts = attempts + 1, outcome = ?, is_delivered = ? WHERE event = ?",
            (outcome, int(is_delivered), event),
        )

    def give_up(self, *, event: str, attempts: int) -> None:
        """Let an event stay undelivered, as one that was tried so many times."""
        self._connection.execute("UPDATE deliveries SET attempts = ? WHERE event = ?", (attempts, event))

    def renew_deliveries(self) -> None:
        """Give every undelivered event all its attempts again."""
        self._connection.execute("UPDATE deliveries SET attempts = 0 WHERE is_delivered = 0")

    def find_answer(self, *, key: str) -> StoredAnswer | None:
        """What the idempotency key was answered with, or None."""
        sql = "SELECT fingerprint, status, body FROM idempotency WHERE key = ?"
        row = self._connection.execute(sql, (key,)).fetchone()
        return None if row is None else StoredAnswer(row[0], row[1], row[2])

    def keep_answer(self, *, key: str, answer: StoredAnswer, now: int) -> None:
        """Remember the answer under its key."""
        self._connection.execute(
            "INSERT INTO idempotency (key, fingerprint, status, body, created) VALUES (?, ?, ?, ?, ?)",
            (key, answer.fingerprint, answer.status, answer.body, now),
        )

    def prune_answers(self, *, until: int) -> None:
        """Forget the answers kept at or before that moment."""
        self._connection.execute("DELETE FROM idempotency WHERE created <= ?", (until,))


def _conditions(kind: str, filters: Sequence[Filter]) -> tuple[str, list[str | int | None]]:
    clauses = ["kind = ?"]
    parameters: list[str | int | None] = [kind]
    for condition in filters:
        clause, more = condition.clause()
        clauses.append(clause)
        parameters.extend(more)
    return " AND ".join(clauses), parameters


def _load(text: str) -> Body:
    body: Body = json.loads(text)
    return body
