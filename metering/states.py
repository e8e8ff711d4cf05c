"""What became of the events of one meter in a time, as of a fold: each is in exactly one state."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.sql import SQL, Composable, Literal

from metering import meters, readings
from metering.judging import MAX_AHEAD
from metering.rules import Rule

Filters = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class States:
    """How many accepted events of a meter are in each state.

    `pending` is not folded by the fold asked about; `voided` was taken back, `test` and `shadow` are of an environment
    that is not billed. Of the rest, which the meter counted, `matching[n]` match the n-th of the filters asked for and
    none before, and `other` match none.
    """

    pending: int
    voided: int
    test: int
    shadow: int
    matching: tuple[int, ...]
    other: int

    @property
    def accepted(self) -> int:
        """All of them."""
        return self.pending + self.voided + self.test + self.shadow + sum(self.matching) + self.other


_STATES: Final = SQL("""
SELECT e.state, count(*)
FROM (SELECT CASE WHEN b.fold_id IS NULL OR b.fold_id > {as_of} THEN 'pending' WHEN v.id IS NOT NULL THEN 'voided'
                  WHEN e.environment <> 'production' THEN e.environment {cases} ELSE 'other' END AS state
      FROM (SELECT {content}, e.received_at FROM {relation} e
            WHERE e.customer_id = {customer} AND {type} AND e.time >= {starts_at} AND e.time < {ends_at}
              AND e.received_at >= {received}) e
      JOIN metering_batch b ON b.id = e.batch_id
      LEFT JOIN metering_void v ON v.customer_id = e.customer_id AND v.batch_id = e.batch_id AND v.place = e.place
                               AND v.fold_id <= {as_of}
      WHERE {matches} AND ({value}) IS NOT NULL) e
GROUP BY 1
""")
_CASE: Final = SQL("WHEN {condition} THEN {name}")


def read(
    *,
    customer_id: int,
    meter: str,
    starts_at: datetime,
    ends_at: datetime,
    as_of: int,
    kinds: Sequence[Filters] = (),
) -> States:
    """Return the states of a customer's events of a meter that were used in [starts_at, ends_at); reads every one.

    Raises UnknownMeterError.
    """
    rule = meters.find(key=meter)
    found = dict(readings.fetch(_query(rule, customer_id, (starts_at, ends_at), as_of, kinds)))
    return States(
        pending=found.get("pending", 0),
        voided=found.get("voided", 0),
        test=found.get("test", 0),
        shadow=found.get("shadow", 0),
        matching=tuple(found.get(_name(place), 0) for place in range(len(kinds))),
        other=found.get("other", 0),
    )


def _query(
    rule: Rule, customer_id: int, bounds: tuple[datetime, datetime], as_of: int, kinds: Sequence[Filters]
) -> Composable:
    column = {name: readings.dimension(readings.field(name)) for name in rule.dimensions}
    cases = [
        _CASE.format(condition=readings.within(one, column), name=Literal(_name(place)))
        for place, one in enumerate(kinds)
    ]
    return _STATES.format(
        as_of=Literal(as_of),
        cases=SQL(" ").join(cases),
        content=readings.content([rule]),
        relation=readings.EVENTS,
        customer=Literal(customer_id),
        type=readings.matches_type(rule),
        starts_at=Literal(bounds[0]),
        ends_at=Literal(bounds[1]),
        received=Literal(bounds[0] - MAX_AHEAD),
        matches=readings.matches(rule),
        value=readings.value(rule),
    )


def _name(place: int) -> str:
    return f"kind {place}"
