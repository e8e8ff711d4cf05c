"""Starts the real PostgreSQL and Redis before Django reads its settings, once for all test processes of a run."""

import os
import sys
from pathlib import Path

from config.services import Services

_SERVICES = Services(Path(__file__).resolve().parents[1] / ".local" / "test")
_WORKER = "PYTEST_XDIST_WORKER" in os.environ

if not _WORKER:
    os.environ.update(_SERVICES.start().environment())
    os.environ["AGENTMETER_TEST_DATABASE"] = f"test_agentmeter_{os.getpid()}"


def pytest_unconfigure() -> None:
    """Stop the servers, unless another run still uses them."""
    if not _WORKER:
        _SERVICES.stop()
    sys.stdout.flush()
