"""The sandbox as a server: `run` serves until interrupted, a `Sandbox` is started and stopped by its owner."""

import logging
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from typing_extensions import override

from billing.stripe.sandbox import site
from billing.stripe.sandbox.api import Answer, Api, Request
from billing.stripe.sandbox.calls import Call
from billing.stripe.sandbox.clock import Clock, read_machine
from billing.stripe.sandbox.controls import Controls
from billing.stripe.sandbox.disorder import Disorder
from billing.stripe.sandbox.errors import ConfigurationError, ConnectionDroppedError
from billing.stripe.sandbox.faults import Faults
from billing.stripe.sandbox.settings import Settings
from billing.stripe.sandbox.store import Store
from billing.stripe.sandbox.webhooks import FIRST_WAIT_SECONDS, Deliverer

logger = logging.getLogger(__name__)

MAX_BODY_BYTES = 4 * 1024 * 1024
IDLE_SECONDS = 120
STOP_POLL_SECONDS = 0.02


def run(*, host: str, port: int, database: Path, webhook_url: str | None, webhook_secret: str, api_key: str) -> None:
    """Serve until interrupted. Raises ConfigurationError for a setting that must not be accepted."""
    settings = Settings(
        host=host,
        port=port,
        database=database,
        api_key=api_key,
        webhook_url=webhook_url,
        webhook_secret=webhook_secret,
    )
    with Sandbox(settings=settings) as sandbox:
        logger.info("The Stripe sandbox answers at %s", sandbox.base_url)
        sandbox.wait()


class Sandbox:
    """A running sandbox. `clock` gives Unix seconds; `hold` is how a slow fault waits for so many seconds."""

    def __init__(
        self,
        *,
        settings: Settings,
        clock: Callable[[], int] = read_machine,
        hold: Callable[[int], object] | None = None,
        first_wait: float = FIRST_WAIT_SECONDS,
    ) -> None:
        self._stopping = threading.Event()
        self._clock = Clock(base=clock)
        self._faults = Faults()
        self._disorder = Disorder()
        self._store = Store(path=settings.database)
        self._controls = Controls(store=self._store, faults=self._faults, disorder=self._disorder, clock=self._clock)
        self._server = self._listen(settings)
        endpoint = settings.endpoint()
        self._deliverer = (
            None
            if endpoint is None
            else Deliverer(
                store=self._store,
                endpoint=endpoint,
                clock=self._clock,
                disorder=self._disorder,
                first_wait=first_wait,
            )
        )
        host = "127.0.0.1" if settings.host in ("", "0.0.0.0") else settings.host  # noqa: S104 - compared, not bound
        self.base_url = f"http://{host}:{self._server.server_address[1]}"
        self._api = Api(
            store=self._store,
            faults=self._faults,
            api_key=settings.api_key,
            clock=self._clock,
            hold=hold or self._stopping.wait,
            new_call=self._new_call,
        )
        self._thread = threading.Thread(target=self._serve, name="sandbox-http", daemon=True)

    def _listen(self, settings: Settings) -> "_Server":
        try:
            return _Server((settings.host, settings.port), partial(_Handler, self.answer))
        except OSError as error:
            self._store.close()
            message = f"The sandbox cannot listen at {settings.host}:{settings.port}: {error}"
            raise ConfigurationError(message) from error

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.stop()

    def start(self) -> None:
        """Answer requests and deliver events from now on."""
        if self._deliverer is not None:
            self._deliverer.start()
        self._thread.start()

    def stop(self) -> None:
        """Close every connection once its request is answered, and the database; the state stays in the file."""
        self._stopping.set()
        self._server.shutdown()
        self._server.close_connections()
        self._server.server_close()
        if self._deliverer is not None:
            self._deliverer.stop()
        self._store.close()

    def wait(self) -> None:
        """Return when the sandbox was interrupted or stopped."""
        self._thread.join()

    def answer(self, request: Request) -> Answer:
        """The answer to any request. Raises ConnectionDroppedError where there must be none."""
        try:
            if request.path.startswith("/v1/"):
                return self._api.answer(request=request)
            if request.path.startswith("/_sandbox/"):
                return self._controls.answer(request=request)
            with self._store.transaction():
                return site.answer(call=self._new_call(now=self._clock()), request=request)
        finally:
            if self._deliverer is not None and request.method != "GET":
                self._deliverer.wake()

    def is_idle(self) -> bool:
        """Whether nothing that changes anything is being carried out."""
        return self._api.is_idle()

    @contextmanager
    def acting(self) -> Iterator[Call]:
        """A call from within, for what nobody asks of an API: a bank that sends a refund back, or decides a dispute."""
        with self._store.transaction():
            yield self._new_call(now=self._clock())
        if self._deliverer is not None:
            self._deliverer.wake()

    def _serve(self) -> None:
        self._server.serve_forever(poll_interval=STOP_POLL_SECONDS)

    def _new_call(self, *, now: int, **asked: Any) -> Call:  # noqa: ANN401 - members of Call
        return Call(store=self._store, now=now, base_url=self.base_url, delivers=self._deliverer is not None, **asked)


