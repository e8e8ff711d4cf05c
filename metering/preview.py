"""Shows which stored events a meter would count, before it is defined: an example, not a quantity."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

import msgspec
from psycopg.sql import SQL, Literal

from metering import readings
from metering.rules import Rule

NEWEST_BATCHES: Final = 500
NEWEST_EVENTS: Final = 1_000
EXAMPLES: Final = 10

_QUERY: Final = SQL("""
SELECT e.customer_id, e.shown_id, e.time, {matches}, ({value})::text, {dimensions}
FROM (SELECT {content}, e.event_id AS shown_id FROM {relation} e
      WHERE e.batch_id > (SELECT coalesce(max(id), 0) FROM metering_batch) - {batches} AND {type}
      ORDER BY e.batch_id DESC, e.place DESC LIMIT {events}) e
""")


@dataclass(frozen=True, slots=True)
class Example:
    """A stored event as the meter sees it; `value` is null where it does not carry a usable one."""

    customer_id: int
    event_id: str
    time: datetime
    passes: bool
    value: str | None
    dimensions: Mapping[str, str | None]

    @property
    def counts(self) -> bool:
        """Whether the meter would count it."""
        return self.passes and self.value is not None

    @property
    def reason(self) -> str:
        """Why it would not, in words."""
        if self.counts:
            return ""
        return "has no usable value" if self.passes else "does not meet the conditions"


@dataclass(frozen=True, slots=True)
class Preview:
    """Of the newest events of the meter's type: how many there are, how many it would count, and some of each kind."""

    events: int
    counted: int
    examples: tuple[Example, ...]


def preview(*, rule: Rule) -> Preview:
    """Return what the meter would make of the newest stored events of its type."""
    query = _QUERY.format(
        matches=readings.matches(rule),
        value=readings.value(rule),
        dimensions=readings.dimensions(rule, SQL("({})").format(readings.names(rule))),
        content=readings.content([rule]),
        relation=readings.EVENTS,
        batches=Literal(NEWEST_BATCHES),
        type=readings.matches_type(rule),
        events=Literal(NEWEST_EVENTS),
    )
    # The driver gives jsonb as text.
    rows = readings.fetch(query)
    found = [replace(Example(*row), dimensions=msgspec.json.decode(row[-1])) for row in rows]
    counted = [one for one in found if one.counts]
    others = [one for one in found if not one.counts]
    # Some of those that it leaves out, because a wrong condition shows there.
    examples = (*counted[: EXAMPLES - min(len(others), EXAMPLES // 2)], *others[: EXAMPLES // 2])
    return Preview(events=len(found), counted=len(counted), examples=examples)
