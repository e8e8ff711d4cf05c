"""Servers of the measurement: PostgreSQL and Redis of their own (durable), the service, the typical view, a folder."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import requests

from config.services import Services
from config.services.process import free_port

ROOT = Path(__file__).resolve().parents[2]
LOCAL = Path(os.environ.get("AGENTMETER_LOCAL") or ROOT / ".local")
START_SECONDS = 60


@contextlib.contextmanager
def database() -> Iterator[str]:
    """Start the servers with an empty database, point Django at it, and stop them in the end; yields its URL."""
    services = Services(LOCAL / "bench")
    endpoints = services.start()
    with psycopg.connect(endpoints.database_url.rsplit("/", 1)[0] + "/postgres", autocommit=True) as connection:
        connection.execute("DROP DATABASE IF EXISTS agentmeter WITH (FORCE)")
        connection.execute("CREATE DATABASE agentmeter")
    os.environ.update(endpoints.environment())
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    try:
        yield endpoints.database_url
    finally:
        services.stop()


@dataclass(frozen=True, slots=True)
class Target:
    """Where a load goes."""

    port: int
    path: str
    headers: dict[str, str]


@contextlib.contextmanager
def service() -> Iterator[int]:
    """Run the service as the demonstration does, under granian with one worker; yields its port."""
    options = ["--interface", "rsgi", "--no-ws", "--log-level", "error", "--host", "127.0.0.1"]
    with _listening(["granian", *options, "config.ingest.application:application"], "--port", "{}") as port:
        yield port


@contextlib.contextmanager
def typical() -> Iterator[int]:
    """Run the typical view as Django is typically run, under gunicorn: two workers of four threads; yields its port."""
    options = ["--workers", "2", "--threads", "4", "--log-level", "error"]
    with _listening(["gunicorn", *options, "tests.bench.typical:application"], "--bind", "127.0.0.1:{}") as port:
        yield port


@contextlib.contextmanager
def _listening(module: list[str], flag: str, address: str) -> Iterator[int]:
    port = free_port(None)
    with child([sys.executable, "-m", *module, flag, address.format(port)]) as process:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{module[0]} did not come up.")
            time.sleep(0.05)
        yield port


@contextlib.contextmanager
def folding() -> Iterator[None]:
    """Fold beside the load, as the worker does."""
    with child([sys.executable, "-m", "tests.bench.folding"]):
        yield


@contextlib.contextmanager
def child(command: list[str]) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(command, cwd=ROOT)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def load(target: Target, *, size: int, connections: int, bodies: int, seconds: float) -> dict[str, Any]:
    """Send requests of `size` events for a while from a process of its own; returns what it measured."""
    orders = {
        "host": "127.0.0.1",
        "port": target.port,
        "path": target.path,
        "headers": target.headers | {"Content-Type": _content_type(target, size)},
        "connections": connections,
        "seconds": seconds,
        "warmup": 0.5,
        "size": size,
        "bodies": bodies,
    }
    with subprocess.Popen(
        [sys.executable, "-m", "tests.bench.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(orders) + "\n")
        process.stdin.flush()
        process.stdout.readline()  # ready
        process.stdin.write("go\n")
        process.stdin.flush()
        result: dict[str, Any] = json.loads(process.stdout.readline())
    if result["refused"]:
        raise RuntimeError(f"Refused: {result['refused']}")
    return result


def _content_type(target: Target, size: int) -> str:
    if target.path == "/events":
        return "application/json"
    return "application/cloudevents+json" if size == 1 else "application/cloudevents-batch+json"


def _listens(port: int) -> bool:
    try:
        requests.get(f"http://127.0.0.1:{port}/healthz", timeout=2)
    except requests.RequestException:
        return False
    return True
