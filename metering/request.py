"""What one sender submits at once, and how it can be proved."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from metering.event import Malformed, UsageEvent


class BatchEvidence(Struct, frozen=True, gc=False):
    """How a request can be proved: the SHA-256 of its body, who sent it, and a device's signature over its header."""

    digest: bytes
    api_key_id: int | None = None
    device_id: int | None = None
    epoch: int | None = None
    first_sequence: int | None = None
    last_sequence: int | None = None
    signature: str = ""
    header: bytes | None = None


class Request(Struct, frozen=True):
    """The submissions of one sender, of one customer."""

    customer_id: int
    submissions: Sequence[UsageEvent | Malformed]
    received_at: datetime
    evidence: BatchEvidence
