"""Times on the command line, as argparse takes them: each raises ArgumentTypeError saying what was meant."""

from argparse import ArgumentTypeError
from datetime import UTC, datetime

from billing import periods
from billing.errors import PeriodError


def instant(text: str) -> datetime:
    """Return an ISO 8601 time, which needs an offset."""
    try:
        return periods.instant(text=text)
    except PeriodError as error:
        raise ArgumentTypeError(str(error)) from None


def day(text: str) -> datetime:
    """Return the start of a day in UTC."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
    except ValueError:
        raise ArgumentTypeError(f"{text!r} is no day; write it as 2026-05-31") from None
