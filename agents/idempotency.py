"""Lets a request that carries an Idempotency-Key be sent again: it is done once, and every repetition gets its answer.

After draft-ietf-httpapi-idempotency-key-header-07. What is done and the answer that is kept commit together, so that
no crash can part them. Events need no key: source and id are one.
"""

import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from django.db import connection, transaction

from agents.errors import KeyInUseError, KeyReusedError, MalformedRequestError
from agents.models import IdempotentRequest

KEPT_FOR: Final = timedelta(days=30)
_QUOTED: Final = re.compile(r'"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\]){1,255})"')
_BARE: Final = re.compile(r"[\x21\x23-\x7e]{1,255}")
_OURS: Final = 500  # from this status on a fault is ours, and nothing was done


@dataclass(frozen=True, slots=True)
class Answer:
    """What a request was answered; `is_repeated` where it was done before."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    is_repeated: bool = False


def read_key(header: str) -> str:
    """Return the key of an Idempotency-Key header: a structured-field string, or bare, as most clients send it.

    Raises MalformedRequestError.
    """
    quoted = _QUOTED.fullmatch(header)
    if quoted is not None:
        return re.sub(r"\\(.)", r"\1", quoted[1])
    if not _BARE.fullmatch(header):
        raise MalformedRequestError("Idempotency-Key: 1 to 255 printable ASCII characters are required.")
    return header


@transaction.atomic
def run(
    *,
    customer_id: int,
    key: str,
    method: str,
    path: str,
    body: bytes,
    now: datetime,
    perform: Callable[[], Answer],
) -> Answer:
    """Return the answer of `perform`, or the one that the same request got before.

    An answer that says a fault is ours is not kept, and what was done until then is undone. Raises KeyInUseError while
    the first request is under way, and KeyReusedError where the key came with another body.
    """
    names = {"customer_id": customer_id, "key": key, "method": method, "path": path}
    _lock("\0".join(str(one) for one in names.values()))
    digest = hashlib.sha256(body).digest()
    before = IdempotentRequest.objects.filter(**names).first()
    if before is not None:
        return _repeat(before, digest)
    answer = perform()
    if answer.status >= _OURS:
        transaction.set_rollback(True)
        return answer
    IdempotentRequest.objects.create(
        **names,
        digest=digest,
        status=answer.status,
        headers=dict(answer.headers),
        answer=answer.content,
        done_at=now,
    )
    return answer


def forget(*, now: datetime) -> int:
    """Delete answers that have been kept long enough; returns how many."""
    return IdempotentRequest.objects.filter(done_at__lt=now - KEPT_FOR).delete()[0]


def _lock(name: str) -> None:
    """Take the lock of this request until the transaction ends. Raises KeyInUseError where another holds it."""
    number = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [number])
        if not cursor.fetchone()[0]:
            raise KeyInUseError("The first request with this Idempotency-Key is still being done; ask again.")


def _repeat(before: IdempotentRequest, digest: bytes) -> Answer:
    if bytes(before.digest) != digest:
        raise KeyReusedError("This Idempotency-Key came before, with another body.")
    return Answer(status=before.status, headers=before.headers, content=bytes(before.answer), is_repeated=True)
