"""Delivers announcements: one claimed message at a time, the call outside any transaction, every attempt in the log."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce

from billing import mails
from billing.endpoints import signatures, transport
from billing.endpoints.errors import EndpointError, UnknownDeliveryError
from billing.endpoints.transport import Answer
from billing.models import Delivery, DeliveryAttempt, Endpoint
from billing.models.endpoints import DeliveryState

log = structlog.get_logger(__name__)

# Waits after the first attempt, the second, and so on: the schedule of Standard Webhooks (standards.md 5.1).
WAITS: Final = tuple(
    timedelta(seconds=seconds) for seconds in (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)
)
MOST_TRIES: Final = len(WAITS) + 1
# Longer than an exchange may take: a worker that says nothing for so long is taken for dead.
LEASE: Final = timedelta(minutes=2)
GIVE_UP_AFTER: Final = timedelta(days=5)
GONE: Final = 410
_JITTER: Final = 10  # parts of a hundred, up or down


@dataclass(frozen=True, slots=True)
class Delivered:
    """What a run did: messages that were taken, and attempts that failed."""

    taken: int = 0
    refused: int = 0


def deliver(*, clock: Callable[[], datetime], limit: int = 100) -> Delivered:
    """Send what is due, at most `limit` messages; safe to run beside itself and to be killed at any moment.

    An endpoint that fails once is left alone until the next run, so that it holds up nobody else. `clock` is asked
    before each message, because its time is signed and a receiver refuses one that is minutes old.
    """
    taken, troubled = 0, set[int]()
    for delivery_id, endpoint_id in _due(clock()).order_by("not_before", "pk").values_list("pk", "endpoint")[:limit]:
        if endpoint_id not in troubled:
            outcome = _attempt(delivery_id, clock)
            taken += outcome is True
            troubled |= {endpoint_id} if outcome is False else set()
    return Delivered(taken=taken, refused=len(troubled))


@transaction.atomic
def replay(*, endpoint: Endpoint, message_id: str, now: datetime) -> Delivery:
    """Send a message to an endpoint again, under the same id; also one of before the endpoint existed is refused.

    Raises UnknownDeliveryError.
    """
    deliveries = Delivery.objects.filter(endpoint=endpoint, announcement__message_id=message_id)
    again = {"state": DeliveryState.PENDING, "tries": 0, "not_before": now, "finished_at": None}
    deliveries.exclude(state=DeliveryState.PENDING).update(**again)
    deliveries.filter(state=DeliveryState.PENDING, not_before__gt=now + LEASE).update(tries=0, not_before=now)
    delivery = deliveries.select_related("announcement").first()
    if delivery is None:
        raise UnknownDeliveryError(f"The endpoint has no message {message_id}.")
    return delivery


def wait(*, delivery_id: int, tries: int) -> timedelta:
    """Return how long to wait after so many tries: a tenth more or less, by a hash, so that not all come at once."""
    spread = int.from_bytes(hashlib.sha256(f"{delivery_id}:{tries}".encode()).digest()[:4], "big")
    return WAITS[tries - 1] * (100 - _JITTER + spread % (2 * _JITTER + 1)) // 100


def _due(now: datetime) -> QuerySet[Delivery]:
    ours = Q(endpoint__disabled_at=None, endpoint__removed_at=None)
    return Delivery.objects.filter(ours, state=DeliveryState.PENDING, not_before__lte=now)


def _attempt(delivery_id: int, clock: Callable[[], datetime]) -> bool | None:
    """Claim a delivery and make it; whether the endpoint took it, None where another worker has it."""
    now = clock()
    row = Delivery.objects.select_related("endpoint__customer", "announcement").get(pk=delivery_id)
    mine = _due(now).filter(pk=row.pk, attempts=row.attempts)
    if mine.update(attempts=F("attempts") + 1, tries=F("tries") + 1, not_before=now + LEASE) != 1:
        return None
    row.attempts, row.tries = row.attempts + 1, row.tries + 1
    answer, error = None, ""
    with transport.timed() as watch:
        try:
            answer = _send(row, now)
        except EndpointError as fault:
            error = str(fault)
    return _record(row, answer, error, watch.milliseconds, now)


def _send(row: Delivery, now: datetime) -> Answer:
    return transport.post(
        url=row.endpoint.url,
        body=row.announcement.body.encode(),
        headers=signatures.headers(endpoint=row.endpoint, announcement=row.announcement, now=now),
        allows_private=settings.WEBHOOKS_ALLOW_PRIVATE,
    )


@transaction.atomic
def _record(row: Delivery, answer: Answer | None, error: str, milliseconds: int, now: datetime) -> bool:
    """Write what came of an attempt; a redirect is a failure, as everything but 2xx is."""
    is_taken = answer is not None and answer.status // 100 == 2  # noqa: PLR2004 - the class of successes
    DeliveryAttempt.objects.create(
        delivery=row,
        number=row.attempts,
        sent_at=now,
        milliseconds=milliseconds,
        status=answer.status if answer else None,
        answer=answer.text if answer else "",
        error=error[:500],
    )
    if is_taken:
        _settle(row, state=DeliveryState.DELIVERED, finished_at=now)
        Endpoint.objects.filter(pk=row.endpoint_id).exclude(failing_since=None).update(failing_since=None)
    else:
        log.info("endpoint.not_told", delivery=row.pk, attempt=row.attempts, status=answer and answer.status)
        _put_off(row, now)
        _judge(row, is_gone=answer is not None and answer.status == GONE, now=now)
    return is_taken


def _put_off(row: Delivery, now: datetime) -> None:
    if row.tries >= MOST_TRIES:
        _settle(row, state=DeliveryState.FAILED, finished_at=now)
    else:
        _settle(row, not_before=now + wait(delivery_id=row.pk, tries=row.tries))


def _judge(row: Delivery, *, is_gone: bool, now: datetime) -> None:
    """Note that an endpoint fails, and switch it off where it says that it is gone, or has failed for too long."""
    enabled = Endpoint.objects.filter(pk=row.endpoint_id, disabled_at=None)
    enabled.update(failing_since=Coalesce("failing_since", now))
    reason = "It answered 410 Gone." if is_gone else f"Nothing was taken for {GIVE_UP_AFTER.days} days."
    hopeless = enabled if is_gone else enabled.filter(failing_since__lte=now - GIVE_UP_AFTER)
    if hopeless.update(disabled_at=now, disabled_reason=reason):
        _write_mail(row.endpoint, reason, now)


def _write_mail(endpoint: Endpoint, reason: str, now: datetime) -> None:
    mails.write(
        key=f"endpoint-disabled:{endpoint.pk}:{now.isoformat()}",
        customer=endpoint.customer,
        subject="A webhook endpoint was switched off",
        template="endpoint_disabled",
        context={"url": endpoint.url, "reason": reason},
        now=now,
    )


def _settle(row: Delivery, **changes: Any) -> None:  # noqa: ANN401 - columns of the row
    """Write to a delivery unless it was taken over, or asked for again, meanwhile."""
    held = Delivery.objects.filter(pk=row.pk, attempts=row.attempts, tries=row.tries, state=DeliveryState.PENDING)
    held.update(**changes)
