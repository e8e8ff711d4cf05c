"""Proration: what is paid for time follows the elapsed fraction of the full period, exactly."""

from decimal import Decimal
from functools import lru_cache

from billing.periods import Period
from billing.rating.numbers import N, exactly, text_of


def prorate(*, amount: N, period: Period, full: Period) -> N:
    """Return the part of `amount` that falls on `period`. Raises PeriodError where it is not within `full`.

    Also decimal.Inexact under `numbers.EXACT`, where no decimal holds it.
    """
    return amount * exactly(period.fraction_of(full), type(amount))


@lru_cache(maxsize=1024)
def seconds_of(period: Period) -> Decimal:
    """Return the length of a period, which ends at a millionth; kept, as thousands of customers share a month."""
    return exactly(period.seconds, Decimal)


@lru_cache(maxsize=1024)
def seconds_text(period: Period) -> str:
    """Return the length of a period for a formula."""
    return f"{text_of(period.seconds)} s"
