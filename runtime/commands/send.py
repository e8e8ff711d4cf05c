"""`send`: deliver the spool to the service."""

import argparse
import os
from dataclasses import asdict

from runtime import home as homes
from runtime.commands.screen import ProgressLine, show, show_json, tell
from runtime.patience import Patience
from runtime.sender import Delivered, deliver
from runtime.spool import Role, Spool
from runtime.transport import Transport


class UsageError(Exception):
    """The command line or the environment lacks something or holds nonsense."""


def run(arguments: argparse.Namespace) -> int:
    """Send everything; 1 when the service took an event but will not bill it, for that needs a look."""
    transport = _open_transport(arguments)
    home = homes.load(path=arguments.home)
    try:
        with Spool(path=home.spool_path, device=home.device, epoch=home.epoch, role=Role.SEND) as spool:
            line = ProgressLine(what="events", total=spool.status().unsent)
            try:
                delivered = deliver(
                    spool=spool,
                    private_key=home.private_key,
                    transport=transport,
                    patience=Patience(attempts=arguments.attempts),
                    limit=arguments.batch,
                    watch=lambda so_far: line.advance(to=so_far.events),
                )
            finally:
                line.close()
    finally:
        transport.close()
    _report(delivered, as_json=arguments.json)
    return 1 if delivered.conflict or delivered.rejected else 0


def _open_transport(arguments: argparse.Namespace) -> Transport:
    url = arguments.url or os.environ.get("AGENTMETER_URL", "")
    if not url:
        raise UsageError("where to? give --url, or set AGENTMETER_URL")
    key = os.environ.get(arguments.key_env, "")
    if not key:
        raise UsageError(f"set the environment variable {arguments.key_env} to the API key, or name another: --key-env")
    try:
        return Transport(url=url, api_key=key)
    except ValueError as error:
        raise UsageError(str(error)) from error


def _report(delivered: Delivered, *, as_json: bool) -> None:
    if as_json:
        show_json(asdict(delivered))
        return
    show(f"sent       {delivered.events} events in {delivered.batches} batches, {delivered.retries} retries")
    show(f"accepted   {delivered.accepted}")
    show(f"duplicate  {delivered.duplicate}")
    show(f"conflict   {delivered.conflict}")
    show(f"rejected   {delivered.rejected}")
    for reason in delivered.reasons:
        tell(f"not billed: {reason}")
