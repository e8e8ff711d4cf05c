"""What can be wrong with something on the wire.

WireError
├── CanonicalError          a value has no canonical form
│   └── FloatOnWireError    a number is not an integer
├── BadHeaderError          a batch header is not what the wire says
├── ChainMismatchError      events and header do not belong together
└── BadSignatureError       a signature is malformed or not the device's
"""


class WireError(Exception):
    """Base of what can be wrong with something on the wire."""


class CanonicalError(WireError):
    """The value at the named path has no canonical JSON form."""


class FloatOnWireError(CanonicalError):
    """The value at the named path is a float; quantities travel as integers or text."""


class BadHeaderError(WireError):
    """The batch header is malformed; the message names the field."""


class ChainMismatchError(WireError):
    """The events are not those the batch header was made for; the message names the sequence."""


class BadSignatureError(WireError):
    """The signature is malformed, or was not made by this device over this header."""
