"""The body of a request, unpacked, and never more of it than the limit."""

import gzip
import io
import zlib
from typing import Final

from django.http import HttpRequest

from agents.errors import MalformedRequestError, RequestTooLargeError

MAX_BYTES: Final = 4 * 1024 * 1024


def read_body(request: HttpRequest, *, limit: int = MAX_BYTES) -> bytes:
    """Return the body, unpacked; a packed one is read no further than the limit.

    Raises RequestTooLargeError and MalformedRequestError.
    """
    length = request.headers.get("Content-Length") or "0"
    if not length.isdecimal():
        raise MalformedRequestError("Content-Length is not a number.")
    if int(length) > limit:
        raise _too_large(limit)
    return unpacked(request.read(limit + 1), encoding=request.headers.get("Content-Encoding", ""), limit=limit)


def unpacked(body: bytes, *, encoding: str, limit: int = MAX_BYTES) -> bytes:
    """Return a body as it was before its sender packed it. Raises RequestTooLargeError and MalformedRequestError."""
    packing = encoding.strip().lower() or "identity"
    if packing == "gzip":
        body = _unpack(body, limit)
    elif packing != "identity":
        raise MalformedRequestError(f"Content-Encoding {packing[:20]} is not understood; send gzip or none.")
    if len(body) > limit:
        raise _too_large(limit)
    return body


def _unpack(body: bytes, limit: int) -> bytes:
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as file:
            return file.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise MalformedRequestError(f"The body is not gzip: {error}") from error


def _too_large(limit: int) -> RequestTooLargeError:
    return RequestTooLargeError(f"A request holds at most {limit} bytes.")
