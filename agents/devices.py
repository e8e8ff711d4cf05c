"""Devices: enrolled with a public key, their signed batches verified and fitted to the chain received so far."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NoReturn

import structlog

from agents.errors import ForkedChainError, SequenceGapError, UnknownDeviceError
from agents.models import Customer, Device
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
    header: BatchHeader
    header_bytes: bytes
    signature: str
    hashes: Sequence[bytes]


def enrol(*, customer: Customer, key: str, public_key: bytes, now: datetime, epoch: int = 1) -> Device:
    """Make a device known, its chain empty. Raises ValueError for a key that is not 32 bytes of Ed25519."""
    if len(public_key) != PUBLIC_KEY_BYTES:
        raise ValueError(f"public_key: {PUBLIC_KEY_BYTES} bytes are required, not {len(public_key)}")
    return Device.objects.create(
        customer=customer,
        key=key,
        public_key=public_key,
        epoch=epoch,
        head=genesis(device=key, epoch=epoch),
        enrolled_at=now,
    )


def verify_batch(*, customer_id: int, signature: Signature, events: Sequence[Mapping[str, object]]) -> SignedBatch:
    """Check who signed and that these are the events signed for; writes nothing.

    Raises UnknownDeviceError, or a WireError such as BadSignatureError or ChainMismatchError.
    """
    raw = from_base64url(signature.header)
    header = BatchHeader.from_bytes(raw)
    device = Device.objects.filter(customer_id=customer_id, key=header.device, revoked_at__isnull=True).first()
    if device is None:
        raise UnknownDeviceError(f"Device {header.device} is not enrolled for the customer of this key.")
    verify(bytes(device.public_key), raw, signature.signature)
    hashes = check_chain(header, events)
    return SignedBatch(
        device_id=device.pk, header=header, header_bytes=raw, signature=signature.signature, hashes=hashes
    )


def lock_for(batch: SignedBatch) -> Device:
    """Return the device of the batch, its row locked, once the batch is seen to continue or repeat its chain.

    Call inside a transaction. Raises SequenceGapError (with the sequence expected) or ForkedChainError.
    """
    device = Device.objects.select_for_update().get(pk=batch.device_id)
    header = batch.header
    if header.epoch != device.epoch:
        raise ForkedChainError(f"Device {device.key} is in epoch {device.epoch}, the batch in {header.epoch}.")
    if header.first > device.last_sequence + 1:
        raise SequenceGapError(device=device.key, expected=device.last_sequence + 1, first=header.first)
    if header.last >= device.last_sequence and _hash_at(batch, device.last_sequence) != bytes(device.head):
        log.warning("fork", device=device.pk, sequence=device.last_sequence)
        raise ForkedChainError(f"Device {device.key} sends another history up to {device.last_sequence}: a clone?")
    return device


def advance(*, device: Device, batch: SignedBatch, now: datetime) -> int:
    """Move the locked device's chain to the end of the batch; returns the sequence received so far."""
    device.last_seen_at = now
    if batch.header.last > device.last_sequence:
        device.last_sequence = batch.header.last
        device.head = bytes.fromhex(batch.header.head)
    device.save(update_fields=["last_seen_at", "last_sequence", "head"])
    return device.last_sequence


def refuse_new_history(*, device: Device, sequence: int | None) -> NoReturn:
    """Raise ForkedChainError: an event was new although its place in the chain was received before with another."""
    log.warning("fork", device=device.pk, sequence=sequence)
    raise ForkedChainError(f"Device {device.key} sends a new event at sequence {sequence}, which came before: a clone?")


def _hash_at(batch: SignedBatch, sequence: int) -> bytes:
    """Return the chain's hash after `sequence`, which the batch holds or directly follows."""
    if sequence < batch.header.first:
        return bytes.fromhex(batch.header.previous)
    return batch.hashes[sequence - batch.header.first]
