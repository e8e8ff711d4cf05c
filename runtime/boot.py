"""Reads the clock that cannot be set: the time since boot, and which boot it is."""

import time
from pathlib import Path

from runtime.wire import Boot

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def read_boot() -> Boot | None:
    """Return the present moment of this boot, or None where the system does not name its boots."""
    if not _BOOT_ID.exists():
        return None
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return Boot(id=_BOOT_ID.read_text().strip(), nanoseconds=time.clock_gettime_ns(clock))