class _Server(ThreadingHTTPServer):
    """A thread per connection, each of which can be closed from outside."""

    daemon_threads = False
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: Callable[..., BaseHTTPRequestHandler]) -> None:
        super().__init__(address, handler)
        self._open: set[socket.socket] = set()
        self._open_lock = threading.Lock()

    def close_connections(self) -> None:
        """End the connections that clients keep open; their threads then end too."""
        with self._open_lock:
            for connection in self._open:
                _shut(connection, socket.SHUT_RD)

    @override
    def handle_error(self, request: Any, client_address: Any) -> None:
        logger.error("A request could not be answered; its connection is closed", exc_info=sys.exc_info())

    @override
    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_lock:
            self._open.add(request)
        super().process_request(request, client_address)

    @override
    def shutdown_request(self, request: Any) -> None:
        with self._open_lock:
            self._open.discard(request)
        super().shutdown_request(request)


class _Handler(BaseHTTPRequestHandler):
    """Reads a request, asks `respond` for the answer, writes it."""

    protocol_version = "HTTP/1.1"
    timeout = IDLE_SECONDS
    wbufsize = -1  # head and body in one packet: two would wait for each other's acknowledgement
    disable_nagle_algorithm = True

    def __init__(self, respond: Callable[[Request], Answer], *args: Any) -> None:  # noqa: ANN401 - the base class's
        self._respond = respond
        super().__init__(*args)

    def do_GET(self) -> None:
        """Any method is answered alike."""
        self._serve()

    do_POST = do_DELETE = do_GET  # noqa: N815 - the base class's names

    def _serve(self) -> None:
        length = self._length()
        if length is None:
            self.close_connection = True
            self._write(Answer(status=413, body=b'{"error": {"message": "Send a Content-Length below 4 MiB."}}'))
            return
        path, _, query = self.path.partition("?")
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(method=self.command, path=path, query=query, headers=headers, body=self.rfile.read(length))
        try:
            self._write(self._respond(request))
        except ConnectionDroppedError:
            self.close_connection = True
            _shut(self.connection, socket.SHUT_RDWR)

    def _length(self) -> int | None:
        """The size of the body, or None where it is not said or too large."""
        text = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not text.isdecimal() or int(text) > MAX_BODY_BYTES:
            return None
        return int(text)

    def _write(self, answer: Answer) -> None:
        headers = {"Content-Type": "application/json", "Content-Length": str(len(answer.body)), **answer.headers}
        try:
            self.send_response(answer.status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(answer.body)
            self.wfile.flush()
        except OSError as error:
            # The caller has gone, as one that timed out on a slow fault has; what was done stays done.
            logger.debug("The caller did not wait for the answer: %s", error)
            self.close_connection = True

    @override
    def version_string(self) -> str:
        return "agentmeter-stripe-sandbox"

    @override
    def log_message(self, format: str, *args: Any) -> None:
        logger.debug(format, *args)


def _shut(connection: socket.socket, how: int) -> None:
    try:
        connection.shutdown(how)
    except OSError as error:
        logger.debug("The connection was closed already: %s", error)
