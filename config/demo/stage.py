"""The processes of the demonstration: web server, worker with beat, Stripe sandbox; started, awaited, stopped."""

import contextlib
import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import requests

from config.services.process import free_port, tail

START_SECONDS = 60
STOP_SECONDS = 15
WEB_PORT = 8000
SANDBOX_PORT = 12111


class StageError(Exception):
    """A process of the demonstration ended or did not answer; the message holds the end of its log."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the demonstration runs."""

    folder: Path
    web_url: str
    sandbox_url: str
    environment: Mapping[str, str]


@contextlib.contextmanager
def set_up(folder: Path) -> Iterator[Stage]:
    """Start the processes, yield where they answer, and stop them whatever happens. Raises StageError."""
    stage = _plan(folder)
    with contextlib.ExitStack() as running:
        for name, command, health in _processes(stage):
            running.enter_context(_process(name=name, command=command, health=health, stage=stage))
        yield stage


def _plan(folder: Path) -> Stage:
    folder.mkdir(parents=True, exist_ok=True)
    web_url = f"http://127.0.0.1:{free_port(WEB_PORT)}"
    sandbox_url = f"http://127.0.0.1:{free_port(SANDBOX_PORT)}"
    environment = os.environ | {
        "AGENTMETER_URL": web_url,
        # The demonstration never touches a Stripe account, whatever key the shell has.
        "STRIPE_API_KEY": "sk_test_sandbox",
        "STRIPE_API_URL": sandbox_url,
        "STRIPE_WEBHOOK_SECRET": f"whsec_{secrets.token_hex(16)}",
    }
    return Stage(folder=folder, web_url=web_url, sandbox_url=sandbox_url, environment=environment)


def _processes(stage: Stage) -> list[tuple[str, list[str], str | None]]:
    """Return name, command and health address of each process."""
    sandbox_port, web_port = stage.sandbox_url.rsplit(":", 1)[1], stage.web_url.rsplit(":", 1)[1]
    sandbox = [sys.executable, "-m", "billing.stripe.sandbox", "--port", sandbox_port]
    sandbox += ["--database", str(stage.folder / "stripe-sandbox.db")]
    sandbox += ["--webhook-url", f"{stage.web_url}/webhooks/stripe"]
    web = [sys.executable, "-m", "granian", "--interface", "rsgi", "--host", "127.0.0.1", "--port", web_port]
    web += ["--no-ws", "config.ingest.application:application"]
    worker = [sys.executable, "-m", "celery", "-A", "config", "worker", "--beat", "--concurrency", "1"]
    worker += ["--schedule", str(stage.folder / "beat"), "--loglevel", "INFO"]
    return [
        ("stripe-sandbox", sandbox, f"{stage.sandbox_url}/_sandbox/health"),
        ("web", web, f"{stage.web_url}/healthz"),
        ("worker", worker, None),
    ]


@contextlib.contextmanager
def _process(*, name: str, command: list[str], health: str | None, stage: Stage) -> Iterator[None]:
    log = stage.folder / f"{name}.log"
    with log.open("wb") as output:
        child = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, env=dict(stage.environment),
            start_new_session=True,
        )  # fmt: skip
    try:
        if health is not None:
            _await(child, health, name=name, log=log)
        yield
    finally:
        _stop(child)


def _await(child: subprocess.Popen[bytes], health: str, *, name: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not _answers(health):
        if child.poll() is not None or time.monotonic() > deadline:
            raise StageError(f"The {name} process did not come up. The end of {log}:\n{tail(log)}")
        time.sleep(0.05)


def _answers(health: str) -> bool:
    try:
        return requests.get(health, timeout=2).ok
    except requests.RequestException:
        return False


def _stop(child: subprocess.Popen[bytes]) -> None:
    """End a process and its children: politely first, then for good; they hold no state of their own."""
    with contextlib.suppress(ProcessLookupError):
        child.send_signal(signal.SIGTERM)
    try:
        child.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        child.wait()
