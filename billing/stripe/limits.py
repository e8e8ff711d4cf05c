"""How fast we may call Stripe (stripe.md C9): buckets in the database, which all workers on all machines take from."""

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from django.conf import settings
from django.db import connection, transaction

from billing.models import CallBudget
from billing.stripe import buckets
from billing.stripe.buckets import Bucket, Limit
from billing.stripe.errors import OverLimitError

# Stripe's own limits: all calls in live mode, in a sandbox; one endpoint; its search.
LIVE_PER_SECOND: Final = 100
TEST_PER_SECOND: Final = 25
ENDPOINT_PER_SECOND: Final = 25
SEARCH_PER_SECOND: Final = 20
# Longer than this nobody waits: the message is put off, and its worker is free for something else.
PATIENCE: Final = timedelta(seconds=2)
# An id in a path: what Stripe made (cus_9s6XKzkNRiz8i3), of which there is no end.
_ID: Final = re.compile(r"/[a-z]{2,}_[A-Za-z0-9_]+")


def reserve(*, method: str, url: str, live: bool, now: datetime) -> timedelta:
    """Reserve one call and return how long to wait before making it.

    Raises OverLimitError, with nothing reserved, where that is longer than anybody waits, or where a transaction is
    open: its locks would wait too.
    """
    wanted = limits_of(method=method, url=url, live=live)
    has_locks = connection.in_atomic_block
    with transaction.atomic():
        wait = max(_take(name, limit, now) for name, limit in sorted(wanted.items()))
        if wait > PATIENCE or (wait and has_locks):
            raise OverLimitError(f"{', '.join(wanted)}: the next call is allowed in {wait.total_seconds():.3f} s.")
    return wait


def limits_of(*, method: str, url: str, live: bool) -> Mapping[str, Limit]:
    """Return the limits that a call falls under, by name: of the account, and of the endpoint."""
    endpoint = _ID.sub("/{id}", urlsplit(url).path)
    each = SEARCH_PER_SECOND if endpoint.endswith("/search") else ENDPOINT_PER_SECOND
    account = LIVE_PER_SECOND if live else TEST_PER_SECOND
    return {
        f"{'live' if live else 'test'}": _limit(settings.STRIPE_CALLS_PER_SECOND or account),
        f"{'live' if live else 'test'} {method.upper()} {endpoint}"[:100]: _limit(
            settings.STRIPE_ENDPOINT_CALLS_PER_SECOND or each
        ),
    }


def _limit(per_second: int) -> Limit:
    """A tenth of a second's calls at once: Stripe counts by the second, wherever that begins."""
    rate = Decimal(per_second)
    return Limit(rate, max(rate / 10, Decimal(1)))


def _take(name: str, limit: Limit, now: datetime) -> timedelta:
    """Take one token of a row that is locked meanwhile; the first to come makes the row."""
    fresh = buckets.full(limit=limit, now=now)
    CallBudget.objects.bulk_create(
        [CallBudget(name=name, tokens=fresh.tokens, filled_at=fresh.filled_at)], ignore_conflicts=True
    )
    row = CallBudget.objects.select_for_update().get(name=name)
    left, wait = buckets.take(bucket=Bucket(row.tokens, row.filled_at), limit=limit, now=now)
    CallBudget.objects.filter(name=name).update(tokens=left.tokens, filled_at=left.filled_at)
    return wait
