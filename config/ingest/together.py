"""Takes small requests in together: those that arrive while one transaction commits share the next."""

import asyncio
import threading
from collections.abc import Sequence
from queue import Empty, SimpleQueue
from typing import Final

import structlog
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from agents.api import events
from agents.api.events import Arrival

log = structlog.get_logger(__name__)

Outcome = bytes | Exception
Waiting = tuple[Arrival, "asyncio.Future[Outcome]"]

MOST_REQUESTS: Final = 256
MOST_BYTES: Final = 1024 * 1024
_LOST: Final = (OperationalError, InterfaceError)


class Together:
    """One thread with one connection, that answers every request which came while it was busy before.

    A failure of one request never reaches another: where the transaction of all fails, each gets one of its own.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: SimpleQueue[Waiting | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="together", daemon=True)
        self._thread.start()

    async def receive(self, arrival: Arrival) -> bytes:
        """Return the answer once what it says is committed. Raises what `agents.api.events.receive` does."""
        future: asyncio.Future[Outcome] = self._loop.create_future()
        self._waiting.put((arrival, future))
        outcome = await future
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    def close(self) -> None:
        """Answer what waits, then end."""
        self._waiting.put(None)
        self._thread.join()

    def _run(self) -> None:
        try:
            while (first := self._waiting.get()) is not None:
                group, is_last = self._group(first)
                outcomes = take_in([arrival for arrival, _ in group])
                self._loop.call_soon_threadsafe(_tell, group, outcomes)
                if is_last:
                    return
        finally:
            connection.close()

    def _group(self, first: Waiting) -> tuple[list[Waiting], bool]:
        """Return the first and those that wait behind it, up to a bound, and whether there will be no more."""
        group, size = [first], len(first[0].body)
        while len(group) < MOST_REQUESTS and size < MOST_BYTES:
            try:
                one = self._waiting.get_nowait()
            except Empty:
                break
            if one is None:
                return group, True
            group.append(one)
            size += len(one[0].body)
        return group, False


def take_in(arrivals: Sequence[Arrival]) -> Sequence[Outcome]:
    """Take requests in by one transaction, or where that fails each by its own; every request has an outcome."""
    try:
        return events.receive_together(arrivals)
    except _LOST:
        connection.close()  # the server may have been restarted; to repeat is safe, for an event counts once
    except Exception as error:  # noqa: BLE001 - one bad request must not fail the others
        log.warning("apart", requests=len(arrivals), reason=str(error))
        return [error] if len(arrivals) == 1 else [_take_in_alone(one) for one in arrivals]
    try:
        return events.receive_together(arrivals)
    except Exception as error:  # noqa: BLE001 - answered as 503 to each
        connection.close()
        return [error] * len(arrivals)


def _take_in_alone(arrival: Arrival) -> Outcome:
    try:
        return events.receive_together([arrival])[0]
    except Exception as error:  # noqa: BLE001 - answered as 503
        if isinstance(error, DatabaseError):
            connection.close()
        return error


def _tell(group: Sequence[Waiting], outcomes: Sequence[Outcome]) -> None:
    for (_, future), outcome in zip(group, outcomes, strict=True):
        if not future.done():  # it is where the sender has gone away
            future.set_result(outcome)
