"""The ledger of devices: what was received of each chain, what is wrong with it, and up to when it is complete."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Greatest

from agents.errors import Suspicion, UnknownReviewError
from agents.models import Device, DeviceFinding
from agents.models.devices import FindingKind
from metering import receipts
from metering.receipts import Receipt
from runtime.wire import BatchHeader

CHAIN: Final = "chain"  # who closed a gap whose events arrived after all


class Lack(StrEnum):
    """Why a device is not complete up to an instant."""

    FORK = "fork"
    GAP = "gap"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Incomplete:
    """A device that may still hold usage from before the instant asked about, and why."""

    device: str
    complete_up_to: datetime | None
    lack: Lack


@transaction.atomic
def note(*, suspicions: Iterable[Suspicion], now: datetime) -> None:
    """Keep what batches showed to be wrong; what is open already is not added again.

    Call outside the transaction of the batch, which is rolled back where it is refused. A fork in the device's epoch
    puts it into quarantine. A gap that was filled meanwhile is none.
    """
    for one in suspicions:
        if one.kind == FindingKind.GAP and not _mark_gap(one):
            continue
        _keep(one, now)
        if one.kind == FindingKind.FORK:
            in_epoch = Device.objects.filter(pk=one.device_id, epoch=one.epoch, quarantined_at__isnull=True)
            in_epoch.update(quarantined_at=now)


@transaction.atomic
def resolve(*, finding: DeviceFinding, actor: str, reason: str, now: datetime) -> None:
    """Close a finding for a reason. With its last fork resolved a device may send again, in the chain we know.

    To begin a new chain instead, call `devices.re_enrol`. Raises UnknownReviewError where the finding is closed, and
    ValueError without an actor or a reason.
    """
    device = Device.objects.select_for_update().get(pk=finding.device_id)
    if _close(Q(pk=finding.pk), actor=actor, reason=reason, now=now) != 1:
        raise UnknownReviewError(f"The finding {finding.pk} was resolved before.")
    still = DeviceFinding.objects.filter(device=device, epoch=device.epoch, resolved_at__isnull=True)
    if not still.filter(kind=FindingKind.FORK).exists():
        Device.objects.filter(pk=device.pk).update(quarantined_at=None)
    if not still.filter(kind=FindingKind.GAP).exists():
        Device.objects.filter(pk=device.pk).update(gap_until=None)


def close_gaps(*, device: Device, now: datetime) -> None:
    """Close the gaps of a device's epoch, whose events have arrived."""
    filled = Q(device=device, kind=FindingKind.GAP, epoch=device.epoch, last__lte=device.last_sequence)
    _close(filled, actor=CHAIN, reason="The missing events arrived.", now=now)


def close_epoch(*, device: Device, actor: str, reason: str, now: datetime) -> None:
    """Close all that is open against a device up to its epoch. Raises ValueError without an actor or a reason."""
    _close(Q(device=device, epoch__lte=device.epoch), actor=actor, reason=reason, now=now)


def hashes(*, device: Device, first: int, last: int) -> Mapping[int, bytes]:
    """Return the chain's hash after each sequence from `first` to `last` where a received batch began or ended."""
    found: dict[int, bytes] = {}
    for one in receipts.of_device(
        customer_id=device.customer_id, device_id=device.pk, epoch=device.epoch, first=first, last=last + 1
    ):
        header = BatchHeader.from_bytes(one.header)
        found |= {one.first - 1: bytes.fromhex(header.previous), one.last: bytes.fromhex(header.head)}
    return {place: value for place, value in found.items() if first <= place <= last}


def ranges(*, device: Device, limit: int | None = None) -> tuple[Receipt, ...]:
    """Return what was received in a device's epoch, by run of its chain, the newest first.

    A run of which nothing was accepted is in none; it counts as received all the same.
    """
    return receipts.of_device(customer_id=device.customer_id, device_id=device.pk, epoch=device.epoch, limit=limit)


def touched(*, finding: DeviceFinding) -> tuple[Receipt, ...]:
    """Return the batches whose usage a finding casts doubt on: after a gap or a fork all, else those within it."""
    lasting = finding.kind in {FindingKind.GAP, FindingKind.FORK}
    return receipts.of_device(
        customer_id=finding.device.customer_id,
        device_id=finding.device_id,
        epoch=finding.epoch,
        first=finding.first,
        last=None if lasting else finding.last,
    )


