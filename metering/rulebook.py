"""What metering asks of each type of event, kept in memory with the version of meters and units that it was read at."""

from collections.abc import Mapping
from dataclasses import dataclass

from django.db import connection

from metering import meters
from metering.rules import TypeRules


@dataclass(frozen=True, slots=True)
class Rulebook:
    """The rules by type of event. The database counts its changes, so that whoever stores by old ones finds out."""

    version: int
    by_type: Mapping[str, TypeRules]


_kept: list[Rulebook] = []


def current() -> Rulebook:
    """Return the rules as last read; they may have changed since, which `is_current` tells."""
    return _kept[0] if _kept else reread()


def reread() -> Rulebook:
    """Read the rules again. The version comes first: rules newer than it are read once more, never taken for old."""
    fresh = Rulebook(version=_version(), by_type=meters.rules_by_type())
    _kept[:] = [fresh]
    return fresh


def is_current(book: Rulebook) -> bool:
    """Whether nothing has changed since the rules were read."""
    return book.version == _version()


def forget() -> None:
    """Read the rules again when next asked for."""
    _kept.clear()


def _version() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT coalesce(max(version), 0) FROM metering_ruleversion")
        return int(cursor.fetchone()[0])
