"""The chain of events on disk: append, read what is next to send, forget what the service has."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from runtime.boot import read_boot
from runtime.errors import EventTooLargeError, SpoolCorruptError, SpoolFullError, SpoolMismatchError
from runtime.spool.database import Database
from runtime.spool.lock import Role, opening, take_lock
from runtime.wire import MAX_BATCH_BYTES, MAX_BATCH_EVENTS, BatchHeader, Boot, canonical, link_bytes, source_of

DEFAULT_MAX_BYTES = 64 * 1024 * 1024  # about 70,000 events
RESERVED_BYTES = 256 * 1024  # more than the events of the longest task


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A run of events that is ready to be signed and sent."""

    header: BatchHeader
    bodies: tuple[bytes, ...]

    @property
    def body(self) -> bytes:
        """The request body: a JSON array of the events' canonical bytes."""
        return b"[" + b",".join(self.bodies) + b"]"


@dataclass(frozen=True, slots=True, kw_only=True)
class SpoolStatus:
    """Where the chain stands; `written` counts every event of this epoch by type, delivered or not."""

    device: str
    epoch: int
    sequence: int
    head: str
    acknowledged: int
    unsent: int
    free_bytes: int
    written: Mapping[str, int]


class Spool:
    """One device's chain of one epoch, open in one role."""

    def __init__(
        self,
        *,
        path: Path,
        device: str,
        epoch: int,
        role: Role,
        max_bytes: int = DEFAULT_MAX_BYTES,
        read_boot: Callable[[], Boot | None] = read_boot,
    ) -> None:
        """Open a spool, creating it when new. `read_boot` tells when an event is appended, see `runtime.wire.Boot`.

        Raises SpoolLockedError when the role is taken, SpoolMismatchError when the chain is another device's or
        epoch's and SpoolCorruptError when the file is not a spool.
        """
        self._source = source_of(device=device)
        self._read_boot = read_boot
        with ExitStack() as undo:
            undo.enter_context(take_lock(path, role))
            with opening(path):
                self._database = Database(path=path, max_bytes=max_bytes)
                undo.callback(self._database.close)
                owner = self._database.begin_chain(device=device, epoch=epoch)
            if owner != (device, epoch):
                raise SpoolMismatchError(
                    f"the spool is {owner[0]}'s, epoch {owner[1]}; this is {device}, epoch {epoch}"
                )
            self._held = undo.pop_all()

    def append(self, events: Sequence[Mapping[str, object]]) -> int:
        """Add events to the chain, all or none, durably, each with its sequence and the boot time; return the last.

        Raises SpoolFullError, EventTooLargeError, SpoolMismatchError for another device's event, and CanonicalError.
        """
        boot = self._read_boot()
        moment = boot.to_attributes() if boot else {}
        with self._database.transaction():
            sequence, head = self._database.execute("SELECT sequence, head FROM chain").fetchone()
            for event in events:
                sequence += 1
                head = self._insert(sequence, head, {**event, **moment})
            self._database.execute("UPDATE chain SET sequence = ?, head = ?", (sequence, head))
        return int(sequence)

    def _insert(self, sequence: int, head: bytes, event: Mapping[str, object]) -> bytes:
        if event.get("source") != self._source:
            raise SpoolMismatchError(f"source: {event.get('source')!r} is not {self._source}")
        body = canonical({**event, "sequence": str(sequence)})
        if len(body) + len("[]") > MAX_BATCH_BYTES:
            raise EventTooLargeError(f"the event is {len(body)} bytes, a batch at most {MAX_BATCH_BYTES}")
        link = link_bytes(head, body)
        self._database.execute("INSERT INTO event VALUES (?, ?, ?)", (sequence, body, link))
        self._database.execute(
            "INSERT INTO written VALUES (?, 1) ON CONFLICT (type) DO UPDATE SET events = events + 1", (event["type"],)
        )
        return link

    def batch(self, *, limit: int = MAX_BATCH_EVENTS, first: int | None = None) -> Batch | None:
        """Return the next events to send: the earliest not acknowledged, or those from `first` on.

        At most `limit` events and 256 KiB; None when there is nothing to send. Raises SpoolCorruptError when what is
        on disk is not the chain that was written.
        """
        with self._database.transaction(kind="DEFERRED"):
            chain = self._database.execute("SELECT * FROM chain").fetchone()
            _, device, epoch, sequence, _, acknowledged, previous = chain
            first = acknowledged + 1 if first is None else first
            if first > sequence:
                return None
            if first > acknowledged + 1:
                previous = self._hash_at(first - 1)
            bodies, head = self._read_run(first=first, previous=previous, limit=min(limit, MAX_BATCH_EVENTS))
        header = BatchHeader(
            device=device,
            epoch=epoch,
            first=first,
            last=first + len(bodies) - 1,
            previous=previous.hex(),
            head=head.hex(),
        )
        return Batch(header=header, bodies=tuple(bodies))

    def _read_run(self, *, first: int, previous: bytes, limit: int) -> tuple[list[bytes], bytes]:
        """Return bodies in sequence, as many as fit, with the hash after the last; checks every link."""
        rows = self._database.execute(
            "SELECT sequence, CAST(body AS BLOB), CAST(hash AS BLOB) FROM event"
            " WHERE sequence >= ? ORDER BY sequence LIMIT ?",
            (first, limit),
        )
        bodies: list[bytes] = []
        head, size = previous, len("[]")
        for sequence, body, link in rows:
            size += len(body) + len(",")
            if bodies and size > MAX_BATCH_BYTES:
                break
            if sequence != first + len(bodies) or link != link_bytes(head, body):
                raise SpoolCorruptError(f"sequence {first + len(bodies)}: the event on disk is not the one written")
            bodies.append(body)
            head = link
        if not bodies:
            raise SpoolCorruptError(f"sequence {first}: the event is gone from the disk")
        return bodies, head

    def _hash_at(self, sequence: int) -> bytes:
        row = self._database.execute("SELECT CAST(hash AS BLOB) FROM event WHERE sequence = ?", (sequence,)).fetchone()
        if row is None:
            raise SpoolCorruptError(f"sequence {sequence}: the event is gone from the disk")
        return bytes(row[0])

    def acknowledge(self, last: int) -> int:
        """Forget the events up to and including a sequence, which the service now has; return how many.

        Acknowledging again is harmless. Raises SpoolMismatchError for a sequence that was never written.
        """
        with self._database.transaction():
            sequence, done = self._database.execute("SELECT sequence, acknowledged FROM chain").fetchone()
            if last > sequence:
                raise SpoolMismatchError(f"sequence {last} was acknowledged, but the chain ends at {sequence}")
            if last <= done:
                return 0
            link = self._hash_at(last)
            self._database.execute("UPDATE chain SET acknowledged = ?, acknowledged_hash = ?", (last, link))
            return self._database.execute("DELETE FROM event WHERE sequence <= ?", (last,)).rowcount

    def require_room(self) -> None:
        """Raise SpoolFullError unless the events of a whole task are sure to fit."""
        free = self._database.free_bytes()
        if free < RESERVED_BYTES:
            raise SpoolFullError(f"{free} bytes are free and a task may need {RESERVED_BYTES}; deliver events first")

    def status(self) -> SpoolStatus:
        """Return where the chain stands."""
        with self._database.transaction(kind="DEFERRED"):
            chain = self._database.execute("SELECT * FROM chain").fetchone()
            _, device, epoch, sequence, head, acknowledged, _ = chain
            written = self._database.execute("SELECT type, events FROM written ORDER BY type").fetchall()
            unsent = self._database.execute("SELECT count(*) FROM event").fetchone()[0]
        return SpoolStatus(
            device=device,
            epoch=epoch,
            sequence=sequence,
            head=head.hex(),
            acknowledged=acknowledged,
            unsent=unsent,
            free_bytes=self._database.free_bytes(),
            written=dict(written),
        )

    def close(self) -> None:
        """Close the file and give the lock back; closing twice is harmless."""
        self._held.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
