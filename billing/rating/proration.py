"""Proration: what is paid for time follows the elapsed fraction of the full period, exactly."""

from billing.periods import Period
from billing.rating.numbers import N, exactly, text_of


def prorate(*, amount: N, period: Period, full: Period) -> N:
    """Return the part of `amount` that falls on `period`. Raises PeriodError where it is not within `full`.

    Also decimal.Inexact under `numbers.EXACT`, where no decimal holds it.
    """
    return amount * exactly(period.fraction_of(full), type(amount))


def seconds_text(period: Period) -> str:
    """Return the length of a period for a formula."""
    return f"{text_of(period.seconds)} s"
