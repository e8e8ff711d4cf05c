"""A fresh sandbox for each test, and the SDK's client for it."""

import pytest

from tests.stripe_sandbox.scene import Clock, connect, open_sandbox


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def sandbox(tmp_path, clock):
    with open_sandbox(tmp_path / "sandbox.sqlite3", clock=clock) as running:
        yield running


@pytest.fixture
def client(sandbox):
    client = connect(sandbox)
    yield client
    client._requestor._get_http_client().close()
