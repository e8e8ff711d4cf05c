"""Reads a question about usage from the parameters of an address, and names what cannot be used."""

import re
from dataclasses import dataclass
from datetime import MAXYEAR, MINYEAR, datetime
from typing import Final

from django.http import QueryDict

from metering.errors import InvalidQueryError

_SINGLE: Final = frozenset({"from", "to", "window", "zone", "environment", "as_of"})
_FILTER: Final = re.compile(r"filter\[(?P<field>[^\]]+)\]\Z")


@dataclass(frozen=True, slots=True)
class UsageQuery:
    """The parameters of a question, read but not yet judged against the meter."""

    starts_at: datetime
    ends_at: datetime
    group_by: tuple[str, ...]
    filters: dict[str, list[str]]
    window: str | None
    zone: str
    environment: str
    as_of: int | None


def parse(*, parameters: QueryDict) -> UsageQuery:
    """Return the question. `group_by` and each `filter[...]` may be repeated. Raises InvalidQueryError."""
    for name in parameters:
        _require_usable(name, parameters.getlist(name))
    starts_at, ends_at = _period(parameters)
    return UsageQuery(
        starts_at=starts_at,
        ends_at=ends_at,
        group_by=tuple(parameters.getlist("group_by")),
        filters=_filters(parameters),
        window=parameters.get("window"),
        zone=parameters.get("zone", "UTC"),
        environment=parameters.get("environment", "production"),
        as_of=_fold(parameters.get("as_of")),
    )


def parse_period(*, parameters: QueryDict) -> tuple[datetime, datetime]:
    """Return the bounds of a question that has no other parameters. Raises InvalidQueryError."""
    for name in parameters:
        if name not in {"from", "to"}:
            raise InvalidQueryError(name, "There is no such parameter.")
        _require_usable(name, parameters.getlist(name))
    return _period(parameters)


def _period(parameters: QueryDict) -> tuple[datetime, datetime]:
    starts_at, ends_at = _time(parameters, "from"), _time(parameters, "to")
    if starts_at >= ends_at:
        raise InvalidQueryError("to", "The period must end after it starts.")
    return starts_at, ends_at


def _require_usable(name: str, values: list[str]) -> None:
    if name not in _SINGLE and name != "group_by" and not _FILTER.match(name):
        raise InvalidQueryError(name, "There is no such parameter.")
    if name in _SINGLE and len(values) > 1:
        raise InvalidQueryError(name, "Give it once.")


def _time(parameters: QueryDict, name: str) -> datetime:
    text = parameters.get(name)
    if not text:
        raise InvalidQueryError(name, "It is required: a time such as 2026-11-01T00:00:00Z.")
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        hint = " A + must be written as %2B." if " " in text else ""
        raise InvalidQueryError(name, f"{text!r} is not an RFC 3339 time.{hint}") from error
    if time.tzinfo is None:
        raise InvalidQueryError(name, "A time needs an offset from UTC, such as Z or %2B01:00.")
    if not MINYEAR < time.year < MAXYEAR:
        raise InvalidQueryError(name, "In another time zone there may be no such time.")
    return time


def _filters(parameters: QueryDict) -> dict[str, list[str]]:
    matched = [(found["field"], name) for name in parameters if (found := _FILTER.match(name))]
    return {field: parameters.getlist(name) for field, name in matched}


def _fold(text: str | None) -> int | None:
    if text is None:
        return None
    if not re.fullmatch(r"[0-9]{1,18}", text):
        raise InvalidQueryError("as_of", "It is the number of a fold.")
    return int(text)