def marks(*, customer_id: int, batches: Collection[int]) -> Mapping[int, tuple[DeviceFinding, ...]]:
    """Return, of some batches, those whose usage an open finding casts doubt on, with these findings."""
    still_open = DeviceFinding.objects.filter(device__customer_id=customer_id, resolved_at__isnull=True)
    found: dict[int, tuple[DeviceFinding, ...]] = {}
    for finding in still_open.select_related("device").order_by("pk"):
        for number in {one.batch_id for one in touched(finding=finding)} & set(batches):
            found[number] = (*found.get(number, ()), finding)
    return found


def complete_up_to(*, device: Device) -> datetime | None:
    """Return the time of the newest event up to which nothing of a device lacks or is in doubt; None before its first.

    A chain is only taken in order, so that all before its newest event is there. An open fork casts doubt on what
    follows the place where the histories part. Any event, a heartbeat too, moves it on.
    """
    if device.quarantined_at is None:
        return device.newest_event_at
    forks = DeviceFinding.objects.filter(
        device=device, epoch=device.epoch, kind=FindingKind.FORK, resolved_at__isnull=True
    )
    parting = forks.order_by("first").values_list("first", flat=True).first()
    if parting is None:
        return device.newest_event_at
    return receipts.newest_event_at(
        customer_id=device.customer_id, device_id=device.pk, epoch=device.epoch, before=parting
    )


def incomplete(*, customer_id: int, until: datetime) -> tuple[Incomplete, ...]:
    """Return the devices that may still hold usage from before `until`, by key; closing a period asks this.

    A device that was enrolled later, or has been revoked, is not waited for.
    """
    return _incomplete(Device.objects.filter(customer_id=customer_id), until)


def awaited(*, customer_id: int, starts_at: datetime, ends_at: datetime) -> tuple[Incomplete, ...]:
    """Return the devices that an invoice of [starts_at, ends_at) has to wait for, by key.

    Of those that are incomplete: one that has reported since `starts_at`, was enrolled since, or of which something is
    known to be missing or in doubt. One that was silent all the time is not expected to have usage.
    """
    expected = Q(last_seen_at__gte=starts_at) | Q(newest_event_at__gte=starts_at) | Q(enrolled_at__gte=starts_at)
    expected |= Q(gap_until__isnull=False) | Q(quarantined_at__isnull=False)
    behind = Q(newest_event_at__isnull=True) | Q(newest_event_at__lt=ends_at) | Q(quarantined_at__isnull=False)
    return _incomplete(Device.objects.filter(expected, behind, customer_id=customer_id), ends_at)


def _incomplete(devices: QuerySet[Device], until: datetime) -> tuple[Incomplete, ...]:
    known = devices.filter(enrolled_at__lt=until, revoked_at__isnull=True)
    found = ((device, complete_up_to(device=device)) for device in known.order_by("key"))
    return tuple(
        Incomplete(device=device.key, complete_up_to=reached, lack=_lack(device))
        for device, reached in found
        if reached is None or reached < until
    )


def _lack(device: Device) -> Lack:
    if device.quarantined_at is not None:
        return Lack.FORK
    return Lack.SILENT if device.gap_until is None else Lack.GAP


def _mark_gap(one: Suspicion) -> bool:
    """Remember on the device what is missing; False where it has arrived since."""
    behind = Device.objects.filter(pk=one.device_id, epoch=one.epoch, last_sequence__lt=one.last)
    return behind.update(gap_until=Greatest(F("gap_until"), one.last)) == 1


def _keep(one: Suspicion, now: datetime) -> None:
    """Add a finding, or let the open one reach as far as this; the unique keys decide between two requests at once."""
    same = DeviceFinding.objects.filter(
        device_id=one.device_id, kind=one.kind, epoch=one.epoch, resolved_at__isnull=True
    )
    if one.kind != FindingKind.CLOCK:
        same = same.filter(first=one.first)
    finding = DeviceFinding(
        device_id=one.device_id,
        kind=one.kind,
        epoch=one.epoch,
        first=one.first,
        last=one.last,
        seen_at=now,
        detail=one.detail,
    )
    if not same.update(last=Greatest(F("last"), one.last)):
        DeviceFinding.objects.bulk_create([finding], ignore_conflicts=True)


def _close(which: Q, *, actor: str, reason: str, now: datetime) -> int:
    if not actor or not reason.strip():
        raise ValueError("Closing a finding needs an actor and a reason.")
    still_open = DeviceFinding.objects.filter(which, resolved_at__isnull=True)
    return still_open.update(resolved_at=now, resolved_by=actor, resolution=reason)
