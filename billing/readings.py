"""Readings: the usage of many periods of one customer with one question a meter, where the calendar allows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from itertools import groupby
from types import MappingProxyType
from zoneinfo import ZoneInfo

from billing.models import BillingPeriod
from metering import usage
from metering.usage import Span, Usage, UsageRow

Bounds = tuple[datetime, datetime]
Key = tuple[str, tuple[str, ...], str]
_UNGROUPED: Mapping[str, str | None] = MappingProxyType({})


@dataclass(slots=True)
class Readings:
    """Answers as `usage.read` does for the periods of one customer, as of one fold.

    Periods that are the months of the customer's calendar, the outer two perhaps in part, are read together the first
    time that one of them is asked for; everything else is read as it is asked for.
    """

    customer_id: int
    zone: str
    months: frozenset[Bounds]
    known: dict[Key, Mapping[Bounds, Usage]] = field(default_factory=dict)

    @classmethod
    def of(cls, periods: Sequence[BillingPeriod]) -> "Readings":
        """Return the readings of periods of one customer, in the order of their starts."""
        subscription = periods[0].subscription
        bounds = [(_utc(period.starts_at), _utc(period.ends_at)) for period in periods]
        months = frozenset(bounds) if _are_months(bounds, ZoneInfo(subscription.time_zone)) else frozenset()
        return cls(customer_id=subscription.customer_id, zone=subscription.time_zone, months=months)

    def read(
        self,
        *,
        customer_id: int,
        meter: str,
        starts_at: datetime,
        ends_at: datetime,
        group_by: Sequence[str] = (),
        filters: Mapping[str, Sequence[str]] | None = None,
        as_of: int | None = None,
    ) -> Usage:
        """Return the usage of [starts_at, ends_at). Raises what `usage.read` raises."""
        bounds = (_utc(starts_at), _utc(ends_at))
        if customer_id != self.customer_id or bounds not in self.months:
            return usage.read(
                customer_id=customer_id,
                meter=meter,
                starts_at=starts_at,
                ends_at=ends_at,
                group_by=group_by,
                filters=filters,
                as_of=as_of,
            )
        key = (meter, tuple(group_by), f"{sorted((filters or {}).items())} {as_of}")
        if key not in self.known:
            self.known[key] = self._read_months(meter, group_by, filters, as_of)
        return self.known[key][bounds]

    def _read_months(
        self, meter: str, group_by: Sequence[str], filters: Mapping[str, Sequence[str]] | None, as_of: int | None
    ) -> Mapping[Bounds, Usage]:
        answer = usage.read(
            customer_id=self.customer_id,
            meter=meter,
            starts_at=min(starts_at for starts_at, _ in self.months),
            ends_at=max(ends_at for _, ends_at in self.months),
            group_by=group_by,
            filters=filters,
            window=Span.MONTH,
            zone=self.zone,
            as_of=as_of,
        )
        by_month = groupby(answer.rows, key=lambda row: (_utc(row.starts_at), _utc(row.ends_at)))
        found = {bounds: tuple(rows) for bounds, rows in by_month}
        return {
            bounds: Usage(answer.meter, answer.unit, found.get(bounds) or _nothing(bounds, group_by), answer.fold)
            for bounds in self.months
        }


def _nothing(bounds: Bounds, group_by: Sequence[str]) -> tuple[UsageRow, ...]:
    """Return what `usage.read` answers where there was no usage: a row of zero, but no groups."""
    return () if group_by else (UsageRow(*bounds, _UNGROUPED, Decimal(0)),)


def _are_months(bounds: Sequence[Bounds], zone: ZoneInfo) -> bool:
    """Whether the periods follow each other, and each inner bound is the first midnight of a month in the zone."""
    inner = [ends_at for _, ends_at in bounds[:-1]]
    follow = inner == [starts_at for starts_at, _ in bounds[1:]]
    return follow and all(_begins_month(at, zone) for at in inner) and all(_within_month(one, zone) for one in bounds)


def _begins_month(at: datetime, zone: ZoneInfo) -> bool:
    local = at.astimezone(zone)
    first = datetime(local.year, local.month, 1, tzinfo=zone).astimezone(UTC)
    return local.day == 1 and first == at


def _within_month(bounds: Bounds, zone: ZoneInfo) -> bool:
    """Whether a period lies in one month, whose end it may reach."""
    starts_at, ends_at = (bound.astimezone(zone) for bound in bounds)
    following = datetime(starts_at.year + starts_at.month // 12, starts_at.month % 12 + 1, 1, tzinfo=zone)
    return ends_at.astimezone(UTC) <= following.astimezone(UTC)


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)
