"""Who asks, as far as metering needs to know: the authentication puts it into the request."""

from typing import Final, Protocol, cast

from rest_framework.request import Request

READ: Final = "usage:read"
DEFINE: Final = "meters:write"
WRITE: Final = "events:write"


class Caller(Protocol):
    """What the authentication says of who asks."""

    key_id: int
    customer_id: int

    def require_scope(self, scope: str) -> None:
        """Raise unless the caller's key carries the scope."""


def caller_of(request: Request, *, scope: str) -> Caller:
    """Return who asks, once it is sure that they may."""
    caller = cast("Caller", request.auth)
    caller.require_scope(scope)
    return caller
