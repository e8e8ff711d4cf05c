"""A token bucket: how many calls may be made now, and how long to wait for the next; pure.

Calls are reserved: whoever is told to wait has its token already, so that nobody is overtaken while it waits.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, Decimal
from typing import Final

_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Limit:
    """So many calls a second; `burst` may be made at once after a rest. Raises ValueError unless both are above 0."""

    per_second: Decimal
    burst: Decimal

    def __post_init__(self) -> None:
        if self.per_second <= 0 or self.burst < 1:
            raise ValueError(f"{self.per_second} calls a second, {self.burst} at once: both must allow a call")


@dataclass(frozen=True, slots=True)
class Bucket:
    """What is left of a limit at an instant; below zero, calls are reserved that wait for their time."""

    tokens: Decimal
    filled_at: datetime


def full(*, limit: Limit, now: datetime) -> Bucket:
    """Return a bucket that nobody took from."""
    return Bucket(limit.burst, now)


def take(*, bucket: Bucket, limit: Limit, now: datetime) -> tuple[Bucket, timedelta]:
    """Reserve one call: what is left of the bucket, and how long the caller must wait before it calls.

    A clock that stands behind the bucket's, as another machine's may, adds nothing and takes nothing away.
    """
    at = max(now, bucket.filled_at)
    passed = Decimal((at - bucket.filled_at) // _MICROSECOND) / _SECOND
    tokens = min(limit.burst, bucket.tokens + passed * limit.per_second) - 1
    return Bucket(tokens, at), _time_for(-tokens, limit) + (at - now)


def _time_for(missing: Decimal, limit: Limit) -> timedelta:
    if missing <= 0:
        return timedelta()
    return timedelta(microseconds=int((missing / limit.per_second * _SECOND).to_integral_value(ROUND_CEILING)))
