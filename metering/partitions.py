"""The monthly partitions of the stored events, by the time of receipt: made ahead, and made at once where one lacks."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Final

from django.db import connection, transaction

MONTHS_AHEAD: Final = 3
PREFIX: Final = "metering_event_"
_MAKE: Final = "SELECT metering_make_partition(%s::date)"
_NAMES: Final = """
SELECT relname FROM pg_inherits JOIN pg_class ON pg_class.oid = inhrelid
WHERE inhparent = 'metering_storedevent'::regclass ORDER BY relname
"""


@dataclass(frozen=True, slots=True)
class Month:
    """A month of receipt, in UTC."""

    year: int
    number: int

    @classmethod
    def of(cls, at: datetime) -> "Month":
        """Return the month that holds an instant."""
        there = at.astimezone(UTC)
        return cls(there.year, there.month)

    @property
    def starts_at(self) -> datetime:
        """The first instant."""
        return datetime(self.year, self.number, 1, tzinfo=UTC)

    @property
    def ends_at(self) -> datetime:
        """The first instant after it."""
        return self.plus(1).starts_at

    @property
    def table(self) -> str:
        """The name of its partition."""
        return f"{PREFIX}{self.year:04}_{self.number:02}"

    def plus(self, months: int) -> "Month":
        """Return the month so many later."""
        whole = self.year * 12 + self.number - 1 + months
        return Month(whole // 12, whole % 12 + 1)

    def __str__(self) -> str:
        return f"{self.year:04}-{self.number:02}"


_known: set[Month] = set()


def ensure(*, received: Iterable[datetime]) -> None:
    """See that there is a partition for each time of receipt; costs nothing where this process knows that there is."""
    for month in {Month.of(at) for at in received} - _known:
        _make(month)


def make_ahead(*, now: datetime, months: int = MONTHS_AHEAD) -> list[Month]:
    """Make the partitions of this month and so many after it; returns those that were missing."""
    this = Month.of(now)
    return [month for month in (this.plus(n) for n in range(months + 1)) if _make(month)]


def months() -> list[Month]:
    """Return the months that have a partition, oldest first."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES)
        names = [str(name).removeprefix(PREFIX).split("_") for (name,) in cursor.fetchall()]
    return [Month(int(year), int(number)) for year, number in names]


def forget() -> None:
    """Ask again which partitions there are."""
    _known.clear()


def _make(month: Month) -> bool:
    with connection.cursor() as cursor:
        cursor.execute(_MAKE, [date(month.year, month.number, 1)])
        made = bool(cursor.fetchone()[0])
    transaction.on_commit(lambda: _known.add(month))  # one that is rolled back must not be remembered
    return made
