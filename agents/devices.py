"""Devices: enrolled with a public key, their signed batches verified and fitted to the chain received so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import transaction

from agents import ledger
from agents.errors import ForkedChainError, QuarantinedDeviceError, SequenceGapError, Suspicion, UnknownDeviceError
from agents.models import Customer, Device
from agents.models.devices import FindingKind
from metering.event import EventVerdict, Verdict
from runtime.wire import BatchHeader, check_chain, from_base64url, genesis, verify

log = structlog.get_logger(__name__)

PUBLIC_KEY_BYTES = 32


@dataclass(frozen=True, slots=True)
class Signature:
    """The two headers of a signed batch, as received."""

    header: str
    signature: str


@dataclass(frozen=True, slots=True)
class SignedBatch:
    """A batch whose signature and chain hold; `hashes` are the chain's hash after each of its events."""

    device_id: int
    public_key: bytes
    header: BatchHeader
    header_bytes: bytes
    signature: str
    hashes: Sequence[bytes]


def enrol(*, customer: Customer, key: str, public_key: bytes, now: datetime, epoch: int = 1) -> Device:
    """Make a device known, its chain empty. Raises ValueError for a key that is not 32 bytes of Ed25519."""
    _require_public_key(public_key)
    return Device.objects.create(
        customer=customer,
        key=key,
        public_key=public_key,
        epoch=epoch,
        head=genesis(device=key, epoch=epoch),
        enrolled_at=now,
    )


@transaction.atomic
def re_enrol(*, device: Device, actor: str, reason: str, now: datetime, public_key: bytes | None = None) -> int:
    """Begin a new epoch of a device whose chain cannot go on, and return its number; the device must take it over.

    What was open against the old epoch is resolved by `actor` for `reason`, the quarantine ends, and batches of the old
    epoch are refused from now on: a clone stays out, all the more where a new `public_key` is given. Raises ValueError
    for a key that is not 32 bytes of Ed25519, or without an actor or a reason.
    """
    if public_key is not None:
        _require_public_key(public_key)
    row = Device.objects.select_for_update().get(pk=device.pk)
    ledger.close_epoch(device=row, actor=actor, reason=reason, now=now)
    row.epoch += 1
    row.public_key = row.public_key if public_key is None else public_key
    row.last_sequence, row.head = 0, genesis(device=row.key, epoch=row.epoch)
    row.gap_until = row.quarantined_at = None
    row.save(update_fields=["epoch", "public_key", "last_sequence", "head", "gap_until", "quarantined_at"])
    return row.epoch


def verify_batch(*, customer_id: int, signature: Signature, events: Sequence[Mapping[str, object]]) -> SignedBatch:
    """Check who signed and that these are the events signed for; writes nothing.

    Raises UnknownDeviceError, or a WireError such as BadSignatureError or ChainMismatchError.
    """
    raw = from_base64url(signature.header)
    header = BatchHeader.from_bytes(raw)
    device = Device.objects.filter(customer_id=customer_id, key=header.device, revoked_at__isnull=True).first()
    if device is None:
        raise UnknownDeviceError(f"Device {header.device} is not enrolled for the customer of this key.")
    public_key = bytes(device.public_key)
    verify(public_key, raw, signature.signature)
    return SignedBatch(
        device_id=device.pk,
        public_key=public_key,
        header=header,
        header_bytes=raw,
        signature=signature.signature,
        hashes=check_chain(header, events),
    )


def lock_for(batch: SignedBatch) -> Device:
    """Return the device of the batch, its row locked, once the batch is seen to continue or repeat its chain.

    Call inside a transaction. Raises SequenceGapError (with the sequence expected), ForkedChainError or
    QuarantinedDeviceError.
    """
    device = Device.objects.select_for_update().get(pk=batch.device_id)
    header = batch.header
    if header.epoch != device.epoch:
        raise _fork(batch, f"Device {device.key} is in epoch {device.epoch}, the batch in {header.epoch}.")
    if device.quarantined_at is not None:
        raise QuarantinedDeviceError(f"Device {device.key} is in quarantine: its chain forked. It must be re-enrolled.")
    if header.first > device.last_sequence + 1:
        raise SequenceGapError(_gap(device, header))
    for sequence, known in _known_hashes(device, header).items():
        if _hash_at(batch, sequence) != known:
            raise _fork(batch, f"Device {device.key} sends another history up to {sequence}: a clone?")
    return device


