"""A fresh database on real servers for a measurement, durable as in production."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import django

from config.services import Services

HOME = Path(__file__).resolve().parents[2] / ".local" / "bench"


@contextmanager
def database(name: str) -> Iterator[None]:
    """Start the servers and make an empty database; both are gone afterwards. Django is set up within."""
    services = Services(HOME)
    os.environ.update(services.start().environment())
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
    os.environ["AGENTMETER_TEST_DATABASE"] = f"bench_{name}_{os.getpid()}"
    django.setup()
    from django.db import connection
    from django.test.utils import setup_databases, teardown_databases

    made = setup_databases(verbosity=0, interactive=False)
    try:
        with connection.cursor() as cursor:
            for setting in ("fsync", "synchronous_commit"):
                cursor.execute(f"SHOW {setting}")
                assert cursor.fetchone()[0] == "on", f"{setting} is off: the measurement would mean nothing"
        yield
    finally:
        teardown_databases(made, verbosity=0)
        services.stop()
