"""Proration: a fixed fee follows the elapsed fraction of the full period, exactly."""

from fractions import Fraction

from billing.periods import Period
from billing.rating.numbers import text_of


def prorate(*, amount: Fraction, period: Period, full: Period) -> Fraction:
    """Return the part of `amount` that falls on `period`. Raises PeriodError where it is not within `full`."""
    return amount * period.fraction_of(full)


def seconds_text(period: Period) -> str:
    """Return the length of a period for a formula."""
    return f"{text_of(period.seconds)} s"
