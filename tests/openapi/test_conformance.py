"""Schemathesis holds the running service against its document, with every check that it has, and finds nothing."""

import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from billing import catalog, closing, subscriptions
from billing.models import PlanVersion
from config.env import number
from metering import fold
from tests.factories import NOW, SigningDevice, api_key, customer

BEFORE = NOW - timedelta(days=70)
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
EXAMPLES = number("SCHEMATHESIS_EXAMPLES", 15)


@pytest.fixture
def key(committed, client):
    """A key of a customer with a device, a few events, a fold, a subscription and an invoice."""
    acme = customer("acme")
    for name in ("activity", "seats"):
        version = catalog.import_plan(document=catalog.read(path=catalog.PLANS / f"{name}.toml"), now=BEFORE)
        catalog.publish(version=version, now=BEFORE)
    activity = PlanVersion.objects.get(plan__key="activity")
    subscriptions.start(customer=acme, version=activity, starts_at=BEFORE, now=BEFORE)
    secret = api_key(acme)
    device = SigningDevice()
    device.enrol(acme)
    body, headers = device.batch(*(device.event(f"e-{n}", agent=f"agent-{n}") for n in range(3)))
    answer = client.post(
        "/v1/events",
        data=body,
        content_type="application/cloudevents-batch+json",
        headers={"Authorization": f"Bearer {secret}", **headers},
    )
    assert answer.json()["accepted"] == 3
    fold.fold_all(now=NOW + timedelta(hours=1))
    assert closing.close_due(now=NOW).invoices
    return secret


def test_schemathesis_finds_nothing(live_server, key, tmp_path):
    run = subprocess.run(
        [
            str(Path(sys.executable).with_name("schemathesis")),
            *("--config-file", str(CONFIGURATION)),
            "run",
            f"{live_server.url}/v1/schema?format=json",
            *("--header", f"Authorization: Bearer {key}"),
            *("--checks", "all"),
            *("--max-examples", str(EXAMPLES)),
            *("--seed", "1"),
            *("--workers", "1"),
            "--continue-on-failure",
            "--no-color",
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
