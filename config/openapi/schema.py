"""Makes the document: views as drf-spectacular finds them, what passes from our tables, refusals as problems."""

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any, Final

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.openapi import AutoSchema
from typing_extensions import override

from config.openapi.doors import DOORS, REFUSALS
from config.openapi.operations import CSV, JSON, OPERATIONS, Operation
from config.openapi.shapes import COMPONENTS, Shape, ref

PROBLEM: Final = "application/problem+json"
_ALWAYS: Final = (401, 403, 503)
_IDEMPOTENCY_KEY: Final[Shape] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Lets the request be repeated: it is done once, each repetition gets its answer. Kept for 30 days.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!#-~]+$"},
}


class ApiKeyScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call] # a base class without annotations
    """The keys of the API, as a security scheme."""

    target_class = "agents.auth.ApiKeyAuthentication"
    name = "apiKey"

    @override
    def get_security_definition(self, auto_schema: AutoSchema) -> Shape:
        """Return the scheme."""
        del auto_schema
        return {"type": "http", "scheme": "bearer", "bearerFormat": "am_live_ or am_test_ and 36 letters and digits"}


class Schema(AutoSchema):
    """Describes a view by its docstrings and by the tables of `operations`."""

    @override
    def get_request_serializer(self) -> None:
        """Have none: what passes is in the tables."""

    @override
    def get_response_serializers(self) -> None:
        """Have none: what passes is in the tables."""

    @override
    def get_operation_id(self) -> str:
        """Name the operation after its view, such as meter_query_get."""
        name = type(self.view).__name__.removesuffix("View")
        return f"{re.sub(r'(?<!^)(?=[A-Z])', '_', name).lower()}_{self.method.lower()}"

    @override
    def get_tags(self) -> list[str]:
        """Group the operations by what they are about."""
        return [self.path.split("/")[2]]

    @override
    def get_operation(self, *args: Any, **kwargs: Any) -> Shape | None:
        """Return the operation as found, with what passes. Raises KeyError for a view that nobody described."""
        found: Shape | None = super().get_operation(*args, **kwargs)
        if found is None:
            return None
        view = type(self.view)
        told = OPERATIONS[f"{view.__module__}.{view.__qualname__}", self.method]
        # The Accept header says what is wanted; `format` is there for browsers, and no part of the contract.
        passed = [one for one in found.get("parameters", []) if one["name"] != "format"]
        found["parameters"] = [*passed, *told.parameters]
        if self.method == "POST":
            found["parameters"].append(_IDEMPOTENCY_KEY)
        if told.body is not None:
            found["requestBody"] = {"required": True, "content": {JSON: {"schema": told.body}}}
        found["responses"] = _responses(told, has_key="{" in self.path, is_writing=self.method == "POST")
        return found


def complete(result: Shape, **_: Any) -> Shape:  # noqa: ANN401 as drf-spectacular calls it
    """Add what drf-spectacular cannot see: the plain doors and the components; wired as a postprocessing hook."""
    result["components"].setdefault("schemas", {}).update(COMPONENTS)
    for path, operations in DOORS.items():
        for method, operation in operations.items():
            responses = _problems(REFUSALS) | operation["responses"]
            result["paths"].setdefault(path, {})[method] = operation | {"responses": responses}
    result["paths"] = dict(sorted(result["paths"].items()))
    return result


def _responses(told: Operation, *, has_key: bool, is_writing: bool) -> Shape:
    content: Shape = {told.media: {"schema": told.answer}} | ({CSV: {"schema": {"type": "string"}}} if told.csv else {})
    if told.papers:
        content |= {"text/html": {"schema": {"type": "string"}}, "application/pdf": {"schema": {"type": "string"}}}
    done: Shape = {"description": HTTPStatus(told.status).phrase, "content": content}
    if told.headers:
        done["headers"] = told.headers
    dones = {str(status): done for status in (told.status, told.repeated) if status}
    statuses = {
        *_ALWAYS,
        *told.refusals,
        *((404,) if has_key else ()),
        *((400, 409, 413, 422) if is_writing else (406,)),
    }
    return dones | _problems(statuses)


def _problems(statuses: Iterable[int]) -> Shape:
    return {str(status): _problem(status) for status in sorted(statuses)}


def _problem(status: int) -> Shape:
    answer: Shape = {"description": HTTPStatus(status).phrase, "content": {PROBLEM: {"schema": ref("Problem")}}}
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        answer["headers"] = {"Retry-After": {"schema": {"type": "integer"}, "description": "Seconds."}}
    return answer
