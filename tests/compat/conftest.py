"""What tests of the compatible doors share: a live server, a customer with a key, a meter, and both SDKs."""

import gc
import time

import pytest
from django.db import connection
from lago_python_client import Client as LagoClient
from openmeter import Client as OpenMeterClient

from metering import fold, meters
from metering.aggregation import AGGREGATIONS
from metering.rules import Rule
from tests.factories import NOW, api_key, customer

TYPE = "prompt"
TOKENS = Rule(
    key="tokens",
    name="Tokens",
    unit="token",
    event_type=TYPE,
    aggregation=AGGREGATIONS["sum"],
    value_field="tokens",
    dimensions=("subject", "model"),
)


@pytest.fixture
def acme(committed):
    yield customer("acme")
    wait_for_hanging_up()


@pytest.fixture
def key(acme):
    return api_key(acme)


@pytest.fixture
def tokens(committed):
    """A meter that sums the tokens of prompts, by subject and model."""
    return meters.define(rule=TOKENS)


@pytest.fixture
def openmeter(live_server, key):
    with OpenMeterClient(endpoint=live_server.url, token=key) as client:
        yield client


@pytest.fixture
def lago(live_server, key):
    return LagoClient(api_key=key, api_url=live_server.url)


def count():
    """Fold what was received, so that it can be queried."""
    fold.fold_all(now=NOW)


def wait_for_hanging_up():
    """Wait until the live server's threads have left the database, which could not be taken down under them.

    An answer that an SDK raised about holds its connection, and with it a thread, until it is collected.
    """
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline and others():
        gc.collect()
        time.sleep(0.01)


def others():
    """Count the other sessions of this database."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
            " AND backend_type = 'client backend'"
        )
        return cursor.fetchone()[0]
