"""The servers of this checkout, for commands: started on need, left running, with an error a person can act on."""

import os
import sys
from functools import cache
from pathlib import Path

from config.services import Endpoints, ServiceError, Services

CHECKOUT = Path(__file__).resolve().parents[2]


@cache
def services() -> Services:
    """Return the servers of this checkout's local folder (AGENTMETER_LOCAL, default `.local`)."""
    return Services(Path(os.environ.get("AGENTMETER_LOCAL") or CHECKOUT / ".local") / "services")


def start_or_explain() -> Endpoints:
    """Start the servers and put them in our environment; ends the program with the reason where they cannot start."""
    try:
        endpoints = services().start()
    except ServiceError as error:
        sys.exit(f"The embedded servers did not start.\n{error}")
    os.environ.update(endpoints.environment())
    return endpoints
