"""Runs a WSGI application behind granian's own interface (RSGI), in threads: Django is far faster so than by ASGI."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from concurrent.futures import Executor
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Final, Protocol
from urllib.parse import unquote_to_bytes

from granian.rsgi import Scope

MAX_BODY: Final = 32 * 1024 * 1024
Environ = dict[str, Any]
Application = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]
_UNPREFIXED: Final = {"content-type": "CONTENT_TYPE", "content-length": "CONTENT_LENGTH"}


class Stream(Protocol):
    """A reply that is sent piece by piece."""

    async def send_bytes(self, data: bytes, /) -> None:
        """Send a piece."""


class HTTPProtocol(Protocol):
    """What of granian's protocol object is used here: the body of a request, and the ways to reply."""

    async def __call__(self) -> bytes:
        """Return the whole body."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes."""

    def response_empty(self, status: int, headers: list[tuple[str, str]], /) -> None:
        """Reply without a body."""

    def response_bytes(self, status: int, headers: list[tuple[str, str]], body: bytes, /) -> None:
        """Reply with a body that is all there."""

    def response_stream(self, status: int, headers: list[tuple[str, str]], /) -> Stream:
        """Reply with a body to come."""


@dataclass(slots=True)
class Reply:
    """What the application said so far: the status, the headers, and what is left of the body."""

    status: int = 500
    headers: list[tuple[str, str]] = field(default_factory=list)
    chunks: Iterator[bytes] = field(default_factory=lambda: iter(()))
    close: Callable[[], object] = lambda: None

    def start(self, status: str, headers: list[tuple[str, str]], _failure: object = None) -> None:
        """Take down status and headers; WSGI's start_response."""
        self.status = int(status.split(" ", 1)[0])
        self.headers = [(name.lower(), value) for name, value in headers]

    def next_chunk(self) -> bytes | None:
        """Return the next piece of the body that is not empty; None at its end."""
        return next((chunk for chunk in self.chunks if chunk), None)


class Bridge:
    """Hands a request to the WSGI application in a thread, and its reply back, piece by piece where it has pieces."""

    def __init__(self, application: Application, executor: Executor) -> None:
        self._application = application
        self._executor = executor

    async def __call__(self, scope: Scope, protocol: HTTPProtocol) -> None:
        """Answer one request."""
        body = await read(scope, protocol, limit=MAX_BODY)
        if body is None:
            protocol.response_empty(413, [("connection", "close")])
            return
        loop = asyncio.get_running_loop()
        reply, first = await loop.run_in_executor(self._executor, self._begin, environ_of(scope, body))
        try:
            await self._send(reply, first, protocol)
        finally:
            await loop.run_in_executor(self._executor, reply.close)

    def _begin(self, environ: Environ) -> tuple[Reply, list[bytes]]:
        """Run the application up to its second piece, which tells whether there is more than one."""
        reply = Reply()
        result = self._application(environ, reply.start)
        reply.chunks, reply.close = iter(result), getattr(result, "close", reply.close)
        pieces = (reply.next_chunk(), reply.next_chunk())
        return reply, [piece for piece in pieces if piece is not None]

    async def _send(self, reply: Reply, first: list[bytes], protocol: HTTPProtocol) -> None:
        if len(first) < 2:  # noqa: PLR2004 - the whole reply is here
            protocol.response_bytes(reply.status, reply.headers, b"".join(first))
            return
        loop = asyncio.get_running_loop()
        stream = protocol.response_stream(reply.status, reply.headers)
        piece: bytes | None = b"".join(first)
        while piece is not None:
            await stream.send_bytes(piece)
            piece = await loop.run_in_executor(self._executor, reply.next_chunk)


async def read(scope: Scope, protocol: HTTPProtocol, *, limit: int) -> bytes | None:
    """Return the body of a request; None where it is longer than the limit, and no more of it is read than that."""
    length = scope.headers.get("content-length")
    if length is not None:
        return await protocol() if length.isdecimal() and int(length) <= limit else None
    pieces, size = [], 0
    async for piece in protocol:
        size += len(piece)
        if size > limit:
            return None
        pieces.append(piece)
    return b"".join(pieces)


def environ_of(scope: Scope, body: bytes) -> Environ:
    """Return a request as WSGI describes it (PEP 3333)."""
    host, _, port = scope.server.rpartition(":")
    environ: Environ = {
        "REQUEST_METHOD": scope.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(scope.path).decode("latin-1"),
        "QUERY_STRING": scope.query_string,
        "SERVER_NAME": host,
        "SERVER_PORT": port,
        "SERVER_PROTOCOL": f"HTTP/{scope.http_version}",
        "REMOTE_ADDR": scope.client.rpartition(":")[0],
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.scheme,
        "wsgi.input": BytesIO(body),
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    for name, value in scope.headers.items():
        if "_" in name:  # it would be taken for the header that has a dash there
            continue
        variable = _UNPREFIXED.get(name) or "HTTP_" + name.upper().replace("-", "_")
        separator = "; " if name == "cookie" else ","
        environ[variable] = f"{environ[variable]}{separator}{value}" if variable in environ else value
    environ["CONTENT_LENGTH"] = str(len(body))
    if scope.authority and "HTTP_HOST" not in environ:
        environ["HTTP_HOST"] = scope.authority
    return environ
