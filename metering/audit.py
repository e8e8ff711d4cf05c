"""Compares what was counted with what was received: windows with events, and every event with its one state."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from psycopg.sql import SQL, Composable, Literal

from metering import coverage, horizon, meters, readings, windows
from metering.judging import MAX_AHEAD
from metering.models import Coverage
from metering.rules import Rule
from metering.slices import BEGINNING


@dataclass(frozen=True, slots=True)
class Difference:
    """A window that is not what its events add up to; `windows` and `events` say what each holds, by column.

    The columns are count, total, minimum, maximum, weighted and last.
    """

    meter: str
    customer_id: int
    starts_at: datetime
    width: int
    environment: str
    dimensions: str
    windows: Sequence[object]
    events: Sequence[object]


@dataclass(frozen=True, slots=True)
class Account:
    """How many accepted events are in each state; each is in exactly one.

    `pending` waits for a fold. Of the others `voided` were taken back, `test` happened in the test environment,
    `shadow` are billed by what another feed told, `unmatched` are counted by no meter, and `counted` by at least one.
    """

    pending: int = 0
    counted: int = 0
    test: int = 0
    shadow: int = 0
    voided: int = 0
    unmatched: int = 0

    @property
    def accepted(self) -> int:
        """All of them."""
        return self.pending + self.counted + self.test + self.shadow + self.voided + self.unmatched


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A customer of whom other events are stored than were accepted."""

    customer_id: int
    accepted: int
    stored: int


_ACCOUNTS: Final = SQL("""
SELECT e.customer_id,
       count(*) FILTER (WHERE e.state = 'pending'), count(*) FILTER (WHERE e.state = 'counted'),
       count(*) FILTER (WHERE e.state = 'test'), count(*) FILTER (WHERE e.state = 'shadow'),
       count(*) FILTER (WHERE e.state = 'voided'),
       count(*) FILTER (WHERE e.state = 'unmatched')
FROM (SELECT e.customer_id,
             CASE WHEN b.fold_id IS NULL THEN 'pending' WHEN v.id IS NOT NULL THEN 'voided'
                  WHEN e.environment <> 'production' THEN e.environment
                  WHEN {counts} THEN 'counted' ELSE 'unmatched' END AS state
      FROM (SELECT {content}, e.received_at FROM {relation} e WHERE {which}) e
      JOIN metering_batch b ON b.id = e.batch_id
      LEFT JOIN metering_void v ON v.customer_id = e.customer_id AND v.batch_id = e.batch_id AND v.place = e.place
                               AND v.fold_id IS NOT NULL) e
GROUP BY 1 ORDER BY 1
""")
_COUNTS: Final = SQL("(b.fold_id <= {last} AND {matches} AND ({value}) IS NOT NULL)")
_STORED: Final = SQL("""
SELECT customer_id, coalesce(b.accepted, 0), coalesce(e.stored, 0)
FROM (SELECT customer_id, sum(event_count) AS accepted FROM metering_batch WHERE received_at >= {since} GROUP BY 1) b
FULL JOIN (SELECT customer_id, count(*) AS stored FROM {relation} WHERE received_at >= {since} GROUP BY 1) e
     USING (customer_id)
WHERE b.accepted IS DISTINCT FROM e.stored ORDER BY 1
""")
_WITHOUT_END: Final = 2**63 - 1


def check() -> list[Difference]:
    """Compare the windows of every meter with a scan of the folded events; an empty list says that all is well.

    Windows of a time of which events lie in archives only are left out.
    """
    covered = set(Coverage.objects.values_list("meter_id", flat=True))
    since = horizon.complete_since() or BEGINNING
    return [one for rule in meters.all_rules() if rule.id in covered for one in _differences(rule, since)]


def _differences(rule: Rule, since: datetime) -> list[Difference]:
    which = [readings.matches_type(rule), readings.counted(rule.last_fold), coverage.covered(rule=rule)]
    rows = windows.differences(rule=rule, which=readings.every(which), since=since)
    return [
        Difference(rule.key, customer, at, width, kind, names, amounts[::2], amounts[1::2])
        for customer, at, width, kind, names, *amounts in rows
    ]


def accounts(
    *, customer_id: int | None = None, starts_at: datetime | None = None, ends_at: datetime | None = None
) -> dict[int, Account]:
    """Return, by customer, the states of the events that were used in [starts_at, ends_at); null bounds are open.

    Of the events that are stored: those in archives only were counted long ago.
    """
    rules = meters.all_rules()
    query = _ACCOUNTS.format(
        content=readings.content(rules),
        relation=readings.EVENTS,
        which=_scope(customer_id, starts_at, ends_at),
        counts=SQL(" OR ").join([SQL("false"), *(_counts(rule) for rule in rules)]),
    )
    return {customer: Account(*states) for customer, *states in readings.fetch(query)}


def _scope(customer_id: int | None, starts_at: datetime | None, ends_at: datetime | None) -> Composable:
    conditions: list[Composable] = []
    if customer_id is not None:
        conditions.append(SQL("e.customer_id = {}").format(Literal(customer_id)))
    if starts_at is not None:
        since = SQL("e.time >= {} AND e.received_at >= {}")
        conditions.append(since.format(Literal(starts_at), Literal(starts_at - MAX_AHEAD)))
    if ends_at is not None:
        conditions.append(SQL("e.time < {}").format(Literal(ends_at)))
    return readings.every(conditions)


def _counts(rule: Rule) -> Composable:
    last = _WITHOUT_END if rule.last_fold is None else rule.last_fold
    return _COUNTS.format(last=Literal(last), matches=readings.matches(rule), value=readings.value(rule))


def shortfalls() -> list[Shortfall]:
    """Compare how many events batches say they brought with how many are stored; an empty list says all is well."""
    since = Literal(horizon.stored_since() or BEGINNING)
    return [Shortfall(*row) for row in readings.fetch(_STORED.format(relation=readings.EVENTS, since=since))]
