"""Who calls: the API key of a request decides the customer; the body never does."""

from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from agents import keys
from agents.errors import InvalidKeyError, MissingScopeError


@dataclass(frozen=True, slots=True)
class Caller:
    """The customer that a key speaks for, and what the key may do."""

    key_id: int
    customer_id: int
    environment: str
    scopes: frozenset[str]
    is_authenticated: bool = True

    def require_scope(self, scope: str) -> None:
        """Raise MissingScopeError unless the key carries `scope`."""
        if scope not in self.scopes:
            raise MissingScopeError(f"This key lacks the scope {scope}.")


def caller_of(authorization: str, *, now: datetime) -> Caller:
    """Return who an Authorization header speaks for. Raises InvalidKeyError."""
    scheme, _, secret = authorization.partition(" ")
    if scheme.lower() != "bearer" or not secret:
        raise InvalidKeyError("Send the key as `Authorization: Bearer am_live_…`.")
    key = keys.recognise(secret=secret.strip(), now=now)
    return Caller(key_id=key.pk, customer_id=key.customer_id, environment=key.environment, scopes=frozenset(key.scopes))


def caller(request: HttpRequest, *, now: datetime) -> Caller:
    """Return who a plain Django request speaks for. Raises InvalidKeyError."""
    return caller_of(request.headers.get("Authorization", ""), now=now)


class ApiKeyAuthentication(BaseAuthentication):
    """DRF's entry: `request.user` and `request.auth` become the Caller."""

    def authenticate(self, request: Request) -> tuple[Caller, Caller] | None:
        """Recognise the key; None without an Authorization header, so that DRF answers 401."""
        header = request.headers.get("Authorization")
        if header is None:
            return None
        who = caller_of(header, now=datetime.now(UTC))
        return who, who

    def authenticate_header(self, request: Request) -> str:
        """Name the scheme for the WWW-Authenticate header."""
        del request
        return "Bearer"
