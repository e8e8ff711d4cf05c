"""What can go wrong in metering.

MeteringError
├── UnknownMeterError      no meter has this key
├── UnknownDimensionError  the meter is not split by this field
├── UnknownFoldError       the fold lies in the future
├── ArchivedUsageError     the question needs events that lie in an archive only
├── YoungMeterError        the question goes back before what a meter could be filled with
├── InvalidQueryError      a parameter of a question about usage cannot be used
├── InvalidMeterError      fields of a meter's definition cannot be used
├── MeterTakenError        there is a meter with this key
├── MeterArchivedError     the meter is archived already
├── InvalidVoidError       a field of a correction cannot be used
├── UnknownEventError      the customer has no such event
├── ArchivedEventError     the event is in an archive only
├── NotArchivableError     a month of events is still needed where it is
├── ArchiveMismatchError   an archive does not hold what the database does
├── MissingArchiveError    the file of an archived month is not there
└── AlreadyVoidedError     the event was taken back before
"""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path


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


class ArchivedUsageError(MeteringError):
    """The question can be answered from events only, of which some lie in an archive."""

    def __init__(self, since: datetime) -> None:
        detail = f"Only whole quarters of an hour, as of the newest fold, can be asked for before {since.isoformat()}."
        super().__init__("from", detail)


class YoungMeterError(MeteringError):
    """A meter was defined after events were archived, and cannot answer for their time; or could not, made anew."""

    def __init__(self, meter: str, since: datetime) -> None:
        super().__init__("from", f"The events from which {meter!r} is filled begin at {since.isoformat()}.")


class InvalidQueryError(MeteringError):
    """A parameter of a question about usage cannot be used."""


class InvalidMeterError(MeteringError):
    """Fields of a meter's definition cannot be used; `faults` says of each what is wrong."""

    def __init__(self, *faults: tuple[str, str]) -> None:
        super().__init__(*faults[0])
        self.faults = faults

    @property
    def members(self) -> dict[str, object]:
        """The `errors` member of a problem document, with a JSON pointer to each field."""
        return {"errors": [{"pointer": f"/{name}", "detail": detail} for name, detail in self.faults]}


class MeterTakenError(MeteringError):
    """There is a meter with this key; a definition never changes, so another one needs a key of its own."""

    def __init__(self, key: str) -> None:
        super().__init__("key", f"There is a meter {key!r}; a definition never changes. Choose another key.")


class MeterArchivedError(MeteringError):
    """The meter was archived before."""

    def __init__(self, key: str) -> None:
        super().__init__("meter", f"The meter {key!r} is archived.")


class InvalidVoidError(MeteringError):
    """A field of a correction cannot be used."""

    @property
    def members(self) -> dict[str, object]:
        """The `errors` member of a problem document, with a JSON pointer to the field."""
        return {"errors": [{"pointer": f"/{self.parameter}", "detail": self.detail}]}


class UnknownEventError(MeteringError):
    """The customer has no accepted event of this source and id, or it was never taken back."""

    def __init__(self, event_id: str) -> None:
        super().__init__("id", f"There is no event {event_id!r} of this source.")


class ArchivedEventError(MeteringError):
    """The event lies in an archive only, where windows can no longer be made anew from it."""

    def __init__(self, event_id: str) -> None:
        super().__init__("id", f"The event {event_id!r} is archived; restore its month first.")


class AlreadyVoidedError(MeteringError):
    """The event was taken back before; an event can be taken back once."""

    def __init__(self, event_id: str) -> None:
        super().__init__("id", f"The event {event_id!r} was taken back before.")


class NotArchivableError(MeteringError):
    """A month of events cannot be archived yet; the message says what it waits for."""


class ArchiveMismatchError(MeteringError):
    """A file or a partition does not hold what was written; nothing was dropped."""


class MissingArchiveError(MeteringError):
    """Events lie in an archive whose file is not where archives are kept."""

    def __init__(self, month: str, folder: Path) -> None:
        super().__init__("archive", f"The events of {month} are archived, and {folder} has no events-{month}.parquet.")
