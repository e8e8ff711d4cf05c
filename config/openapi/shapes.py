"""The shapes of what passes, as JSON Schema: building blocks and the components that several operations share."""

from typing import Any, Final

Shape = dict[str, Any]

TEXT: Final[Shape] = {"type": "string"}
FLAG: Final[Shape] = {"type": "boolean"}
COUNT: Final[Shape] = {"type": "integer", "minimum": 0}
INSTANT: Final[Shape] = {"type": "string", "format": "date-time"}
DECIMAL: Final[Shape] = {
    "type": "string",
    "pattern": r"^-?[0-9]+(\.[0-9]+)?$",
    "description": "An exact decimal number, as text so that no reader rounds it.",
}
CURRENCY: Final[Shape] = {"type": "string", "pattern": "^[A-Z]{3}$"}
DIGEST: Final[Shape] = {"type": "string", "pattern": "^[0-9a-f]{64}$"}
# What PostgreSQL and every reader take as a name.
NAME: Final[Shape] = {"type": "string", "minLength": 1, "maxLength": 128, "pattern": r"^[!-~]([ -~]*[!-~])?$"}
KEY: Final[Shape] = {"type": "string", "pattern": "^[a-z0-9]([a-z0-9_-]{0,62}[a-z0-9])?$"}


def record(optional: Shape | None = None, /, **members: Shape) -> Shape:
    """Return an object of just these members; those of `optional` may be absent."""
    return {
        "type": "object",
        "properties": members | (optional or {}),
        "required": list(members),
        "additionalProperties": False,
    }


def items(of: Shape, **bounds: Any) -> Shape:  # noqa: ANN401 bounds of JSON Schema
    """Return an array."""
    return {"type": "array", "items": of} | bounds


def nullable(shape: Shape) -> Shape:
    """Return a shape that may also be null."""
    return {"anyOf": [shape, {"type": "null"}]}


def choice(*values: str) -> Shape:
    """Return one of these texts."""
    return {"type": "string", "enum": list(values)}


def ref(name: str) -> Shape:
    """Return a reference to a component."""
    return {"$ref": f"#/components/schemas/{name}"}


_FAULT: Final = {
    "type": "object",
    "properties": {"pointer": TEXT, "parameter": TEXT, "detail": TEXT},
    "required": ["detail"],
    "additionalProperties": False,
}
_CONDITION: Final = record(
    field=NAME,
    operator=choice("in", "not_in"),
    values=items({"type": "string", "maxLength": 32, "pattern": "^[ -~]*$"}, minItems=1, maxItems=200),
)
_MEASURE: Final = {
    "name": NAME,
    "unit": NAME,
    "event_type": NAME,
    "aggregation": choice("count", "sum", "min", "max", "unique", "latest", "peak", "level"),
}
_METER: Final = record(
    {
        "window_seconds": {"type": "integer", "minimum": 60},
        "statistic": choice("max", "p95"),
        "backfill": record(done=COUNT, events=COUNT, is_complete=FLAG),
    },
    key=KEY,
    **(_MEASURE | {"name": TEXT, "unit": TEXT, "event_type": TEXT}),
    value_field=TEXT,
    scale=DECIMAL,
    dimensions=items(TEXT),
    filters=items(record(field=TEXT, operator=choice("in", "not_in"), values=items(TEXT))),
    is_summable=FLAG,
    is_archived=FLAG,
    last_fold=nullable(COUNT),
    created_at=nullable(INSTANT),
)
_DEFINITION: Final = record(
    {
        "value_field": {"type": "string", "maxLength": 128, "pattern": r"^([!-~]([ -~]*[!-~])?)?$"},
        "scale": {"type": "string", "pattern": r"^[0-9]{1,5}(\.[0-9]{1,12})?$", "default": "1"},
        "window_seconds": {"type": "integer", "minimum": 60, "maximum": 2_678_400, "description": "Of a peak."},
        "statistic": choice("max", "p95") | {"description": "Of a peak."},
        "dimensions": items(NAME, maxItems=10, uniqueItems=True),
        "filters": items(_CONDITION, maxItems=20),
    },
    key=KEY,
    **_MEASURE,
)
_VERDICT: Final = record(
    {"errors": items(record(pointer=TEXT, detail=TEXT))},
    id=nullable(TEXT),
    source=nullable(TEXT),
    verdict=choice("accepted", "duplicate", "conflict", "rejected"),
)
_PRINTABLE: Final = r"^[ -~ -퟿]+$"
CLOUD_EVENT: Final[Shape] = {
    "type": "object",
    "description": "A CloudEvent 1.0 in its JSON format. Members of other names are extensions.",
    "properties": {
        "specversion": {"type": "string", "const": "1.0"},
        "id": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": _PRINTABLE},
        "source": {
            "type": "string",
            "minLength": 1,
            "maxLength": 512,
            "pattern": "^[A-Za-z0-9_.~:/?#@!$&'()*+,;=%-]+$",
        },
        "type": {"type": "string", "minLength": 1, "maxLength": 256, "pattern": _PRINTABLE},
        "subject": {"type": ["string", "null"], "minLength": 1, "maxLength": 256, "pattern": _PRINTABLE},
        "time": {"type": ["string", "null"], "format": "date-time", "description": "At most 5 minutes ahead."},
        "datacontenttype": {"enum": ["application/json", None]},
        "dataschema": {"type": ["string", "null"], "pattern": "^[a-z]+:[A-Za-z0-9_.~/-]+$", "maxLength": 512},
        "sequence": {"type": ["string", "null"], "pattern": "^[1-9][0-9]{0,17}$"},
        "data": {
            "type": ["object", "null"],
            "properties": {"environment": choice("production", "test")},
            "description": "Numbers are whole or decimal text: at most 15 digits before the point, 12 after.",
        },
    },
    "required": ["specversion", "id", "source", "type"],
    "additionalProperties": {
        "anyOf": [
            {"type": "string", "maxLength": 2048, "pattern": r"^[ -~]*$"},
            {"type": "integer", "minimum": -(2**31), "maximum": 2**31 - 1},
            FLAG,
            {"type": "null"},
        ]
    },
    "propertyNames": {"pattern": "^[a-z0-9]{1,20}$"},
}

COMPONENTS: Final[dict[str, Shape]] = {
    "Problem": {
        "type": "object",
        "description": "RFC 9457. `errors` names what is at fault: a JSON pointer into the body, or a parameter.",
        "properties": {
            "type": TEXT,
            "title": TEXT,
            "status": {"type": "integer", "minimum": 400, "maximum": 599},
            "detail": TEXT,
            "errors": items(_FAULT),
        },
        "required": ["type", "title", "status", "detail"],
    },
    "CloudEvent": CLOUD_EVENT,
    "Recorded": record(
        {"device": record(epoch=COUNT, sequence=COUNT)},
        batch=nullable(COUNT),
        received_at=INSTANT,
        accepted=COUNT,
        duplicate=COUNT,
        conflict=COUNT,
        rejected=COUNT,
        verdicts=items(_VERDICT),
    ),
    "Meter": _METER,
    "MeterDefinition": _DEFINITION,
}
