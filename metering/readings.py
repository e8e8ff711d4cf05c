"""The SQL that reads events as a meter does; folds, reads and checks share it, so that they cannot disagree.

Events are read from one relation, `EVENTS`, as `e`. Every value enters as a quoted literal, never as text: queries are
run without parameters.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from django.db import connection
from psycopg.sql import SQL, Composable, Composed, Literal

from metering.quantities import PATTERN
from metering.rules import DIMENSION_BYTES, Filter, Rule

EVENTS: Final = SQL("metering_event")
TRUE: Final = SQL("true")
# Events are stored as json, whose every field access parses the whole text; jsonb is parsed once.
_CONTENT: Final = SQL("""
e.customer_id, e.environment, e.type, e.time, e.data::jsonb AS data, e.batch_id, e.place{names}""")
_COUNTED: Final = SQL("""
b.fold_id {by_then} AND NOT EXISTS (
    SELECT FROM metering_void v WHERE v.customer_id = e.customer_id AND v.batch_id = e.batch_id AND v.place = e.place
    AND v.fold_id {by_then})""")
_PLACE_IN_TIME: Final = SQL("""
ARRAY[to_char(e.time AT TIME ZONE 'UTC', 'YYYYMMDDHH24MISSUS'), e.source, e.event_id, ({})::text]""")
_NAMES: Final = SQL(", e.source, e.event_id")


def fetch(query: Composable) -> list[tuple[Any, ...]]:
    """Run a query and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def run(query: Composable) -> int:
    """Run a statement and return how many rows it touched."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        return int(cursor.rowcount)


def every(conditions: Iterable[Composable]) -> Composable:
    """Join conditions with AND; none is true."""
    return SQL(" AND ").join([TRUE, *conditions])


def content(rules: Iterable[Rule]) -> Composable:
    """Return the columns of an event that these meters read; its texts only where one asks for them."""
    is_latest = any(rule.aggregation.key == "latest" for rule in rules)
    return _CONTENT.format(names=_NAMES if is_latest else SQL(""))


def times(values: Iterable[datetime]) -> Literal:
    """Return an array of times; as one text, because there may be thousands."""
    return Literal("{" + ",".join(at.astimezone(UTC).isoformat() for at in values) + "}")


def one_of(column: Composable, values: Sequence[str]) -> Composable:
    """Whether a text column holds one of `values`; a null is never one of them."""
    return SQL("coalesce({} = ANY({}::text[]), false)").format(column, Literal(list(values)))


def field(name: str) -> Composed:
    """A field of the event's data, as text."""
    return SQL("(e.data ->> {})").format(Literal(name))


def dimension(text: Composable) -> Composed:
    """A text as a dimension: longer ones, which only events older than the meter may carry, count as null."""
    return SQL("CASE WHEN octet_length({t}) <= {limit} THEN {t} END").format(t=text, limit=Literal(DIMENSION_BYTES))


def names(rule: Rule) -> Composable:
    """The dimensions' raw texts of an event, in the meter's order; `dimensions` makes an object of them."""
    return SQL("ARRAY[{}]::text[]").format(SQL(", ").join(field(name) for name in rule.dimensions))


def dimensions(rule: Rule, column: Composable) -> Composed:
    """All dimensions of a meter as one jsonb object, from the array `names`."""
    pairs = [
        SQL("{}::text, {}").format(Literal(name), dimension(SQL("{}[{}]").format(column, Literal(place))))
        for place, name in enumerate(rule.dimensions, start=1)
    ]
    return SQL("jsonb_build_object({})").format(SQL(", ").join(pairs))


def value(rule: Rule) -> Composable:
    """What the event says to the meter: a numeric, or for `unique` a text; null where it says nothing usable.

    The door lets no such event in; one may be older than the meter, though, and must not make a fold fail.
    """
    if not rule.value_field:
        return SQL("1::numeric")
    if not rule.aggregation.is_numeric:
        return SQL("nullif({}, '')").format(field(rule.value_field))
    number = SQL("CASE WHEN {f} ~ {pattern} THEN {f}::numeric END").format(
        f=field(rule.value_field), pattern=Literal(PATTERN)
    )
    return number if rule.scale == 1 else SQL("({} * {})").format(number, Literal(rule.scale))


def place_in_time(rule: Rule) -> Composable:
    """When the event happened, among those of the same time whose it was, and what it says: for `latest`."""
    return _PLACE_IN_TIME.format(value(rule))


def matches_type(rule: Rule) -> Composable:
    """Whether the event is of the type that the meter counts."""
    return SQL("e.type = {}").format(Literal(rule.event_type))


def matches(rule: Rule) -> Composable:
    """Whether the meter counts the event."""
    return every([matches_type(rule), *(_admits(one) for one in rule.filters)])


def _admits(one: Filter) -> Composable:
    met = one_of(field(one.field), one.values)
    return SQL("NOT {}").format(met) if one.excludes else met


def within(filters: Mapping[str, Sequence[str]], column: Mapping[str, Composable]) -> Composable:
    """Whether every filtered dimension holds one of the values asked for."""
    return every(one_of(column[name], values) for name, values in filters.items())


def counted(as_of: int | None) -> Composable:
    """Whether an event `e` of batch `b` counts as of a fold (null: the newest): folded by then, and not taken back."""
    by_then = SQL("IS NOT NULL") if as_of is None else SQL("<= {}").format(Literal(as_of))
    return _COUNTED.format(by_then=by_then)
