"""Reads the parameters of a compatible door, and names what cannot be used."""

import ast
import json
import re
from collections.abc import Mapping, Sequence
from datetime import MAXYEAR, MINYEAR, UTC, datetime
from typing import Any, Final

from metering.errors import InvalidQueryError

_LONGEST: Final = 8_192
_DEEP: Final = re.compile(r"filterGroupBy\[([^\]]+)\]\Z")


def read_time(text: object, name: str) -> datetime | None:
    """Return an instant in UTC, or None where there is none. Raises InvalidQueryError."""
    if text in (None, ""):
        return None
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise InvalidQueryError(name, f"{str(text)[:40]!r} is not an RFC 3339 time.") from error
    if time.tzinfo is None:
        raise InvalidQueryError(name, "A time needs an offset from UTC, such as Z.")
    if not MINYEAR < time.year < MAXYEAR:
        raise InvalidQueryError(name, "In another time zone there may be no such time.")
    return time.astimezone(UTC)


def read_text(text: str | None, name: str) -> str:
    """Return a text, empty where there is none. Raises InvalidQueryError for one that nothing stored can hold."""
    if text is not None and "\0" in text:
        raise InvalidQueryError(name, "It holds U+0000.")
    return text or ""


def read_limit(text: str | None, *, most: int) -> int:
    """Return how many to answer at most. Raises InvalidQueryError."""
    if text is None:
        return most
    if not re.fullmatch(r"[0-9]{1,3}", text) or not 1 <= int(text) <= most:
        raise InvalidQueryError("limit", f"It is a number from 1 to {most}.")
    return int(text)


def read_texts(value: object, name: str) -> list[str]:
    """Return a list of texts. Raises InvalidQueryError for anything else."""
    if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(one, str) for one in value):
        raise InvalidQueryError(name, "It is a list of texts.")
    if len(value) > 100:  # noqa: PLR2004 as many as OpenMeter takes
        raise InvalidQueryError(name, "It has at most 100 items.")
    return list(value)


def read_filters(parameters: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Return `filterGroupBy`, in the form of the specification or in that of the Python SDK, the repr of a dict."""
    filters = {found[1]: values for name, values in parameters.items() if (found := _DEEP.match(name))}
    for text in parameters.get("filterGroupBy", []):
        for field, value in _literal(text).items():
            filters[str(field)] = value if isinstance(value, list) else [value]
    return {field: read_texts(values, "filterGroupBy") for field, values in filters.items()}


def read_advanced(document: object) -> dict[str, list[str]]:
    """Return `advancedMeterGroupByFilters` (an object, or its JSON text) as lists of values.

    Raises InvalidQueryError, also for operators other than $eq and $in: a meter's filters are lists of exact values.
    """
    name = "advancedMeterGroupByFilters"
    if document in (None, ""):
        return {}
    try:
        found = json.loads(document) if isinstance(document, str) else document
    except (ValueError, RecursionError) as error:
        raise InvalidQueryError(name, "It is not JSON.") from error
    if not isinstance(found, dict):
        raise InvalidQueryError(name, "It is an object.")
    return {field: _exact(condition, name) for field, condition in found.items()}


def _exact(condition: object, name: str) -> list[str]:
    if isinstance(condition, dict) and len(condition) == 1:
        if "$eq" in condition:
            return read_texts([condition["$eq"]], name)
        if "$in" in condition:
            return read_texts(condition["$in"], name)
    raise InvalidQueryError(name, "Of the operators, $eq and $in are offered here, one for each field.")


def _literal(text: str) -> dict[Any, Any]:
    """Return the dict that a text writes, as JSON or as Python does."""
    try:
        found = ast.literal_eval(text) if len(text) <= _LONGEST else None
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise InvalidQueryError("filterGroupBy", "Write filterGroupBy[field]=value.")
    return found
