"""The application that granian serves (`granian --interface rsgi config.ingest.application:application`)."""

import asyncio
import gc
import os
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Final

from django.core.wsgi import get_wsgi_application
from granian.rsgi import Scope

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
_django = get_wsgi_application()

from django.db import close_old_connections, connection  # noqa: E402 - needs the settings

from agents.api import events  # noqa: E402
from agents.api.bodies import MAX_BYTES  # noqa: E402
from agents.api.events import Arrival  # noqa: E402
from agents.errors import RequestTooLargeError  # noqa: E402
from config.errors import problem  # noqa: E402
from config.ingest.bridge import Bridge, HTTPProtocol, read  # noqa: E402
from config.ingest.together import Together  # noqa: E402

EVENTS: Final = "/v1/events"
THREADS: Final = 8
SMALL: Final = 32 * 1024  # bytes; about a hundred events. Larger requests gain nothing from company
_JSON: Final = [("content-type", events.JSON), ("x-content-type-options", "nosniff")]


class Server:
    """Answers `POST /v1/events` by itself, and lets Django answer everything else."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="request")
        self._django = Bridge(_django, self._threads)
        self._together: Together | None = None

    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        """Start with the worker's event loop."""
        self._together = Together(loop)
        # What was loaded lives as long as the process, and events hold no cycles: look for garbage less often.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 50)

    def __rsgi_del__(self, loop: asyncio.AbstractEventLoop) -> None:
        """End with it: what was received is answered first."""
        del loop
        if self._together is not None:
            self._together.close()
        self._threads.shutdown()

    async def __rsgi__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request."""
        if scope.path == EVENTS and scope.method == "POST":
            await self._take_in(scope, protocol)
        else:
            await self._django(scope, protocol)

    async def _take_in(self, scope: Scope, protocol: HTTPProtocol) -> None:
        try:
            body = await self._receive(scope, protocol)
        except Exception as error:  # noqa: BLE001 - every refusal and every fault of ours is a problem document
            answer = problem(error)
            headers = [(name.lower(), value) for name, value in answer.items()]
            protocol.response_bytes(answer.status_code, headers, answer.content)
        else:
            protocol.response_bytes(200, _JSON, body)

    async def _receive(self, scope: Scope, protocol: HTTPProtocol) -> bytes:
        body = await read(scope, protocol, limit=MAX_BYTES)
        if body is None:
            raise RequestTooLargeError(f"A request holds at most {MAX_BYTES} bytes.")
        arrival = Arrival(dict(scope.headers.items()), body, datetime.now(UTC))
        if self._together is not None and _is_small(arrival):
            return await self._together.receive(arrival)
        return await asyncio.get_running_loop().run_in_executor(self._threads, _receive_alone, arrival)


def _is_small(arrival: Arrival) -> bool:
    return len(arrival.body) <= SMALL and "content-encoding" not in arrival.headers and not arrival.is_signed


def _receive_alone(arrival: Arrival) -> bytes:
    close_old_connections()
    try:
        return events.receive(arrival)
    finally:
        if connection.errors_occurred:
            connection.close()


application = Server()
