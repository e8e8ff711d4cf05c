"""Decides which feed bills: of work told by events and by traces, one counts and the other is compared with it.

A declaration holds from an instant on, by the time of use, so that every event is billed by exactly one feed whenever
it arrives. What the other feed tells is recorded all the same, in the environment `shadow`, which is never billed and
has identities of its own: the meters that bill one feed show the other.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import IntegrityError, transaction
from msgspec.structs import replace

from agents.errors import FeedError
from agents.models import Customer, Feed
from agents.models.feeds import FeedSource
from metering import usage
from metering.event import Malformed, UsageEvent

PRODUCTION: Final = "production"
SHADOW: Final = "shadow"
AGENT: Final = "agent"

# A declaration starts no sooner than this after it is made. Events may lie 5 minutes ahead of our clock, and every
# process may answer from what it read a little earlier: no event of the new time was taken in under the old one.
LEAD: Final = timedelta(minutes=10)
_FRESH: Final = timedelta(seconds=15)
_MOST_KNOWN: Final = 10_000  # customers that one process remembers at a time


@dataclass(frozen=True, slots=True)
class Declaration:
    """One declaration as a value; `agent` is empty where it is for all that have none of their own."""

    agent: str
    event_type: str
    source: FeedSource
    starts_at: datetime


@dataclass(frozen=True, slots=True)
class Declared:
    """All declarations of a customer, newest first."""

    declarations: tuple[Declaration, ...]

    def source_at(self, *, agent: str, event_type: str, time: datetime) -> FeedSource:
        """Return the feed that bills such an event used at `time`; an agent's own declaration goes before the rest."""
        names = (agent, "") if agent else ("",)
        found = (
            one.source
            for name in names
            for one in self.declarations
            if one.agent == name and one.event_type == event_type and one.starts_at <= time
        )
        return next(found, FeedSource.EVENTS)

    def changes(self, *, event_type: str, starts_at: datetime, ends_at: datetime) -> list[datetime]:
        """Return the instants within the period at which another feed takes over for some agent, in order."""
        of_type = {one.starts_at for one in self.declarations if one.event_type == event_type}
        return sorted(instant for instant in of_type if starts_at < instant < ends_at)


_known: dict[int, tuple[datetime, Declared]] = {}


def declare(
    *,
    customer: Customer,
    meter: str,
    source: FeedSource,
    starts_at: datetime,
    actor: str,
    now: datetime,
    agent: str = "",
) -> Feed:
    """Let `source` bill a meter, and all others that count the same events, from `starts_at` on.

    Raises FeedError naming the field: an unknown meter, a start sooner than ten minutes from now, or a second
    declaration for the same instant.
    """
    event_type = event_type_of(meter=meter)
    if starts_at < now + LEAD:
        raise FeedError("starts_at", f"A feed takes over {LEAD.seconds // 60} minutes from now at the soonest.")
    try:
        with transaction.atomic():
            feed = Feed.objects.create(
                customer=customer,
                agent=agent,
                meter=meter,
                event_type=event_type,
                source=source,
                starts_at=starts_at,
                declared_at=now,
                declared_by=actor,
            )
    except IntegrityError as error:
        raise FeedError("starts_at", "A feed was declared for this instant already.") from error
    _known.pop(customer.pk, None)
    return feed


def event_type_of(*, meter: str) -> str:
    """Return the type of the events that a meter counts. Raises FeedError where there is no such meter."""
    found = next((one.event_type for one in usage.meters() if one.key == meter), None)
    if found is None:
        raise FeedError("meter", f"There is no meter {meter!r}.")
    return found


def declared(*, customer_id: int) -> Declared:
    """Return what was declared for a customer."""
    rows = Feed.objects.filter(customer_id=customer_id).order_by("-starts_at")
    return Declared(
        tuple(
            Declaration(
                agent=row.agent, event_type=row.event_type, source=FeedSource(row.source), starts_at=row.starts_at
            )
            for row in rows
        )
    )


def assign(
    *, customer_id: int, submissions: Sequence[UsageEvent | Malformed], source: FeedSource, now: datetime
) -> list[UsageEvent | Malformed]:
    """Return the submissions, those that another feed bills marked as `shadow`; test usage stays what it is."""
    known = _recent(customer_id, now)
    if source is FeedSource.EVENTS and not known.declarations:
        return list(submissions)
    return list(_assigned(submissions, known, source))


def _assigned(
    submissions: Iterable[UsageEvent | Malformed], known: Declared, source: FeedSource
) -> Iterator[UsageEvent | Malformed]:
    for one in submissions:
        if isinstance(one, UsageEvent) and one.environment == PRODUCTION and _biller(one, known) is not source:
            yield replace(one, environment=SHADOW)
        else:
            yield one


def _biller(event: UsageEvent, known: Declared) -> FeedSource:
    agent = event.data.get(AGENT) or event.subject
    return known.source_at(agent=str(agent), event_type=event.type, time=event.time)


def _recent(customer_id: int, now: datetime) -> Declared:
    """Return what was declared, as read by this process a few seconds ago at most: it is asked for each request."""
    read_at, known = _known.get(customer_id, (None, None))
    if read_at is None or known is None or abs(now - read_at) > _FRESH:
        known = declared(customer_id=customer_id)
        if len(_known) >= _MOST_KNOWN:
            _known.clear()
        _known[customer_id] = (now, known)
    return known
