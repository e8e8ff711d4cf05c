"""What the package refuses, and why.

AgentsError
├── InvalidKeyError               the API key is unknown, expired or revoked
├── MissingScopeError             the API key may not do this
├── SeatStateError                the seat is already assigned, or already released
├── UnknownDeviceError            the device is not enrolled for the key's customer, or was revoked
├── DeviceChainError              a signed batch does not continue the device's chain
│   ├── SequenceGapError          events before it are missing
│   ├── ForkedChainError          a sequence that was received before comes with other content
│   └── QuarantinedDeviceError    the device's chain forked, and nobody has resolved that yet
├── UnknownReviewError            nothing of this kind waits for a person
├── FeedError                     a declaration of which feed bills cannot be made
├── RequestError                  an HTTP request cannot be taken in
│   ├── UnsupportedContentTypeError
│   ├── RequestTooLargeError
│   ├── MalformedRequestError
│   ├── KeyInUseError             the first request with an Idempotency-Key is under way
│   └── KeyReusedError            an Idempotency-Key came before, with another body
└── SingleEventError              the one event of a request was not accepted
    ├── RejectedEventError
    └── ConflictingEventError

`members` of an error are the extension members of its problem document (RFC 9457).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
class Suspicion:
    """What a batch shows to be wrong with its device's chain: the kind, and the sequences it is about, inclusive."""

    device_id: int
    kind: str
    epoch: int
    first: int
    last: int
    detail: str


class DeviceChainError(AgentsError):
    """A signed batch does not continue the device's chain; `suspicion` is to be kept though the batch is refused."""

    suspicion: Suspicion | None = None


class SequenceGapError(DeviceChainError):
    """Events before this batch never arrived."""

    def __init__(self, suspicion: Suspicion) -> None:
        super().__init__(suspicion.detail)
        self.suspicion = suspicion
        self.members: Mapping[str, object] = {"expected": suspicion.first}


class ForkedChainError(DeviceChainError):
    """A sequence that was received before came again with other content: a clone or a restored backup."""

    def __init__(self, suspicion: Suspicion) -> None:
        super().__init__(suspicion.detail)
        self.suspicion = suspicion


class QuarantinedDeviceError(DeviceChainError):
    """The device's chain forked; nothing is taken from it until a person has resolved that."""


class UnknownReviewError(AgentsError):
    """What was to be resolved does not wait for a person: there is no such thing, or it was resolved before."""


class FeedError(AgentsError):
    """A declaration of which feed bills cannot be made; `field` says what is wrong with it."""

    def __init__(self, field: str, detail: str) -> None:
        super().__init__(f"{field}: {detail}")
        self.field, self.detail = field, detail
        self.members: Mapping[str, object] = {"errors": [{"pointer": f"/{field}", "detail": detail}]}


class RequestError(AgentsError):
    """An HTTP request cannot be taken in."""


class UnsupportedContentTypeError(RequestError):
    """The content type names no format that is understood here."""


class RequestTooLargeError(RequestError):
    """The body or the number of events is over the limit."""


class MalformedRequestError(RequestError):
    """The body or a header cannot be read."""


class KeyInUseError(RequestError):
    """The first request with this Idempotency-Key is still under way."""


class KeyReusedError(RequestError):
    """This Idempotency-Key came before, with another body."""


class SingleEventError(AgentsError):
    """The one event of a request was not accepted; `errors` name the fields."""

    def __init__(self, errors: Sequence[Mapping[str, str]]) -> None:
        super().__init__("; ".join(error["detail"] for error in errors) or "The event was not accepted.")
        self.members: Mapping[str, object] = {"errors": list(errors)}


class RejectedEventError(SingleEventError):
    """The event breaks a rule of its format or of its meter."""


class ConflictingEventError(SingleEventError):
    """The same id came with other content, or its unit was counted before."""
