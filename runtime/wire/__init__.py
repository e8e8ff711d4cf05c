"""What a device writes and the service reads: events, canonical JSON, the hash chain and the batch signature.

Imports nothing but the standard library and cryptography, so that both sides can share it.
"""

from runtime.wire.batch import (
    DEVICE_KEY,
    MAX_BATCH_BYTES,
    MAX_BATCH_EVENTS,
    BatchHeader,
    check_chain,
    genesis,
    link,
    link_bytes,
)
from runtime.wire.boot import Boot
from runtime.wire.canonical import canonical
from runtime.wire.errors import (
    BadHeaderError,
    BadSignatureError,
    CanonicalError,
    ChainMismatchError,
    FloatOnWireError,
    WireError,
)
from runtime.wire.event import (
    COMPUTE_USED,
    DECISION_MADE,
    DIMENSIONS,
    EVENT_TYPES,
    SEAT_CHANGED,
    SOURCE_PREFIX,
    TASK_STATE_CHANGED,
    TURN_COMPLETED,
    DecisionOutcome,
    TaskState,
    TurnOutcome,
    compose,
    format_time,
    source_of,
)
from runtime.wire.sealed import difference, presume, restore
from runtime.wire.signature import from_base64url, sign, to_base64url, verify

EVENTS_PATH = "/v1/events"
BATCH_CONTENT_TYPE = "application/cloudevents-batch+json"
BATCH_HEADER = "Agentmeter-Batch"
SIGNATURE_HEADER = "Agentmeter-Signature"

__all__ = [
    "BATCH_CONTENT_TYPE",
    "BATCH_HEADER",
    "COMPUTE_USED",
    "DECISION_MADE",
    "DEVICE_KEY",
    "DIMENSIONS",
    "EVENTS_PATH",
    "EVENT_TYPES",
    "MAX_BATCH_BYTES",
    "MAX_BATCH_EVENTS",
    "SEAT_CHANGED",
    "SIGNATURE_HEADER",
    "SOURCE_PREFIX",
    "TASK_STATE_CHANGED",
    "TURN_COMPLETED",
    "BadHeaderError",
    "BadSignatureError",
    "BatchHeader",
    "Boot",
    "CanonicalError",
    "ChainMismatchError",
    "DecisionOutcome",
    "FloatOnWireError",
    "TaskState",
    "TurnOutcome",
    "WireError",
    "canonical",
    "check_chain",
    "compose",
    "difference",
    "format_time",
    "from_base64url",
    "genesis",
    "link",
    "link_bytes",
    "presume",
    "restore",
    "sign",
    "source_of",
    "to_base64url",
    "verify",
]
