"""Delivers the spool: signed batches, in order, each until the service has committed it.

Every batch begins at the earliest event that was not acknowledged, so an answer that was lost leads to the same events
again, which the service recognizes. Nothing is forgotten before a well-formed answer says that it is committed.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runtime.boot import read_boot
from runtime.errors import DeliveryGaveUpError, SequenceGapError
from runtime.patience import Patience
from runtime.spool import Batch, Spool
from runtime.transport import Gap, Receipt, Refused, Transport, Unavailable
from runtime.wire import MAX_BATCH_EVENTS, sign

_MOST_REASONS = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivered:
    """What the service said of the events it took; all of them are out of the spool.

    A `conflict` or `rejected` event is kept by the service as evidence and will not be billed; `reasons` are the
    first few of the reasons it gave.
    """

    batches: int = 0
    events: int = 0
    accepted: int = 0
    duplicate: int = 0
    conflict: int = 0
    rejected: int = 0
    retries: int = 0
    reasons: tuple[str, ...] = ()

    def plus(self, receipt: Receipt, *, events: int) -> "Delivered":
        """Return this with one more batch."""
        return replace(
            self,
            batches=self.batches + 1,
            events=self.events + events,
            accepted=self.accepted + receipt.accepted,
            duplicate=self.duplicate + receipt.duplicate,
            conflict=self.conflict + receipt.conflict,
            rejected=self.rejected + receipt.rejected,
            reasons=(self.reasons + receipt.reasons)[:_MOST_REASONS],
        )


def _ignore(_delivered: Delivered) -> None:
    """Nobody watches."""


def deliver(
    *,
    spool: Spool,
    private_key: Ed25519PrivateKey,
    transport: Transport,
    patience: Patience,
    limit: int = MAX_BATCH_EVENTS,
    watch: Callable[[Delivered], None] = _ignore,
) -> Delivered:
    """Send everything in the spool and return what the service said; `watch` is told after each batch.

    Raises DeliveryRefusedError when the service says no, its subclass SequenceGapError when it expects events that the
    spool does not hold, and DeliveryGaveUpError when patience ends. What was not delivered is still in the spool.
    """
    delivered = Delivered()
    first: int | None = None
    while (batch := spool.batch(limit=limit, first=first)) is not None:
        answer, retries = _post(batch, private_key, transport, patience)
        delivered = replace(delivered, retries=delivered.retries + retries)
        if isinstance(answer, Gap):
            first = _resume_at(answer, batch, spool, is_second=first is not None)
            continue
        spool.acknowledge(batch.header.last)
        first = None
        delivered = delivered.plus(answer, events=len(batch.bodies))
        watch(delivered)
    return delivered


def _post(
    batch: Batch, private_key: Ed25519PrivateKey, transport: Transport, patience: Patience
) -> tuple[Receipt | Gap, int]:
    """Post one batch until it is answered for good; return the answer and how many retries it took."""
    for attempt in range(patience.attempts):
        stamped = _stamp(batch)
        answer = transport.post(stamped, sign(private_key, stamped.header.to_bytes()))
        if isinstance(answer, Refused):
            raise answer.error
        if not isinstance(answer, Unavailable):
            return answer, attempt
        if attempt + 1 < patience.attempts:
            patience.wait(attempt=attempt, answer=answer.reason, at_least=answer.retry_after)
        else:
            raise DeliveryGaveUpError(f"no answer after {patience.attempts} attempts; the last: {answer.reason}")
    raise ValueError("patience: at least one attempt is needed")


def _stamp(batch: Batch) -> Batch:
    """Return the batch as of now: each attempt says its own moment, or waiting would look like a later event."""
    boot = read_boot()
    if boot is None:
        return batch
    return replace(batch, header=replace(batch.header, bootid=boot.id, boottime=str(boot.nanoseconds)))


def _resume_at(gap: Gap, batch: Batch, spool: Spool, *, is_second: bool) -> int:
    """Return the sequence to resend from; raises SequenceGapError when that cannot help."""
    held = spool.status()
    if gap.expected <= held.acknowledged:
        raise SequenceGapError(
            f"the service expects sequence {gap.expected}, but events up to {held.acknowledged} were acknowledged and"
            " are gone; ask its operator to review the device"
        )
    if gap.expected > held.sequence:
        raise SequenceGapError(
            f"the service expects sequence {gap.expected}, but this device has only written {held.sequence}; this"
            " spool may be an old copy"
        )
    if is_second or gap.expected == batch.header.first:
        raise SequenceGapError(f"the service expects sequence {gap.expected} and refuses a batch from there")
    return gap.expected
