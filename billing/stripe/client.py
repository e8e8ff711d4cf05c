"""The one place where a Stripe client is made: version, time-outs, retries, address and mode."""

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final

import stripe
from django.conf import settings
from stripe import RequestsClient, StripeClient
from typing_extensions import override

from billing.stripe import limits
from billing.stripe.errors import FloatInPayloadError, StripeNotConfiguredError

API_VERSION: Final = "2026-10-28.endive"
CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 30
# Within one call; each sends the same bytes under the same idempotency key.
NETWORK_RETRIES: Final = 2
SANDBOX_KEY: Final = "sk_test_sandbox"
LIVE_PREFIXES: Final = ("sk_live_", "rk_live_")

# The SDK would write an identifier into the home directory and send timings of earlier calls.
stripe.enable_telemetry = False


class LimitedClient(RequestsClient):
    """Makes every call, also each page of a list and each repetition, wait for its turn.

    Raises OverLimitError instead of a call that would have to wait for long. This is the edge: it reads the clock.
    """

    @override
    def request(self, method: str, url: str, *arguments: Any, **options: Any) -> Any:
        """Send one request of HTTP when its turn has come."""
        now = datetime.now(UTC)  # noqa: TID251 the edge: real calls in real time
        wait = limits.reserve(method=method, url=url, live=is_live(), now=now)
        if wait:
            time.sleep(wait.total_seconds())
        return super().request(method, url, *arguments, **options)


def connect() -> StripeClient:
    """Return the client for the configured account; its connections are kept between calls.

    Raises StripeNotConfiguredError where only the sandbox's key is set and no sandbox's address.
    """
    if settings.STRIPE_API_KEY == SANDBOX_KEY and not settings.STRIPE_API_URL:
        raise StripeNotConfiguredError(
            "Set STRIPE_API_KEY to a key of your Stripe account, or STRIPE_API_URL to the address of a running sandbox."
        )
    return _client(settings.STRIPE_API_KEY, settings.STRIPE_API_URL, NETWORK_RETRIES)


def is_live() -> bool:
    """Say whether the configured key moves real money (Stripe's prefixes: sk_live_, and rk_live_ when restricted)."""
    return settings.STRIPE_API_KEY.startswith(LIVE_PREFIXES)


def refuse_floats(payload: object, *, at: str = "payload") -> None:
    """Raise FloatInPayloadError where a float hides in `payload`: the SDK would send 0.30000000000000004.

    `at` is the path of `payload` itself; the message names the path of the float.
    """
    if isinstance(payload, float):
        raise FloatInPayloadError(f"{at} is the float {payload!r}; send whole smallest units or text")
    if isinstance(payload, Mapping):
        for name, value in payload.items():
            refuse_floats(value, at=f"{at}.{name}")
    elif isinstance(payload, Sequence) and not isinstance(payload, str | bytes):
        for index, value in enumerate(payload):
            refuse_floats(value, at=f"{at}[{index}]")


@cache
def _client(key: str, url: str, retries: int) -> StripeClient:
    http_client = LimitedClient(timeout=(CONNECT_SECONDS, READ_SECONDS))
    if not url:
        return StripeClient(key, stripe_version=API_VERSION, max_network_retries=retries, http_client=http_client)
    return StripeClient(
        key,
        stripe_version=API_VERSION,
        max_network_retries=retries,
        base_addresses={"api": url.rstrip("/")},
        http_client=http_client,
    )
