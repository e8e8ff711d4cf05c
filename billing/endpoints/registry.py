"""The endpoints of customers: added, changed, their secrets exchanged, taken away."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db import transaction
from django.db.models import F, QuerySet

from agents.models import Customer
from billing.endpoints import addresses, signatures
from billing.endpoints.errors import EndpointLimitError, EndpointTypeError
from billing.models import Endpoint
from billing.models.endpoints import EventType

MOST: Final = 10
OVERLAP: Final = timedelta(hours=24)
BY_CUSTOMER: Final = "Switched off by the customer."


def of(*, customer_id: int) -> QuerySet[Endpoint]:
    """Return a customer's endpoints, without those taken away, the oldest first."""
    return Endpoint.objects.filter(customer_id=customer_id, removed_at=None).order_by("pk")


@transaction.atomic
def add(*, customer: Customer, url: str, description: str, types: Sequence[str], now: datetime) -> Endpoint:
    """Add an endpoint with a fresh secret. Raises EndpointAddressError, EndpointTypeError, EndpointLimitError."""
    _require_usable(url, types)
    Customer.objects.select_for_update().get(pk=customer.pk)  # two at once would both find room
    if of(customer_id=customer.pk).count() >= MOST:
        raise EndpointLimitError(f"A customer has at most {MOST} endpoints; take one away first.")
    return Endpoint.objects.create(
        customer=customer,
        url=url,
        description=description,
        types=list(dict.fromkeys(types)),
        secret=signatures.generate(),
        created_at=now,
    )


def change(
    *, endpoint: Endpoint, url: str, description: str, types: Sequence[str], is_enabled: bool, now: datetime
) -> Endpoint:
    """Set what an endpoint is told, and where; what waited for one switched on again is sent then.

    Raises EndpointAddressError, EndpointTypeError.
    """
    _require_usable(url, types)
    changes: dict[str, Any] = {"url": url, "description": description, "types": list(dict.fromkeys(types))}
    if is_enabled and endpoint.disabled_at is not None:
        changes |= {"disabled_at": None, "disabled_reason": "", "failing_since": None}
    elif not is_enabled and endpoint.disabled_at is None:
        changes |= {"disabled_at": now, "disabled_reason": BY_CUSTOMER}
    Endpoint.objects.filter(pk=endpoint.pk).update(**changes)
    endpoint.refresh_from_db()
    return endpoint


def rotate(*, endpoint: Endpoint, now: datetime) -> Endpoint:
    """Give an endpoint a fresh secret; the one before signs, too, for another day, so that no message is refused."""
    Endpoint.objects.filter(pk=endpoint.pk).update(
        previous_secret=F("secret"), previous_until=now + OVERLAP, secret=signatures.generate()
    )
    endpoint.refresh_from_db()
    return endpoint


def remove(*, endpoint: Endpoint, now: datetime) -> bool:
    """Take an endpoint away; its log stays. False where it was taken away before."""
    return Endpoint.objects.filter(pk=endpoint.pk, removed_at=None).update(removed_at=now) == 1


def _require_usable(url: str, types: Sequence[str]) -> None:
    addresses.read(url=url, allows_private=settings.WEBHOOKS_ALLOW_PRIVATE)
    for name in types:
        if name not in EventType.values:
            raise EndpointTypeError(f"There is no type of event {name!r}; there are {', '.join(EventType.values)}.")
