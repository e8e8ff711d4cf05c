"""The tables of metering: what may be counted, what was received, what it adds up to."""

from metering.models.definitions import AggregationKind, EventType, Meter
from metering.models.evidence import (
    Batch,
    Environment,
    Event,
    EventKey,
    Origin,
    Refusal,
    RefusalReason,
    RefusalVerdict,
    StoredEvent,
)
from metering.models.windows import Fold, Window

__all__ = [
    "AggregationKind",
    "Batch",
    "Environment",
    "Event",
    "EventKey",
    "EventType",
    "Fold",
    "Meter",
    "Origin",
    "Refusal",
    "RefusalReason",
    "RefusalVerdict",
    "StoredEvent",
    "Window",
]