def check_history(*, device: Device, batch: SignedBatch, verdicts: Sequence[EventVerdict]) -> None:
    """Look at what became of events that stand where others were received before; `device` is the locked row.

    The chain's hash is known only where a batch ended. Between such places an event that metering never saw is another
    history: raises ForkedChainError.
    """
    for sequence, verdict in enumerate(verdicts, start=batch.header.first):
        if sequence <= device.last_sequence and verdict.verdict is Verdict.ACCEPTED:
            raise _fork(batch, f"Device {device.key} sends a new event at {sequence}, which came before: a clone?")


def suspect(
    *, device: Device, batch: SignedBatch, verdicts: Sequence[EventVerdict], moved: Sequence[int] = ()
) -> list[Suspicion]:
    """Return what is odd about a batch that could be taken in: a replay with other content, a clock that is wrong.

    `moved` are the sequences whose events were placed at another time than the device's clock had said. Nothing is
    counted twice by either; `device` is the row as it was before the batch.
    """
    header = batch.header
    numbered = list(enumerate(verdicts, start=header.first))
    proven = max(_known_hashes(device, header), default=0) if header.first <= device.last_sequence else 0
    replayed = [
        place for place, one in numbered if proven < place <= device.last_sequence and one.verdict is Verdict.CONFLICT
    ]
    refused = [
        place
        for place, one in numbered
        if one.verdict is Verdict.REJECTED and any(problem.pointer == "/time" for problem in one.errors)
    ]
    told = "An event came again with other content; what was counted first stands."
    wrong = "The device's clock was wrong; its events were placed by ours, or refused where that could not be done."
    return [
        Suspicion(batch.device_id, kind, header.epoch, min(places), max(places), detail)
        for kind, places, detail in (
            (FindingKind.REPLAY, replayed, told),
            (FindingKind.CLOCK, [place for place in {*refused, *moved} if place > device.last_sequence], wrong),
        )
        if places
    ]


def advance(*, device: Device, batch: SignedBatch, newest: datetime | None, now: datetime) -> int:
    """Move the locked device's chain to the end of the batch; returns the sequence received so far.

    `newest` is the latest time of an event in it, None where none was taken.
    """
    device.last_seen_at = now
    if newest is not None:
        device.newest_event_at = max(newest, device.newest_event_at or newest)
    if batch.header.last > device.last_sequence:
        device.last_sequence = batch.header.last
        device.head = bytes.fromhex(batch.header.head)
    if device.gap_until is not None and device.last_sequence >= device.gap_until:
        ledger.close_gaps(device=device, now=now)
        device.gap_until = None
    device.save(update_fields=["last_seen_at", "newest_event_at", "last_sequence", "head", "gap_until"])
    return device.last_sequence


def _require_public_key(public_key: bytes) -> None:
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise ValueError(f"public_key: {PUBLIC_KEY_BYTES} bytes are required, not {len(public_key)}")


def _known_hashes(device: Device, header: BatchHeader) -> dict[int, bytes]:
    """Return the chain's hash where it is known within reach of a batch: at the head, and where batches began or ended.

    A batch that simply goes on meets the head, which proves all before it, so that nothing is read for it.
    """
    if header.last >= device.last_sequence:
        return {device.last_sequence: bytes(device.head)}
    known = dict(ledger.hashes(device=device, first=header.first - 1, last=header.last))
    if header.first == 1:
        known[0] = genesis(device=device.key, epoch=device.epoch)
    return known


def _hash_at(batch: SignedBatch, sequence: int) -> bytes:
    """Return the chain's hash after `sequence`, which the batch holds or directly follows."""
    if sequence < batch.header.first:
        return bytes.fromhex(batch.header.previous)
    return batch.hashes[sequence - batch.header.first]


def _gap(device: Device, header: BatchHeader) -> Suspicion:
    expected = device.last_sequence + 1
    detail = f"Device {device.key} sent sequence {header.first}, but {expected} is next."
    return Suspicion(device.pk, FindingKind.GAP, header.epoch, expected, header.first - 1, detail)


def _fork(batch: SignedBatch, detail: str) -> ForkedChainError:
    header = batch.header
    log.warning("fork", device=batch.device_id, epoch=header.epoch, sequence=header.first)
    return ForkedChainError(
        Suspicion(batch.device_id, FindingKind.FORK, header.epoch, header.first, header.last, detail)
    )
