"""The SQL that reads events as a meter does; folds, reads and checks share it, so that they cannot disagree.

Every value enters as a quoted literal, never as text: queries are run without parameters.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db import connection
from psycopg.sql import SQL, Composable, Composed, Literal

from metering.quantities import PATTERN
from metering.rules import DIMENSION_BYTES, Filter, Rule

TRUE = SQL("true")


def fetch(query: Composable) -> list[tuple[Any, ...]]:
    """Run a query and return its rows."""
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows: list[tuple[Any, ...]] = cursor.fetchall()
        return rows


def every(conditions: Iterable[Composable]) -> Composable:
    """Join conditions with AND; none is true."""
    return SQL(" AND ").join([TRUE, *conditions])


def one_of(column: Composable, values: Sequence[str]) -> Composable:
    """Whether a text column holds one of `values`; a null is never one of them."""
    return SQL("coalesce({} = ANY({}::text[]), false)").format(column, Literal(list(values)))


def field(name: str) -> Composed:
    """A field of the event's data, as text."""
    return SQL("(e.data ->> {})").format(Literal(name))


def dimension(name: str) -> Composed:
    """A field as a dimension: longer texts, which only events older than the meter may carry, count as null."""
    return SQL("CASE WHEN octet_length({f}) <= {limit} THEN {f} END").format(
        f=field(name), limit=Literal(DIMENSION_BYTES)
    )


def dimensions(rule: Rule) -> Composed:
    """All dimensions of a meter as one jsonb object."""
    pairs = [SQL("{}::text, {}").format(Literal(name), dimension(name)) for name in rule.dimensions]
    return SQL("jsonb_build_object({})").format(SQL(", ").join(pairs))


def value(rule: Rule) -> Composable:
    """What the event says to the meter: a numeric, or for `unique` a text; null where it says nothing usable.

    The door lets no such event in; one may be older than the meter, though, and must not make a fold fail.
    """
    if not rule.value_field:
        return SQL("1::numeric")
    if not rule.aggregation.is_numeric:
        return SQL("nullif({}, '')").format(field(rule.value_field))
    return SQL("CASE WHEN {f} ~ {pattern} THEN {f}::numeric * {scale} END").format(
        f=field(rule.value_field), pattern=Literal(PATTERN), scale=Literal(rule.scale)
    )


def matches(rule: Rule) -> Composable:
    """Whether the meter counts the event."""
    return every([SQL("e.type = {}").format(Literal(rule.event_type)), *(_admits(one) for one in rule.filters)])


def _admits(one: Filter) -> Composable:
    met = one_of(field(one.field), one.values)
    return SQL("NOT {}").format(met) if one.excludes else met


def within(filters: Mapping[str, Sequence[str]], column: Mapping[str, Composable]) -> Composable:
    """Whether every filtered dimension holds one of the values asked for."""
    return every(one_of(column[name], values) for name, values in filters.items())
