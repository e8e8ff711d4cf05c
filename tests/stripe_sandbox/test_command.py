"""The sandbox runs alone: `manage.py stripe_sandbox` needs no database, no account and no other server."""

import os
import re
import subprocess
import sys

import pytest
import requests
from django.core.management import CommandError, call_command

from billing.management.commands.stripe_sandbox import own_endpoint, signing_secret


def test_the_command_serves_its_page_where_there_is_no_database(tmp_path, pytestconfig):
    command = [sys.executable, "manage.py", "stripe_sandbox", "--port", "0", "--webhook-url", ""]
    nowhere = {"DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing", "REDIS_URL": "redis://127.0.0.1:1/0"}
    environment = os.environ | nowhere | {"AGENTMETER_LOCAL": str(tmp_path / "local")}
    with subprocess.Popen(
        command, cwd=pytestconfig.rootpath, env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        url = next(found[1] for line in process.stderr if (found := re.search(r"answers at (http://\S+)", line)))
        assert requests.get(f"{url}/_sandbox/health", timeout=10).json()["status"] == "ok"
        assert "Invoices" in requests.get(url, timeout=10).text
        process.kill()
    assert (tmp_path / "local" / "stripe-sandbox.sqlite3").exists()


def test_a_setting_that_must_not_be_accepted_is_told(tmp_path):
    with pytest.raises(CommandError, match="on this machine"):
        call_command("stripe_sandbox", port=0, database=tmp_path / "s.db", webhook_url="http://example.com/")


@pytest.mark.parametrize(
    ("public_url", "endpoint"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/webhooks/stripe"),
        ("https://meter.example.com", ""),
        ("http://10.0.0.1", ""),
    ],
)
def test_events_go_to_the_service_itself_where_it_is_on_this_machine(settings, public_url, endpoint):
    settings.PUBLIC_URL = public_url
    assert own_endpoint() == endpoint


def test_events_are_signed_with_the_newest_secret(settings):
    settings.STRIPE_WEBHOOK_SECRET = "whsec_new, whsec_old"
    assert signing_secret() == "whsec_new"
    settings.STRIPE_WEBHOOK_SECRET = ""
    assert signing_secret() == "whsec_sandbox"
