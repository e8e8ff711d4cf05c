"""The clock that cannot be set: which boot of a device it was, and how long into it; sleep counts."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

BOOT_ID = re.compile(r"[A-Za-z0-9-]{1,64}")
BOOT_TIME = re.compile(r"0|[1-9][0-9]{0,18}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """A moment of one boot. Two moments of the same boot are exactly as far apart as their `nanoseconds`."""

    id: str
    nanoseconds: int

    def to_attributes(self) -> dict[str, str]:
        """Return the extension attributes that carry it on an event and the fields that carry it in a header."""
        return {"bootid": self.id, "boottime": str(self.nanoseconds)}

    @classmethod
    def from_attributes(cls, event: Mapping[str, object]) -> "Boot | None":
        """Return what an event says, or None where it says nothing that can be used."""
        boot_id, boot_time = event.get("bootid"), event.get("boottime")
        if not isinstance(boot_id, str) or not isinstance(boot_time, str):
            return None
        if not BOOT_ID.fullmatch(boot_id) or not BOOT_TIME.fullmatch(boot_time):
            return None
        return cls(id=boot_id, nanoseconds=int(boot_time))
