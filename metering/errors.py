"""What can go wrong in metering.

MeteringError
├── UnknownMeterError      no meter has this key
├── UnknownDimensionError  the meter is not split by this field
├── UnknownFoldError       the fold lies in the future
├── InvalidQueryError      a parameter of a question about usage cannot be used
└── InvalidMeterError      a field of a meter's definition cannot be used
"""

from collections.abc import Sequence


class MeteringError(Exception):
    """A request to metering that cannot be met; `parameter` names the field at fault."""

    def __init__(self, parameter: str, detail: str) -> None:
        super().__init__(f"{parameter}: {detail}")
        self.parameter = parameter
        self.detail = detail

    @property
    def members(self) -> dict[str, object]:
        """The `errors` member of a problem document (RFC 9457)."""
        return {"errors": [{"parameter": self.parameter, "detail": self.detail}]}


class UnknownMeterError(MeteringError):
    """There is no meter with this key."""

    def __init__(self, key: str) -> None:
        super().__init__("meter", f"There is no meter {key!r}.")


class UnknownDimensionError(MeteringError):
    """A meter was to be grouped or filtered by a field that it is not split by."""

    def __init__(self, field: str, *, meter: str, dimensions: Sequence[str]) -> None:
        known = ", ".join(dimensions) or "none"
        super().__init__(field, f"The meter {meter!r} is not split by {field!r}; its dimensions: {known}.")


class UnknownFoldError(MeteringError):
    """Usage was asked for as of a fold that has not happened."""

    def __init__(self, number: int, *, latest: int) -> None:
        super().__init__("as_of", f"There is no fold {number}; the latest is {latest}.")


class InvalidQueryError(MeteringError):
    """A parameter of a question about usage cannot be used."""


class InvalidMeterError(MeteringError):
    """A field of a meter's definition cannot be used."""
