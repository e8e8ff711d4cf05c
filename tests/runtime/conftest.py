"""What tests of the runtime share: a device, a spool, a loaded nano model."""

from datetime import UTC, datetime

import pytest

from runtime import model, wire
from runtime.engine.llama import LlamaEngine
from runtime.recorder import Dimensions, Recorder
from runtime.spool import Role, Spool
from runtime.transport import Transport
from tests.runtime.delivery import KEY
from tests.runtime.service import Service

DEVICE = "press-7"
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture(scope="session")
def engine():
    """The shipped nano model; loaded once, since every decision begins in an empty context."""
    with LlamaEngine(path=model.resolve("nano-Q8_0")) as loaded:
        yield loaded


@pytest.fixture
def open_spool(tmp_path):
    """Open the spool of one device in a role, with any bound; all are closed at the end."""
    opened = []

    def open_in(role=Role.WRITE, **given):
        given = {"path": tmp_path / "spool.db", "device": DEVICE, "epoch": 1} | given
        opened.append(Spool(role=role, **given))
        return opened[-1]

    yield open_in
    for spool in opened:
        spool.close()


@pytest.fixture
def service():
    running = Service(public_key=KEY.public_key().public_bytes_raw(), device=DEVICE)
    yield running
    running.close()


@pytest.fixture
def transport(service):
    opened = Transport(url=service.url, api_key="am_live_key")
    yield opened
    opened.close()


@pytest.fixture
def recorder():
    """A recorder of which only the ids are left to chance."""
    return Recorder(dimensions=dimensions(), clock=lambda: NOON)


def dimensions():
    return Dimensions(
        agent="scout",
        device=DEVICE,
        processor="a processor",
        model="0" * 64,
        model_name="nano",
        architecture="llama",
        quantization="Q8_0",
        environment="test",
    )


def make_events(count, *, start=0, device=DEVICE, size=0):
    """Return small valid events, numbered in their data."""
    return [
        wire.compose(
            event_id=f"e-{number}",
            kind=wire.TURN_COMPLETED,
            device=device,
            agent="scout",
            time=NOON,
            data={"number": number, "padding": "x" * size},
        )
        for number in range(start, start + count)
    ]
