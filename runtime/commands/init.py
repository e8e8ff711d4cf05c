"""`init`: make a device's home and show the public key to enrol it with."""

import argparse
import base64

from runtime import home
from runtime.commands.screen import show, show_json, tell


def run(arguments: argparse.Namespace) -> int:
    """Create the home, or confirm the one that is there. Standard output is the public key alone, in base64."""
    if arguments.device is None and (arguments.home / home.DEVICE_FILE).exists():
        made = home.load(path=arguments.home)
    else:
        made = home.create(path=arguments.home, device=arguments.device or home.draw_device_key())
    key = base64.b64encode(made.public_key).decode()
    if arguments.json:
        show_json({"device": made.device, "epoch": made.epoch, "public_key": key, "home": str(made.path)})
    else:
        tell(f"device {made.device}, epoch {made.epoch}, home {made.path}; its public key:")
        show(key)
    return 0
