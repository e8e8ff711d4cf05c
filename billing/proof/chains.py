"""Chains: whether batches and their events are those that were taken in, and those that devices signed."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

from billing.proof.errors import BundleError
from billing.proof.layout import event_of
from billing.proof.report import Report
from runtime.wire import (
    BatchHeader,
    WireError,
    canonical,
    check_chain,
    format_time,
    from_base64url,
    presume,
    restore,
    verify,
)

_EVENT: Final = {"batch", "place", "id", "source", "type", "subject", "environment", "time", "data", "voided"}
_BATCH: Final = {"id", "received_at", "digest", "fold", "event_count", "events", "signed"}
_SIGNED: Final = {"header", "signature", "public_key", "rest"}
_MOVED: Final = "device_time"


@dataclass(slots=True)
class Signed:
    """What a device signed for a batch; `rest` is null where it was not kept, and the chain cannot be checked."""

    header: BatchHeader
    public_key: str
    rest: Sequence[Any] | None


@dataclass(slots=True)
class Batch:
    """A batch of the bundle, whose events are yet to come."""

    id: int
    fold: int
    event_count: int
    events: str
    signed: Signed | None
    digests: "hashlib._Hash" = field(default_factory=hashlib.sha256)
    found: dict[int, Mapping[str, Any]] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """What it is called in a report."""
        if self.signed is None:
            return str(self.id)
        header = self.signed.header
        return f"{self.id} (device {header.device}, sequence {header.first} to {header.last})"


@dataclass(slots=True)
class Chains:
    """The batches of a bundle, by id, and where the chain of each device was seen to stand."""

    report: Report
    batches: dict[int, Batch] = field(default_factory=dict)
    heads: dict[tuple[str, int], BatchHeader] = field(default_factory=dict)
    keys: dict[str, str] = field(default_factory=dict)
    unproved: int = 0
    moved: int = 0

    def read(self, lines: Iterator[bytes]) -> None:
        """Read all batches: each must be well formed, signed by its device, and go on where the one before ended."""
        last = 0
        for number, line in enumerate(lines, start=1):
            batch = self._batch(number, line)
            if batch is None:
                continue
            if batch.id <= last:
                self.report.find("batch", batch.name, f"stands after batch {last}: batches come in order, each once")
            last = batch.id
            self.batches[batch.id] = batch
            if batch.signed is not None:
                self._link(batch, batch.signed)

    def events(self, lines: Iterator[bytes]) -> Iterator[tuple[Mapping[str, Any], datetime, Batch]]:
        """Yield each event that can be read, with its time and its batch; each batch is checked once it is whole."""
        current, last = None, (0, -1)
        for number, line in enumerate(lines, start=1):
            event = self._event(number, line)
            if event is None:
                continue
            batch, place = self.batches[event["batch"]], (event["batch"], event["place"])
            if place <= last:
                self.report.find("event", name_of(event), "stands out of order: events come by batch and place")
            if current is not None and current is not batch:
                self._complete(current)
            current, last = batch, place
            batch.found[event["place"]] = event
            yield event, _time(event["time"]), batch
        if current is not None:
            self._complete(current)
        for batch in self.batches.values():
            if batch.events:
                self._complete(batch)

    def _batch(self, number: int, line: bytes) -> Batch | None:
        try:
            return self._read_batch(line)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BundleError, WireError) as error:
            self.report.find("batch", f"in line {number}", f"cannot be read: {error}")
            return None

    def _read_batch(self, line: bytes) -> Batch:
        row = _object(line.removesuffix(b"\n"), _BATCH)
        if canonical(row) + b"\n" != line:
            raise BundleError("it is not in canonical form")
        signed = None if row["signed"] is None else self._signed(row)
        return Batch(int(row["id"]), int(row["fold"]), int(row["event_count"]), str(row["events"]), signed)

    def _signed(self, row: Mapping[str, Any]) -> Signed | None:
        told = row["signed"]
        if not isinstance(told, dict) or told.keys() != _SIGNED:
            raise BundleError(f"signed must have {', '.join(sorted(_SIGNED))}")
        raw = told["header"].encode()
        header = BatchHeader.from_bytes(raw)
        if told["public_key"] is None:
            self.unproved += 1
            return Signed(header, "", None)
        try:
            verify(from_base64url(told["public_key"]), raw, told["signature"])
        except (WireError, ValueError, TypeError) as error:
            self.report.find("batch", f"{row['id']} (device {header.device})", f"its signature does not hold: {error}")
        return Signed(header, told["public_key"], told["rest"])

    def _link(self, batch: Batch, signed: Signed) -> None:
        """Compare a batch with the one before it in the chain of its device."""
        header = signed.header
        if signed.public_key:
            self.keys.setdefault(f"{header.device}, epoch {header.epoch}", signed.public_key)
        before = self.heads.get((header.device, header.epoch))
        if before is not None and header.first <= before.last < header.last:
            self.report.find("batch", batch.name, f"begins before sequence {before.last}, at which another ended")
        if before is not None and header.first == before.last + 1 and header.previous != before.head:
            self.report.find("batch", batch.name, "does not go on where the batch before it ended")
        if before is None or header.last > before.last:
            self.heads[header.device, header.epoch] = header

    def _event(self, number: int, line: bytes) -> Mapping[str, Any] | None:
        try:
            raw, digest = event_of(line)
            event = _checked(_object(raw, _EVENT))
            batch = self.batches[event["batch"]]
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, BundleError) as error:
            self.report.find("event", f"in line {number}", f"cannot be read, or has no batch: {error}")
            return None
        if hashlib.sha256(raw).hexdigest() != digest:
            self.report.find("event", name_of(event), "is not the one that its digest was made of")
        batch.digests.update(digest.encode())
        return event

    def _complete(self, batch: Batch) -> None:
        """Check a batch whose events have all been read, once."""
        if batch.digests.hexdigest() != batch.events:
            self.report.find("batch", batch.name, "its events are not those that were received: one differs, or lacks")
        if len(batch.found) != batch.event_count:
            text = f"has {len(batch.found)} events, {batch.event_count} were received"
            self.report.find("batch", batch.name, text)
        if batch.signed is not None and batch.signed.rest is not None:
            self._check_chain(batch, batch.signed, batch.signed.rest)
        elif batch.signed is not None and batch.signed.public_key:
            self.unproved += 1
        batch.found, batch.events = {}, ""

    def _check_chain(self, batch: Batch, signed: Signed, rest: Sequence[Any]) -> None:
        header = signed.header
        try:
            documents = [_document(batch.found.get(place), header.first + place, one) for place, one in enumerate(rest)]
            check_chain(header, documents)
        except (WireError, ValueError, TypeError) as error:
            self.report.find("batch", batch.name, f"its events are not those that the device signed: {error}")
            return
        for place, event in batch.found.items():
            self.moved += _MOVED in event["data"]
            if place >= len(documents) or (told := _other(event, documents[place])):
                told = told if place < len(documents) else "place"
                self.report.find("event", name_of(event), f"its {told} is not what the device signed")


def name_of(event: Mapping[str, Any]) -> str:
    """Return what an event is called in a report."""
    return f"{event['id']} of {event['source']} (batch {event['batch']}, place {event['place']})"


def _document(event: Mapping[str, Any] | None, sequence: int, rest: object) -> dict[str, object]:
    """Return the document that stood in the chain at a sequence."""
    if event is None:
        return restore(presumed={}, difference=rest)
    presumed = presume(
        event_id=event["id"],
        source=event["source"],
        kind=event["type"],
        subject=event["subject"],
        time=_time(event["time"]),
        data=event["data"],
        sequence=sequence,
    )
    return restore(presumed=presumed, difference=rest)


def _other(event: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """Return what of an event is not as it was signed; nothing for the time, where the service says it moved it."""
    told = {name: value for name, value in event["data"].items() if name != _MOVED}
    for name in ("id", "source", "type"):
        if event[name] != document.get(name):
            return name
    if event["subject"] != document.get("subject", ""):
        return "subject"
    if told != document.get("data", {}):
        return "data"
    claimed = event["data"].get(_MOVED, event["time"])
    return "" if "time" not in document or _time(claimed) == _time(str(document["time"])) else "time"


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text.upper())
    if found.tzinfo is None:
        raise ValueError(f"{text!r} has no offset")
    return found.astimezone(UTC)


def _checked(event: dict[str, Any]) -> dict[str, Any]:
    """Return an event whose fields are of the kinds they must be. Raises BundleError and ValueError."""
    texts = all(type(event[name]) is str for name in ("id", "source", "type", "subject", "environment", "time"))
    if not texts or type(event["data"]) is not dict or type(event["place"]) is not int:
        raise BundleError("a field is of another kind")
    if event["voided"] is not None and type(event["voided"]) is not int:
        raise BundleError("voided is a fold, or null")
    if format_time(_time(event["time"])) != event["time"]:  # one text for one instant, so that no bit is idle
        raise BundleError("time is not written as the service writes it")
    return event


def _object(raw: bytes, names: set[str]) -> dict[str, Any]:
    found = json.loads(raw.decode(), parse_float=Decimal)
    if not isinstance(found, dict) or found.keys() != names:
        raise BundleError(f"it must have {', '.join(sorted(names))}")
    return found
