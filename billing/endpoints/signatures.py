"""Signatures of messages, exactly as Standard Webhooks says (standards.md 5.1); two while a secret is exchanged."""

import base64
import secrets
from datetime import UTC, datetime
from typing import Final

from standardwebhooks import Webhook

from billing.models import Announcement, Endpoint

PREFIX: Final = "whsec_"
_BYTES: Final = 32


def generate() -> str:
    """Return a fresh secret: the prefix and 32 random bytes in base64."""
    return PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def headers(*, endpoint: Endpoint, announcement: Announcement, now: datetime) -> dict[str, str]:
    """Return the headers of one attempt at `now`: a receiver refuses a message whose time is minutes off."""
    at = now.astimezone(UTC)
    keys = [endpoint.secret]
    if endpoint.has_previous_secret(now=now):
        keys.append(endpoint.previous_secret)
    signed = [Webhook(key).sign(announcement.message_id, at, announcement.body) for key in keys]
    return {
        "content-type": "application/json",
        "user-agent": "Agentmeter-Webhooks/1",
        "webhook-id": announcement.message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signed),
    }
