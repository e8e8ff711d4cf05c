"""Who calls: the API key of a request decides the customer; the body never does."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from agents import keys
from agents.errors import InvalidKeyError, MissingScopeError
from agents.models import ApiKey


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
    found = callers_of([authorization], now=now)[authorization]
    if isinstance(found, InvalidKeyError):
        raise found
    return found


def callers_of(authorizations: Iterable[str], *, now: datetime) -> dict[str, Caller | InvalidKeyError]:
    """Return who each Authorization header speaks for, or why nobody, by one query."""
    secrets = {one: _secret_of(one) for one in authorizations}
    known = keys.recognise_all(secrets={one for one in secrets.values() if one}, now=now)
    return {one: _caller(known[secret]) if secret else _unnamed() for one, secret in secrets.items()}


def _secret_of(authorization: str) -> str:
    scheme, _, secret = authorization.partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else ""


def _caller(key: ApiKey | InvalidKeyError) -> Caller | InvalidKeyError:
    if isinstance(key, InvalidKeyError):
        return key
    return Caller(key_id=key.pk, customer_id=key.customer_id, environment=key.environment, scopes=frozenset(key.scopes))


def _unnamed() -> InvalidKeyError:
    return InvalidKeyError("Send the key as `Authorization: Bearer am_live_…`.")


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
