"""A service of its own that can be killed at any moment, and its senders: what the durability tests are made of.

Killed means SIGKILL of the web server with its workers, or of PostgreSQL's postmaster. The operating system lives on,
so this proves what commits promise; that a commit reaches the disk is PostgreSQL's promise, for which fsync must be on.
"""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import psutil
import requests
from django.db import connections
from django.db.utils import load_backend
from psycopg.conninfo import conninfo_to_dict

from config.demo import stage
from config.services import Services, place, process
from metering.seeds import COMPUTE, TURN

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_SECONDS = 60
POLL_SECONDS = 0.01
RETRY_SECONDS = 0.05
SIZES = (1, 20, 1, 100, 3)  # of a sender's requests, in turn; a request of one is sent as a single event

Answer = tuple[int | None, str | None]  # status and Retry-After; both None where there was no answer


def wait_until(holds, *, what):
    """Wait until `holds()`; fails with `what` was awaited when the deadline has passed."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {DEADLINE_SECONDS} s"
        time.sleep(POLL_SECONDS)


class Service:
    """The web server, started as the demonstration starts it, on a PostgreSQL and a Redis of its own."""

    def __init__(self, folder):
        self.web_url = f"http://127.0.0.1:{process.free_port(None)}"
        self._database = place.find(folder / "services").root / "postgres"
        self._log = folder / "web.log"
        self._environment = os.environ | {"AGENTMETER_LOCAL": str(folder)}
        plan = stage.Stage(folder, self.web_url, "http://127.0.0.1:1", {})
        self._command = next(command for name, command, *_ in stage._processes(plan) if name == "web")
        self._web: psutil.Popen | None = None
        self.servers = Services(folder / "services")
        self.endpoints = self.servers.start()

    def manage(self, *arguments):
        """Run a management command."""
        command = [sys.executable, "manage.py", *arguments]
        subprocess.run(command, cwd=ROOT, env=self._everything(), check=True, capture_output=True, timeout=120)

    def start_web(self):
        with self._log.open("ab") as output:
            self._web = psutil.Popen(
                self._command, cwd=ROOT, env=self._everything(), stdin=subprocess.DEVNULL,
                stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        wait_until(self._is_up, what="The web server answers")

    def kill_web(self):
        """Kill it with its workers, and wait until they are gone."""
        if self._web is not None:
            family = [self._web, *self._web.children(recursive=True)]
            os.killpg(self._web.pid, signal.SIGKILL)  # one session, so nobody is left to tidy up
            wait_until(lambda: not any(map(_lives, family)), what="The killed processes are gone")
            self._web.wait()
            self._web = None

    def start_database(self):
        """Start it again; where it had to take another port, the web server must learn of it."""
        known, self.endpoints = self.endpoints, self.servers.start()
        if self.endpoints != known and self._web is not None:
            self.kill_web()
            self.start_web()

    def kill_database(self):
        identity = process.recall(self._database)
        assert identity is not None, "PostgreSQL ended by itself"
        os.kill(identity.pid, signal.SIGKILL)

    def stop(self):
        self.kill_web()
        self.servers.stop()

    @contextlib.contextmanager
    def connected(self, blocker):
        """Let Django's models in this thread read and write this service's database."""
        address = conninfo_to_dict(self.endpoints.database_url)
        theirs = {"NAME": "dbname", "USER": "user", "PASSWORD": "password", "HOST": "host", "PORT": "port"}
        settings = connections.settings["default"] | {ours: address[name] for ours, name in theirs.items()}
        usual = connections["default"]
        connections["default"] = load_backend(settings["ENGINE"]).DatabaseWrapper(settings, "default")
        try:
            with blocker.unblock():
                yield
        finally:
            connections["default"].close()
            connections["default"] = usual

    def _everything(self):
        return self._environment | self.endpoints.environment()

    def health(self):
        """Ask for its health as a load balancer does."""
        answer = requests.get(f"{self.web_url}/healthz", timeout=20)
        return answer.status_code, answer.headers.get("Retry-After")

    def _is_up(self):
        assert self._web is not None
        assert self._web.poll() is None, process.tail(self._log, lines=30)
        with contextlib.suppress(requests.RequestException):
            return self.health() == (200, None)
        return False


def _lives(one):
    try:
        return one.status() != psutil.STATUS_ZOMBIE  # the worker's new parent may take its time to bury it
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True)
class Sent:
    """A request: its events by (source, id), and what they were told, None for no answer that says 200."""

    events: dict[tuple[str, str], dict[str, Any]]
    verdicts: list[dict[str, Any]] | None


class Sender(threading.Thread):
    """Posts one request after the other, the same ones wherever its name is the same.

    A stubborn one repeats a request until it is acknowledged; another gives it up when it is not acknowledged at once.
    """

    def __init__(self, *, url, key, name, began, stubborn=True):
        super().__init__(name=name, daemon=True)
        self.stubborn, self._url, self._began = stubborn, url, began
        self._headers = {"Authorization": f"Bearer {key}"}
        self._leave = threading.Event()
        self.sent: list[Sent] = []
        self.answers: list[Answer] = []
        self.acknowledged = 0
        self.trouble = ""

    def leave(self):
        """Begin no further request."""
        self._leave.set()

    def run(self):
        try:
            with requests.Session() as session:
                for number in itertools.count():
                    if self._leave.is_set():
                        return
                    self._send(session, number)
        except Exception as error:  # noqa: BLE001 - told to the test, which fails for it
            self.trouble = f"{self.name}: {error!r}"

    def _send(self, session, number):
        events = [self._event(number, place) for place in range(SIZES[number % len(SIZES)])]
        body, kind = (events[0], "cloudevents") if len(events) == 1 else (events, "cloudevents-batch")
        headers = self._headers | {"Content-Type": f"application/{kind}+json"}
        answer = self._post(session, headers, json.dumps(body).encode())
        verdicts = None if answer is None else answer.json()["verdicts"]
        self.acknowledged += verdicts is not None
        self.sent.append(Sent({(one["source"], one["id"]): one for one in events}, verdicts))

    def _post(self, session, headers, body):
        """Return the answer that acknowledges it, or None where it is given up."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while True:
            answer = self._try(session, headers, body)
            if answer is not None and answer.status_code == 200:
                return answer
            self._leave.wait(RETRY_SECONDS)
            if not self.stubborn:
                return None
            assert time.monotonic() < deadline, f"no acknowledgement, last {self.answers[-1]}"

    def _try(self, session, headers, body):
        try:
            answer = session.post(f"{self._url}/v1/events", data=body, headers=headers, timeout=20)
        except requests.RequestException:
            self.answers.append((None, None))
            return None
        self.answers.append((answer.status_code, answer.headers.get("Retry-After")))
        assert answer.status_code in (200, 503), f"{answer.status_code} {answer.text[:500]}"
        return answer

    def _event(self, number, place):
        """Return an event: turns and compute in turn, each eighth request from a device and an agent never seen."""
        name = f"{self.name}-{number}-{place}"
        is_turn = place % 2 == 0
        unit = {"turn": name, "outcome": "answered"} if is_turn else {"slice": name, "milliseconds": 1000 + number}
        return {
            "specversion": "1.0",
            "id": f"e-{name}",
            "source": f"urn:agentmeter:device:{self.name}-{number // 8}",
            "type": TURN if is_turn else COMPUTE,
            "subject": f"agent-{self.name}-{number // 8}",
            "time": (self._began + timedelta(milliseconds=number)).isoformat(),
            "data": unit | {"agent": f"agent-{self.name}-{number // 8}"},
        }
