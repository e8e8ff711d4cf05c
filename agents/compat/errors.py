"""What the compatible doors refuse in their own words.

AgentsError
└── CompatibilityError
    ├── RefusedEventsError       events of an OpenMeter request are malformed or cannot be counted
    ├── ContradictedEventsError  events of an OpenMeter request contradict what was counted
    ├── InvalidEventsError       events of a Lago request cannot be taken in; `code` is Lago's
    └── EventNotFoundError       no event has this transaction id
"""

from collections.abc import Mapping, Sequence

from agents.errors import AgentsError


class CompatibilityError(AgentsError):
    """A request at a compatible door that cannot be met."""


class _NamedEventsError(CompatibilityError):
    def __init__(self, errors: Sequence[Mapping[str, str]], *, accepted: int) -> None:
        super().__init__(f"{accepted} events are stored; those named here are not. Sending all again is safe.")
        self.members: Mapping[str, object] = {"errors": list(errors)}


class RefusedEventsError(_NamedEventsError):
    """Events of the request are malformed or cannot be counted."""


class ContradictedEventsError(_NamedEventsError):
    """Events of the request contradict what was counted."""


class InvalidEventsError(CompatibilityError):
    """Events of the request cannot be taken in; `details` are by field, or by place in the batch and field."""

    def __init__(self, code: str, details: Mapping[str, object] | None = None) -> None:
        super().__init__(code)
        self.members: Mapping[str, object] = {"code": code} | ({"error_details": details} if details else {})


class EventNotFoundError(CompatibilityError):
    """No event has this transaction id."""

    members: Mapping[str, object] = {"code": "event_not_found"}
