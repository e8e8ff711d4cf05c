"""Places the events of a signed batch in time where the wall clock of its device cannot be believed.

An edge device without a battery begins in 1970, and any clock may be set.

The service's own clock at receipt is the anchor. An event of the boot in which the batch was signed happened exactly
`boottime of signing - boottime of event` before it. Of an event of an earlier boot only the order is sure: not after
an event placed so that follows it. A clock that agrees with that is believed, because the network's delay is in the
anchor and not in it.
"""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from msgspec.structs import replace

from metering.event import Malformed, UsageEvent
from runtime.wire import BatchHeader, Boot, format_time

# A request on a slow line takes this long at most; a clock off by less is taken as right.
TOLERANCE: Final = timedelta(seconds=30)
# No device was enrolled before; a wall clock that says so was never set.
FIRST_SANE: Final = datetime(2020, 1, 1, tzinfo=UTC)
CLAIM: Final = "device_time"


def place(
    *,
    submissions: Sequence[UsageEvent | Malformed],
    documents: Sequence[Mapping[str, Any]],
    header: BatchHeader,
    received_at: datetime,
) -> list[UsageEvent | Malformed]:
    """Return the submissions of a signed batch with the times at which they count.

    An event that was moved keeps in its data, as `device_time`, what the device's clock had said.
    """
    signed = Boot.from_attributes({"bootid": header.bootid, "boottime": header.boottime})
    placed: list[UsageEvent | Malformed] = []
    latest = received_at
    for submission, document in zip(reversed(submissions), reversed(documents), strict=True):
        since = _since(Boot.from_attributes(document), signed)
        if since is not None:
            latest = min(latest, received_at - since)  # what stands before it in the chain was no later
        placed.append(_placed(submission, latest, is_sure=since is not None))
    return placed[::-1]


def is_moved(event: UsageEvent | Malformed) -> bool:
    """Whether `place` gave the event another time than its device had."""
    return isinstance(event, UsageEvent) and CLAIM in event.data


def _since(event: Boot | None, signed: Boot | None) -> timedelta | None:
    """Return how long before the signing an event happened; None where no common clock tells."""
    if event is None or signed is None or event.id != signed.id or event.nanoseconds > signed.nanoseconds:
        return None
    return timedelta(microseconds=(signed.nanoseconds - event.nanoseconds) // 1000)


def _placed(event: UsageEvent | Malformed, moment: datetime, *, is_sure: bool) -> UsageEvent | Malformed:
    """Return the event at `moment` unless its own time may stand; `moment` is its instant where sure, else a bound."""
    if not isinstance(event, UsageEvent):
        return event
    earliest = moment - TOLERANCE if is_sure else FIRST_SANE
    if earliest <= event.time <= moment + TOLERANCE:
        return event
    return replace(event, time=moment, data={**event.data, CLAIM: format_time(event.time)})
