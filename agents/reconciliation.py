"""Sets what the two feeds tell of the same work side by side, by agent."""

from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import pairwise

from agents import feeds
from agents.errors import FeedError
from agents.feeds import Declared
from agents.models.feeds import FeedSource
from metering import usage


@dataclass(frozen=True, slots=True)
class Compared:
    """What each feed told of one agent in a period, and which of them bills at its end; `agent` None: not told."""

    agent: str | None
    events: Decimal
    otlp: Decimal
    bills: FeedSource

    @property
    def difference(self) -> Decimal:
        """How much more the events tell."""
        return self.events - self.otlp


def compare(*, customer_id: int, meter: str, starts_at: datetime, ends_at: datetime) -> tuple[Compared, ...]:
    """Return the usage of a meter by agent as each feed tells it, counting folded events only.

    Where another feed takes over within the period, each part is read for itself. Raises FeedError for a meter whose
    parts cannot be added up, and what `usage.read` raises.
    """
    info = next((one for one in usage.meters() if one.key == meter), None)
    if info is not None and not info.is_summable:
        raise FeedError("meter", f"Parts of the meter {meter!r} cannot be added up, so feeds cannot be compared by it.")
    event_type = feeds.event_type_of(meter=meter)
    declared = feeds.declared(customer_id=customer_id)
    told: dict[tuple[str | None, FeedSource], Decimal] = defaultdict(Decimal)
    for part in pairwise(
        [starts_at, *declared.changes(event_type=event_type, starts_at=starts_at, ends_at=ends_at), ends_at]
    ):
        for place, quantity in _part(customer_id, meter, event_type, declared, part):
            told[place] += quantity
    return tuple(
        Compared(
            agent=agent,
            events=told[agent, FeedSource.EVENTS],
            otlp=told[agent, FeedSource.OTLP],
            bills=_biller(declared, agent, event_type, ends_at),
        )
        for agent in sorted({agent for agent, _ in told}, key=lambda name: (name is None, name or ""))
    )


def _part(
    customer_id: int, meter: str, event_type: str, declared: Declared, part: tuple[datetime, datetime]
) -> list[tuple[tuple[str | None, FeedSource], Decimal]]:
    """Return what was told in a part of the period in which no feed takes over, by agent and feed."""
    starts_at, ends_at = part
    found = []
    for environment in (feeds.PRODUCTION, feeds.SHADOW):
        read = usage.read(
            customer_id=customer_id,
            meter=meter,
            starts_at=starts_at,
            ends_at=ends_at,
            group_by=(feeds.AGENT,),
            environment=environment,
        )
        for row in read.rows:
            agent = row.group[feeds.AGENT]
            biller = _biller(declared, agent, event_type, starts_at)
            source = biller if environment == feeds.PRODUCTION else _other(biller)
            found.append(((agent, source), row.quantity))
    return found


def _biller(declared: Declared, agent: str | None, event_type: str, time: datetime) -> FeedSource:
    return declared.source_at(agent=agent or "", event_type=event_type, time=time)


def _other(source: FeedSource) -> FeedSource:
    return FeedSource.OTLP if source is FeedSource.EVENTS else FeedSource.EVENTS
