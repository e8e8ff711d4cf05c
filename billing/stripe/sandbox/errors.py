"""What can go wrong in the sandbox; the ApiError branch is what Stripe itself would answer.

SandboxError
├── ConfigurationError
├── ConnectionDroppedError
└── ApiError
    ├── InvalidRequestError
    │   ├── FinalizationError
    │   ├── InvalidParameterError
    │   ├── NotModelledError
    │   ├── ResourceMissingError
    │   └── UnrecognizedUrlError
    ├── AuthenticationError
    ├── CardError
    ├── IdempotencyMismatchError
    ├── IdempotencyKeyInUseError
    ├── RateLimitError
    └── InternalError
        └── NonconformingAnswerError
"""

from typing import Any, ClassVar


class SandboxError(Exception):
    """Anything the sandbox refuses."""


class ConfigurationError(SandboxError):
    """The sandbox was started with a setting that it must not accept."""


class ConnectionDroppedError(SandboxError):
    """A fault asked for the socket to be closed without an answer."""


class ApiError(SandboxError):
    """An answer other than 2xx, in the shape that Stripe gives it."""

    status: int = 400
    type: ClassVar[str] = "invalid_request_error"
    keeps_changes: ClassVar[bool] = False
    """True where Stripe commits what the request did although it answers with an error."""

    def __init__(self, message: str, *, code: str | None = None, param: str | None = None, **details: Any) -> None:  # noqa: ANN401 - the rest of the envelope is free-form JSON
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.details = details

    def envelope(self) -> dict[str, Any]:
        """The JSON body; absent members are left out, as Stripe does."""
        members = {"code": self.code, "message": self.message, "param": self.param, "type": self.type, **self.details}
        return {"error": {name: value for name, value in members.items() if value is not None}}


class InvalidRequestError(ApiError):
    """The request cannot be carried out in the present state."""


class InvalidParameterError(InvalidRequestError):
    """A parameter is unknown, missing or malformed: nothing was executed, so nothing is kept for the key."""


class FinalizationError(InvalidRequestError):
    """The draft could not be finalized; the draft says why, and an event tells of it."""

    keeps_changes: ClassVar[bool] = True


class NotModelledError(InvalidRequestError):
    """Stripe knows this, the sandbox does not; said aloud rather than ignored."""


class ResourceMissingError(InvalidRequestError):
    """The object addressed by the path or named in a parameter does not exist."""

    def __init__(self, *, kind: str, id: str, param: str = "id", status: int = 404) -> None:  # noqa: A002 - Stripe's word
        super().__init__(f"No such {kind}: '{id}'", code="resource_missing", param=param)
        self.status = status


class UnrecognizedUrlError(InvalidRequestError):
    """No endpoint has this method and path."""

    status = 404


class AuthenticationError(ApiError):
    """The secret key is missing or not ours."""

    status = 401


class CardError(ApiError):
    """The card was refused; the attempt itself is recorded."""

    status = 402
    type = "card_error"
    keeps_changes = True


class IdempotencyMismatchError(ApiError):
    """A key came again with other parameters."""

    type = "idempotency_error"


class IdempotencyKeyInUseError(ApiError):
    """A key came again while its first request still runs."""

    status = 409
    type = "idempotency_error"


class RateLimitError(ApiError):
    """Too many requests, as told by a fault."""

    status = 429


class InternalError(ApiError):
    """Stripe's own failure, as told by a fault."""

    status = 500
    type = "api_error"


class NonconformingAnswerError(InternalError):
    """The sandbox was about to answer what Stripe never would: its own fault, said aloud."""
