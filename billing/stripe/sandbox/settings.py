"""What the sandbox is started with, refused at once where it could do harm or could never work."""

from dataclasses import dataclass
from pathlib import Path

from billing.stripe.sandbox.errors import ConfigurationError
from billing.stripe.sandbox.webhooks import Endpoint

TEST_PREFIX = "sk_test_"
DEFAULT_API_KEY = "sk_test_sandbox"
DEFAULT_WEBHOOK_SECRET = "whsec_sandbox"  # noqa: S105 - signs made-up events on this machine only


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where to listen, where to keep the state, which key to accept and where to send events (None: nowhere)."""

    host: str
    port: int
    database: Path
    api_key: str
    webhook_url: str | None = None
    webhook_secret: str = DEFAULT_WEBHOOK_SECRET

    def __post_init__(self) -> None:
        """Raises ConfigurationError for a key that is no test key, and for a webhook URL off this machine."""
        if not self.api_key.startswith(TEST_PREFIX):
            raise ConfigurationError("The sandbox's API key must start with sk_test_; it never takes a live one.")
        self.endpoint()

    def endpoint(self) -> Endpoint | None:
        """Where events are delivered."""
        return None if self.webhook_url is None else Endpoint(url=self.webhook_url, secret=self.webhook_secret)
