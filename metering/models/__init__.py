"""The tables of metering: what may be counted, what was received, what it adds up to."""

from metering.models.corrections import Void
from metering.models.definitions import AggregationKind, EventType, Meter, Statistic
from metering.models.evidence import (
    Batch,
    Environment,
    Event,
    EventKey,
    Origin,
    Refusal,
    RefusalReason,
    RefusalVerdict,
    Seal,
    StoredEvent,
)
from metering.models.windows import Coverage, Fold, Series, Window

__all__ = [
    "AggregationKind",
    "Batch",
    "Coverage",
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
    "Seal",
    "Series",
    "Statistic",
    "StoredEvent",
    "Void",
    "Window",
]
