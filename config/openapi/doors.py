"""The doors that are plain views, for speed: described here, since drf-spectacular sees REST views only."""

from typing import Any, Final

from config.openapi.shapes import TEXT, items, ref

_BINARY: Final = (
    "Takes one event (structured), or a batch of at most 1,000; 4 MiB, gzip understood. One event may also come in "
    "binary mode: any JSON content type, its attributes percent-encoded in `ce-` headers, the body its data.\n\n"
    "Every event gets a verdict, and 200 means committed. Source and id are the identity of an event, so a request may "
    "be repeated safely: what was accepted before is a `duplicate`. In a batch a bad event is `rejected` by itself; "
    "a single event that is refused answers 422, or 409 where it contradicts one that was counted.\n\n"
    "A device signs its batches: `Agentmeter-Batch` holds the header, `Agentmeter-Signature` its Ed25519 signature."
)
_TRACES: Final = (
    "OTLP over HTTP, protobuf or JSON, gzip understood, at most 64 MiB unpacked. GenAI spans become turns, decisions "
    "and tool calls once their trace is whole; prompts and arguments are never stored. A span is counted once however "
    "often it is exported."
)
_STATUS: Final = {
    "type": "object",
    "properties": {"code": {"type": "integer"}, "message": TEXT, "details": items({"type": "object"})},
}
_PARTIAL: Final = {
    "type": "object",
    "properties": {"partialSuccess": {"type": "object", "properties": {"rejectedSpans": TEXT, "errorMessage": TEXT}}},
}
_SCOPES: Final = items({"type": "object"}) | {"type": ["array", "null"]}
_RESOURCES: Final = items({"type": "object", "properties": {"scopeSpans": _SCOPES}}) | {"type": ["array", "null"]}
_EXPORT: Final = {
    "type": "object",
    "description": "An ExportTraceServiceRequest; unknown members are ignored.",
    "properties": {"resourceSpans": _RESOURCES},
}
_BYTES: Final = {"type": "string", "format": "binary"}

REFUSALS: Final = (400, 401, 403, 409, 413, 415, 422, 503)

DOORS: Final[dict[str, dict[str, Any]]] = {
    "/v1/events": {
        "post": {
            "operationId": "events_create",
            "description": _BINARY,
            "tags": ["events"],
            "security": [{"apiKey": []}],
            "requestBody": {
                "required": True,
                "content": {
                    "application/cloudevents+json": {"schema": ref("CloudEvent")},
                    "application/cloudevents-batch+json": {
                        "schema": items(
                            {"description": "A CloudEvent; whatever else it is, it is rejected by itself."},
                            maxItems=1000,
                        )
                    },
                },
            },
            "responses": {
                "200": {
                    "description": "Committed; a verdict for each event, in their order.",
                    "content": {"application/json": {"schema": ref("Recorded")}},
                }
            },
        }
    },
    "/v1/traces": {
        "post": {
            "operationId": "traces_create",
            "description": _TRACES,
            "tags": ["traces"],
            "security": [{"apiKey": []}],
            "requestBody": {
                "required": True,
                "content": {
                    "application/json": {"schema": _EXPORT},
                },
            },
            "responses": {
                "200": {
                    "description": "Committed; spans that cannot be taken are told as a partial success.",
                    "content": {
                        "application/json": {"schema": _PARTIAL},
                        "application/x-protobuf": {"schema": _BYTES},
                    },
                },
                **{
                    str(status): {
                        "description": "A google.rpc.Status, in the encoding of the request.",
                        "content": {
                            "application/json": {"schema": _STATUS},
                            "application/x-protobuf": {"schema": _BYTES},
                        },
                    }
                    for status in (400, 401, 403, 413, 415, 503)
                },
            },
        }
    },
}
