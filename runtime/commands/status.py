"""`status`: where a device's chain stands, and by which clocks."""

import argparse
import base64
from dataclasses import asdict

from runtime import home as homes
from runtime.boot import read_boot
from runtime.commands.screen import show, show_json
from runtime.recorder import read_clock
from runtime.spool import Role, Spool
from runtime.wire import format_time


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
    boot = read_boot()
    return {
        "wall": format_time(read_clock()),
        "boottime_ns": boot.nanoseconds if boot else None,
        "boot_id": boot.id if boot else None,
    }
