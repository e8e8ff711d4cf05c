"""What tests of the compatible doors share: a live server, a customer with a key, a meter, and both SDKs."""

import pytest
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
    return customer("acme")


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
