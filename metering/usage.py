"""The read door: exact quantities of usage, as of a fold."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.db.models import Max
from msgspec import Struct
from psycopg.sql import Composable

from metering import audit, rewinds, slices, tallies
from metering import fold as folding
from metering import meters as catalogue
from metering.aggregation import seconds_between
from metering.audit import Account
from metering.errors import InvalidQueryError, UnknownDimensionError, UnknownFoldError
from metering.meters import MeterInfo
from metering.models import Batch, Environment, Fold, Void
from metering.quantities import EXACT, plain, product
from metering.rules import Rule
from metering.slices import Span
from metering.states import States
from metering.states import read as states
from metering.tallies import Group, Question, Tallies, Tally
from metering.touches import Since, Touched, touched

__all__ = [
    "Account",
    "MeterInfo",
    "Since",
    "Span",
    "States",
    "Touched",
    "Usage",
    "UsageRow",
    "account",
    "catch_up",
    "has_unfolded",
    "latest_fold",
    "meters",
    "quantity",
    "read",
    "states",
    "touched",
    "unfolded",
]

_NOTHING: Final = Tally(quantity=Decimal(0), change=Decimal(0))


class UsageRow(Struct, frozen=True):
    """One quantity: of a half-open period (in the zone asked for) and a group (the text of each field, or null)."""

    starts_at: datetime
    ends_at: datetime
    group: Mapping[str, str | None]
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class Usage:
    """The answer to a question about usage. `fold` is the newest fold it reflects: read as of it, it never changes."""

    meter: str
    unit: str
    rows: tuple[UsageRow, ...]
    fold: int


def read(  # noqa: PLR0913 - a question has many optional parts, each named by the caller
    *,
    customer_id: int,
    meter: str,
    starts_at: datetime,
    ends_at: datetime,
    group_by: Sequence[str] = (),
    filters: Mapping[str, Sequence[str]] | None = None,
    window: Span | str | None = None,
    zone: str = "UTC",
    environment: str = Environment.PRODUCTION,
    as_of: int | None = None,
    events: Composable | None = None,
) -> Usage:
    """Return the usage of a customer in [starts_at, ends_at), counting folded events only.

    Rows come by time, then by group; there are none for slices and groups without usage, but without `group_by` and
    `window` there is always exactly one. A level's quantity is in value-seconds. With `events`, a relation that holds
    all of them (`metering.evidence`), they are counted anew and no window is read. Raises UnknownMeterError,
    UnknownDimensionError, UnknownFoldError, InvalidQueryError, ArchivedUsageError and YoungMeterError.
    """
    rule = catalogue.find(key=meter)
    _require_known(rule, group_by, filters or {}, environment)
    whole = slices.period(starts_at=starts_at, ends_at=ends_at)
    question = Question(
        rule=rule,
        customer_id=customer_id,
        environment=environment,
        slices=slices.cut(whole=whole, span=_span(window), zone=_zone(zone)),
        group_by=tuple(group_by),
        filters=filters or {},
        as_of=as_of,
        relation=events,
    )
    found = _collect(question)
    rows = list(_rows(question, found, keep_zero=not group_by and window is None))
    return Usage(meter=rule.key, unit=rule.unit, rows=tuple(rows), fold=found.newest if as_of is None else as_of)


def quantity(
    *,
    customer_id: int,
    meter: str,
    starts_at: datetime,
    ends_at: datetime,
    filters: Mapping[str, Sequence[str]] | None = None,
    environment: str = Environment.PRODUCTION,
    as_of: int | None = None,
) -> Decimal:
    """Return one number: the usage of a customer in [starts_at, ends_at). Raises what `read` raises."""
    usage = read(
        customer_id=customer_id,
        meter=meter,
        starts_at=starts_at,
        ends_at=ends_at,
        filters=filters,
        environment=environment,
        as_of=as_of,
    )
    return usage.rows[0].quantity


def account(*, customer_id: int, starts_at: datetime, ends_at: datetime) -> Account:
    """Return how many of a customer's accepted events used in [starts_at, ends_at) are in each state.

    Reads every such event. Raises InvalidQueryError.
    """
    whole = slices.period(starts_at=starts_at, ends_at=ends_at)
    found = audit.accounts(customer_id=customer_id, starts_at=whole.starts_at, ends_at=whole.ends_at)
    return found.get(customer_id, Account())


def meters() -> tuple[MeterInfo, ...]:
    """Return every meter that is not archived, by key."""
    return catalogue.infos()


def latest_fold() -> int:
    """Return the number of the newest fold; 0 before the first."""
    return int(Fold.objects.aggregate(newest=Max("number"))["newest"] or 0)


def has_unfolded(*, customer_id: int) -> bool:
    """Whether the customer has usage that was accepted, or taken back, but is in no quantity so yet."""
    waiting = {"customer_id": customer_id, "fold": None}
    return Batch.objects.filter(**waiting).exists() or Void.objects.filter(**waiting).exists()


def unfolded(*, customers: Collection[int]) -> set[int]:
    """Return those of some customers that have usage which was accepted, or taken back, but is in no quantity yet."""
    waiting = {"customer_id__in": customers, "fold": None}
    batches = Batch.objects.filter(**waiting).values_list("customer_id", flat=True)
    voids = Void.objects.filter(**waiting).values_list("customer_id", flat=True)
    return set(batches.union(voids))


def catch_up(*, now: datetime) -> int:
    """Fold whatever was committed before the call, and return the newest fold: the cut-off for a close."""
    folding.fold_all(now=now)
    return latest_fold()


def _require_known(rule: Rule, group_by: Sequence[str], filters: Mapping[str, Sequence[str]], environment: str) -> None:
    for name in [*group_by, *filters]:
        if name not in rule.dimensions:
            raise UnknownDimensionError(name, meter=rule.key, dimensions=rule.dimensions)
    if len(set(group_by)) != len(group_by):
        raise InvalidQueryError("group_by", "Name each dimension once.")
    for name, values in filters.items():
        if isinstance(values, str) or not values or any("\0" in value for value in values):
            raise InvalidQueryError(f"filter[{name}]", "Give a list of at least one value.")
    if environment not in Environment.values:
        raise InvalidQueryError("environment", f"It is one of {', '.join(Environment.values)}.")


def _span(name: str | None) -> Span | None:
    try:
        return None if name is None else Span(name)
    except ValueError as error:
        raise InvalidQueryError("window", f"It is one of {', '.join(Span)}.") from error


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidQueryError("zone", f"There is no time zone {name!r}.") from error


def _collect(question: Question) -> Tallies:
    """Read from windows where they hold what is asked for, else from the events, which keep every fold for ever."""
    last, asked = question.rule.last_fold, question.as_of
    latest = latest_fold() if asked is not None else None
    if asked is not None and latest is not None and not 0 <= asked <= latest:
        raise UnknownFoldError(asked, latest=latest)
    question = replace(question, as_of=min((one for one in (asked, last) if one is not None), default=None))
    if question.relation is not None:
        return _tally(question, use_windows=False)
    if question.as_of is not None and question.as_of not in {last, latest}:
        question = replace(question, rewinds=_is_near(question))
    # The windows of an archived meter stand still at its last fold; those of others move on with every fold.
    if question.rewinds or question.as_of == (latest if last is None else last):
        found = _tally(question, use_windows=True)
        if found.is_complete and (question.rewinds or last is not None or asked in {None, found.newest}):
            return found  # else a fold came between, or a back-fill is under way
        if found.is_complete and _is_near(question):
            return _tally(replace(question, rewinds=True), use_windows=True)
    return _tally(question, use_windows=False)


def _is_near(question: Question) -> bool:
    """Whether windows can be read as of the fold asked for, though others came after it."""
    as_of = question.as_of
    return as_of is not None and rewinds.is_near(rule=question.rule, customer_id=question.customer_id, as_of=as_of)


def _tally(question: Question, *, use_windows: bool) -> Tallies:
    widths = question.rule.widths(is_total=question.reads_totals) if use_windows else ()
    with_history = question.rule.aggregation.key == "level"
    stretches = slices.stretches(slices=question.slices, widths=widths, with_history=with_history)
    return tallies.collect(question=question, stretches=stretches)


def _rows(question: Question, found: Tallies, *, keep_zero: bool) -> Iterator[UsageRow]:
    if keep_zero and not found.by_slice:
        whole = question.slices[0]
        yield UsageRow(whole.starts_at, whole.ends_at, _named((), ()), Decimal(0))
        return
    is_level = question.rule.aggregation.key == "level"
    amounts = _levels(question, found) if is_level else _quantities(found)
    named = {group: _named(question.group_by, group) for _, group in amounts}
    for (number, group), amount in sorted(amounts.items(), key=_order):
        # A level is read with its whole history, so a group that gave all back long ago would show as 0 for ever.
        if amount or keep_zero or not is_level:
            one = question.slices[number]
            yield UsageRow(one.starts_at, one.ends_at, named[group], plain(amount))


def _quantities(found: Tallies) -> dict[tuple[int, Group], Decimal]:
    return {key: tally.quantity for key, tally in found.by_slice.items()}


def _levels(question: Question, found: Tallies) -> dict[tuple[int, Group], Decimal]:
    """Return the level of each group in each slice: what was held when it began, and what its events added."""
    amounts: dict[tuple[int, Group], Decimal] = {}
    groups = {group for _, group in found.by_slice}
    if len(groups) * len(question.slices) > tallies.MAX_ROWS:
        raise InvalidQueryError("group_by", f"The answer would have more than {tallies.MAX_ROWS} rows.")
    for group in groups:
        before = found.by_slice.get((tallies.BEFORE, group))
        held = before.change if before else Decimal(0)
        for number, one in enumerate(question.slices):
            seconds = seconds_between(starts_at=one.starts_at.astimezone(UTC), ends_at=one.ends_at.astimezone(UTC))
            added = found.by_slice.get((number, group), _NOTHING)
            amounts[number, group] = EXACT.add(product(held, seconds), added.quantity)
            held = EXACT.add(held, added.change)
    return amounts


def _order(item: tuple[tuple[int, Group], Decimal]) -> tuple[int, list[tuple[bool, str]]]:
    (number, group), _ = item
    return number, [(text is None, text or "") for text in group]


def _named(names: Sequence[str], group: Group) -> Mapping[str, str | None]:
    return MappingProxyType(dict(zip(names, group, strict=True)))
