"""What the package refuses, and why.

AgentsError
├── InvalidKeyError               the API key is unknown, expired or revoked
├── MissingScopeError             the API key may not do this
├── SeatStateError                the seat is already assigned, or already released
├── UnknownDeviceError            the device is not enrolled for the key's customer, or was revoked
├── DeviceChainError              a signed batch does not continue the device's chain
│   ├── SequenceGapError          events before it are missing
│   └── ForkedChainError          a sequence that was received before comes with other content
├── RequestError                  an HTTP request cannot be taken in
│   ├── UnsupportedContentTypeError
│   ├── RequestTooLargeError
│   └── MalformedRequestError
└── SingleEventError              the one event of a request was not accepted
    ├── RejectedEventError
    └── ConflictingEventError

`members` of an error are the extension members of its problem document (RFC 9457).
"""

from collections.abc import Mapping, Sequence


class AgentsError(Exception):
    """Base of everything this package refuses."""


class InvalidKeyError(AgentsError):
    """The API key is unknown, expired or revoked."""


class MissingScopeError(AgentsError):
    """The API key does not carry the scope that the operation needs."""


class SeatStateError(AgentsError):
    """The seat is already assigned, or was already released."""


class UnknownDeviceError(AgentsError):
    """The device is not enrolled for the customer of the key, or was revoked."""


class DeviceChainError(AgentsError):
    """A signed batch does not continue the device's chain."""


class SequenceGapError(DeviceChainError):
    """Events before this batch never arrived."""

    def __init__(self, *, device: str, expected: int, first: int) -> None:
        super().__init__(f"Device {device} sent sequence {first}, but {expected} is next.")
        self.members: Mapping[str, object] = {"expected": expected}


class ForkedChainError(DeviceChainError):
    """A sequence that was received before came again with other content: a clone or a restored backup."""


class RequestError(AgentsError):
    """An HTTP request cannot be taken in."""


class UnsupportedContentTypeError(RequestError):
    """The content type names no format that is understood here."""


class RequestTooLargeError(RequestError):
    """The body or the number of events is over the limit."""


class MalformedRequestError(RequestError):
    """The body or a header cannot be read."""


class SingleEventError(AgentsError):
    """The one event of a request was not accepted; `errors` name the fields."""

    def __init__(self, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__("; ".join(error["detail"] for error in errors) or "The event was not accepted.")
        self.members: Mapping[str, object] = {"errors": list(errors)}


class RejectedEventError(SingleEventError):
    """The event breaks a rule of its format or of its meter."""


class ConflictingEventError(SingleEventError):
    """The same id came with other content, or its unit was counted before."""
