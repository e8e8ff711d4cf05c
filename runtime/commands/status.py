"""`status`: where a device's chain stands, and by which clocks."""

import argparse
import base64
import time
from dataclasses import asdict
from pathlib import Path

from runtime import home as homes
from runtime.commands.screen import show, show_json
from runtime.recorder import read_clock
from runtime.spool import Role, Spool
from runtime.wire import format_time

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def run(arguments: argparse.Namespace) -> int:
    """Show the spool and the clocks; changes nothing."""
    home = homes.load(path=arguments.home)
    with Spool(path=home.spool_path, device=home.device, epoch=home.epoch, role=Role.READ) as spool:
        status = spool.status()
    clock = read_clocks()
    if arguments.json:
        key = base64.b64encode(home.public_key).decode()
        show_json({**asdict(status), "public_key": key, "home": str(home.path), "clock": clock})
        return 0
    show(f"device      {status.device}, epoch {status.epoch}")
    show(f"sequence    {status.sequence}, of which {status.unsent} unsent")
    show(f"head        {status.head}")
    show(f"free        {status.free_bytes:,} bytes")
    for kind, count in status.written.items():
        show(f"{count:>10}  {kind}")
    show(f"clock       {clock['wall']}, boot {clock['boot_id'] or 'unknown'}, {clock['boottime_ns']} ns after boot")
    return 0


def read_clocks() -> dict[str, str | int | None]:
    """Return the wall clock, the nanoseconds since boot (sleep included) and which boot that was.

    The wall clock of a device may be set wrong or jump; the other two tell how far apart two moments of one boot were.
    """
    boottime = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return {
        "wall": format_time(read_clock()),
        "boottime_ns": time.clock_gettime_ns(boottime),
        "boot_id": _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else None,
    }
