"""The sandbox starts, keeps its state over a restart, and refuses what could do harm."""

import os
import socket
import subprocess
import sys
import time

import pytest
import requests
import stripe

from billing.stripe.sandbox.__main__ import main
from billing.stripe.sandbox.errors import ConfigurationError
from billing.stripe.sandbox.settings import Settings
from tests.stripe_sandbox.scene import (
    API_KEY,
    PATIENCE_SECONDS,
    VERSION,
    Receiver,
    add_customer,
    add_open,
    connect,
    open_sandbox,
)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def test_a_restart_keeps_everything_and_the_same_client_goes_on(tmp_path):
    path = tmp_path / "sandbox.sqlite3"
    with open_sandbox(path) as sandbox:
        port = int(sandbox.base_url.rpartition(":")[2])
        client = connect(sandbox)
        invoice = add_open(client, add_customer(client), 4200)
        events = len(client.v1.events.list().data)
    with pytest.raises(stripe.APIConnectionError):
        client.v1.invoices.retrieve(invoice.id)
    with open_sandbox(path, port=port):
        again = client.v1.invoices.retrieve(invoice.id)
        assert again.to_dict() == invoice.to_dict()
        assert len(client.v1.events.list().data) == events
        assert add_open(client, client.v1.customers.retrieve(invoice.customer), 100).number.endswith("-0002")


def test_the_command_serves_and_survives_being_killed(tmp_path, pytestconfig):
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "billing.stripe.sandbox",
        "--port",
        str(port),
        "--database",
        str(tmp_path / "s.db"),
    ]
    client = stripe.StripeClient(
        API_KEY,
        stripe_version=VERSION,
        max_network_retries=0,
        base_addresses={"api": f"http://127.0.0.1:{port}"},
        http_client=stripe.RequestsClient(timeout=(5, 30)),
    )
    made = []
    for _ in range(2):
        with subprocess.Popen(command, cwd=pytestconfig.rootpath, stderr=subprocess.DEVNULL) as process:
            wait_for(f"http://127.0.0.1:{port}/_sandbox/health")
            made.append(add_customer(client).id)
            assert len(client.v1.customers.list().data) == len(made)
            process.kill()


def wait_for(url):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            assert requests.get(url, timeout=1).status_code == 200
        except requests.ConnectionError:
            assert time.monotonic() < deadline, "the sandbox did not start"
        else:
            return


def test_the_command_signs_with_the_secret_of_its_environment(tmp_path, pytestconfig):
    port = free_port()
    command = [
        sys.executable,
        "-m",
        "billing.stripe.sandbox",
        "--port",
        str(port),
        "--database",
        str(tmp_path / "s.db"),
    ]
    environment = os.environ | {"STRIPE_WEBHOOK_SECRET": "whsec_of_the_shell"}
    with (
        Receiver() as receiver,
        subprocess.Popen(
            [*command, "--webhook-url", receiver.url],
            cwd=pytestconfig.rootpath,
            env=environment,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        wait_for(f"http://127.0.0.1:{port}/_sandbox/health")
        url = f"http://127.0.0.1:{port}/v1/customers"
        requests.post(url, data={"name": "Acme"}, auth=(API_KEY, ""), timeout=10)
        body, signature = receiver.take()
        assert stripe.WebhookSignature.verify_header(body, signature, "whsec_of_the_shell", 300)
        process.kill()


def test_a_port_in_use_and_a_missing_folder_are_told(tmp_path, sandbox, capsys):
    port = sandbox.base_url.rpartition(":")[2]
    assert main(["--port", port, "--database", str(tmp_path / "other.db")]) == 2
    assert f"cannot listen at 127.0.0.1:{port}" in capsys.readouterr().err
    assert main(["--port", "0", "--database", str(tmp_path / "nowhere" / "s.db")]) == 2
    assert "cannot open its database" in capsys.readouterr().err


@pytest.mark.parametrize("key", ["sk_live_real", "", "rk_test_restricted"])
def test_only_a_test_key_is_taken(tmp_path, key):
    with pytest.raises(ConfigurationError, match="sk_test_"):
        Settings(host="127.0.0.1", port=0, database=tmp_path / "s.db", api_key=key)


def test_the_command_says_why_it_does_not_start(tmp_path, capsys):
    arguments = ["--port", "0", "--database", str(tmp_path / "s.db"), "--webhook-url", "http://example.com/"]
    assert main(arguments) == 2
    assert "on this machine" in capsys.readouterr().err


@pytest.mark.parametrize(
    "headers", [{"Content-Length": "99999999"}, {"Transfer-Encoding": "chunked"}, {"Content-Length": "-1"}]
)
def test_a_body_of_unknown_or_great_length_is_not_read(sandbox, headers):
    host, port = sandbox.base_url.removeprefix("http://").split(":")
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(f"POST /v1/customers HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 413")


def test_every_answer_carries_a_request_id_and_the_version(sandbox):
    answer = requests.get(f"{sandbox.base_url}/v1/customers", timeout=10)
    assert answer.headers["Request-Id"].startswith("req_")
    assert answer.headers["Stripe-Version"] == VERSION
