"""Posts one message to one machine: pinned to its resolved address, no redirect followed, time and answer bounded."""

import socket
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from threading import Timer
from typing import Final

from typing_extensions import override

from billing.endpoints import addresses
from billing.endpoints.errors import NotDeliveredError

# One read or write may take this long, and the whole exchange that long (Standard Webhooks: 15 to 30 s).
PAUSE_SECONDS: Final = 15
TOTAL_SECONDS: Final = 20
KEPT_BYTES: Final = 1000


@dataclass(frozen=True, slots=True)
class Answer:
    """What an endpoint answered: the status, and the beginning of what it said."""

    status: int
    text: str


@dataclass(slots=True)
class Stopwatch:
    """How long something took, on the machine's steady clock."""

    milliseconds: int = 0


@contextmanager
def timed() -> Iterator[Stopwatch]:
    """Measure what is done meanwhile, whether or not it fails."""
    watch, begun = Stopwatch(), time.monotonic_ns()
    try:
        yield watch
    finally:
        watch.milliseconds = (time.monotonic_ns() - begun) // 1_000_000


def post(*, url: str, body: bytes, headers: Mapping[str, str], allows_private: bool) -> Answer:
    """Send a message and return what came back, whatever its status. Raises EndpointAddressError, NotDeliveredError."""
    address = addresses.read(url=url, allows_private=allows_private)
    numeric = addresses.resolve(address=address, allows_private=allows_private)
    connection = _PinnedConnection(address, numeric)
    try:
        with _deadline(connection):
            connection.request("POST", address.target, body=body, headers=dict(headers))
            response = connection.getresponse()
            return Answer(response.status, response.read(KEPT_BYTES).decode("utf-8", "replace").replace("\0", ""))
    except (OSError, HTTPException, ValueError) as error:
        slow = f" within {TOTAL_SECONDS} s" if connection.is_cut_off else ""
        raise NotDeliveredError(f"No answer{slow} from {address.host}: {type(error).__name__}: {error}") from error
    finally:
        connection.close()


class _PinnedConnection(HTTPConnection):
    """A connection to a given numeric address, whatever the name resolves to; TLS checks the name."""

    def __init__(self, address: addresses.Address, numeric: str) -> None:
        super().__init__(address.host, address.port, timeout=PAUSE_SECONDS)
        self.default_port = 443 if address.is_secure else 80  # left out of the Host header
        self.is_cut_off = False
        self._numeric = numeric
        self._context = ssl.create_default_context() if address.is_secure else None

    @override
    def connect(self) -> None:
        """Connect to the pinned address."""
        self.sock = socket.create_connection((self._numeric, self.port), PAUSE_SECONDS)
        if self._context is not None:
            self.sock = self._context.wrap_socket(self.sock, server_hostname=self.host)

    def cut_off(self) -> None:
        """End the exchange from another thread: what waits for the socket fails at once."""
        self.is_cut_off = True
        sock: socket.socket | None = self.sock
        if sock is not None:
            try:
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                return  # it had ended by itself


@contextmanager
def _deadline(connection: _PinnedConnection) -> Iterator[None]:
    """Cut off an endpoint that sends a byte now and then, which no timeout of a single read notices."""
    timer = Timer(TOTAL_SECONDS, connection.cut_off)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
