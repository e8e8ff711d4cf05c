"""Why an endpoint cannot be had, or was not told.

BillingError
└── EndpointError                   webhooks out
    ├── EndpointAddressError        the address cannot be used; names the field
    ├── EndpointTypeError           a type of event that there is not; names the field
    ├── EndpointLimitError          the customer has as many endpoints as it may
    ├── UnknownDeliveryError        the endpoint was never to be told that
    └── NotDeliveredError           no answer came; the message says why
"""

from billing.errors import BillingError


class EndpointError(BillingError):
    """Base of what is refused or goes wrong about webhooks out."""


class EndpointAddressError(EndpointError):
    """The address cannot be used: its form, its scheme, or where it leads to."""

    @property
    def members(self) -> dict[str, object]:
        """The field as a JSON pointer, for the problem document (RFC 9457)."""
        return {"errors": [{"pointer": "/url", "detail": str(self)}]}


class EndpointTypeError(EndpointError):
    """There is no such type of event."""

    @property
    def members(self) -> dict[str, object]:
        """The field as a JSON pointer, for the problem document (RFC 9457)."""
        return {"errors": [{"pointer": "/types", "detail": str(self)}]}


class EndpointLimitError(EndpointError):
    """The customer has as many endpoints as it may have."""


class UnknownDeliveryError(EndpointError):
    """The endpoint has no delivery of this message."""


class NotDeliveredError(EndpointError):
    """The endpoint did not answer: no address, no connection, no HTTP, or too slow."""
