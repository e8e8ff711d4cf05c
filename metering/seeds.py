"""The meters and units that every installation starts with (the design's part 1)."""

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from django.db import models

TURN: Final = "io.agentmeter.turn.completed.v1"
DECISION: Final = "io.agentmeter.decision.made.v1"
TASK: Final = "io.agentmeter.task.state_changed.v1"
COMPUTE: Final = "io.agentmeter.compute.used.v1"
SEAT: Final = "io.agentmeter.seat.changed.v1"

# What identifies the unit that an event counts. A seat is taken and given back many times, so its events have no unit.
IDENTITIES: Final[Mapping[str, list[str]]] = MappingProxyType(
    {TASK: ["task"], TURN: ["turn"], DECISION: ["turn", "number"], COMPUTE: ["slice"], SEAT: []}
)

_MODEL = ["agent", "device", "hardware_class", "model_name", "architecture", "quantization"]
_USABLE = [{"field": "outcome", "operator": "in", "values": ["usable"]}]

METERS: Final[tuple[dict[str, Any], ...]] = (
    {
        "key": "seats",
        "name": "Seats",
        "unit": "seat-second",
        "event_type": SEAT,
        "aggregation": "level",
        "value_field": "delta",
    },
    {
        "key": "compute-seconds",
        "name": "Compute-seconds",
        "unit": "second",
        "event_type": COMPUTE,
        "aggregation": "sum",
        "value_field": "milliseconds",
        "scale": Decimal("0.001"),
        "dimensions": [*_MODEL, "byoc"],
    },
    {
        "key": "turns",
        "name": "Turns",
        "unit": "turn",
        "event_type": TURN,
        "aggregation": "count",
        "dimensions": _MODEL,
        "filters": [{"field": "outcome", "operator": "not_in", "values": ["runtime_fault"]}],
    },
    {
        "key": "decisions",
        "name": "Decisions",
        "unit": "decision",
        "event_type": DECISION,
        "aggregation": "count",
        "dimensions": _MODEL,
        "filters": _USABLE,
    },
    {
        "key": "tasks",
        "name": "Tasks",
        "unit": "task",
        "event_type": TASK,
        "aggregation": "count",
        "dimensions": _MODEL,
        "filters": [{"field": "state", "operator": "in", "values": ["completed"]}],
    },
    {
        # What a plan names that bills completed tasks and shows failed ones, which are free by a rule of its own.
        "key": "finished-tasks",
        "name": "Finished tasks, completed or failed",
        "unit": "task",
        "event_type": TASK,
        "aggregation": "count",
        "dimensions": [*_MODEL, "state"],
        "filters": [{"field": "state", "operator": "in", "values": ["completed", "failed"]}],
    },
    {
        "key": "decision-peak",
        "name": "Decisions in the busiest hour",
        "unit": "decision",
        "event_type": DECISION,
        "aggregation": "peak",
        "value_field": "",
        "window_seconds": 3600,
        "dimensions": ["agent", "device", "hardware_class"],
        "filters": _USABLE,
    },
)


def plant(*, meter: type[models.Model], event_type: type[models.Model]) -> None:
    """Insert the seeds that are not there yet, into the given models (a migration brings its own)."""
    types = [event_type(type=name, identity=identity) for name, identity in IDENTITIES.items()]
    event_type._default_manager.bulk_create(types, ignore_conflicts=True)
    meter._default_manager.bulk_create([meter(**seed) for seed in METERS], ignore_conflicts=True)
