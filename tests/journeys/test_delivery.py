"""A device on a bad line: every batch arrives twice, the sender is killed in the middle, and no count changes."""

import json
import os
import signal
import subprocess
import sys
import threading
from base64 import b64decode
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import requests

from agents import devices
from agents.models import Device
from metering import usage
from metering.fold import fold_all
from metering.models import Event, Refusal
from tests.factories import NOW, api_key, customer

TASKS = 4


class BadLine:
    """Between device and service: passes each request on twice, and may kill the sender before it is answered."""

    def __init__(self, target):
        self.target, self.requests, self.kill_at = target, 0, 0
        self.victim: subprocess.Popen[str] | None = None
        line = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                headers = {name: value for name, value in self.headers.items() if name.lower() != "host"}
                line.requests += 1
                answers = [requests.post(line.target + self.path, data=body, headers=headers, timeout=30) for _ in "12"]
                answer = answers[-1]
                if line.victim is not None and line.requests == line.kill_at:
                    os.kill(line.victim.pid, signal.SIGKILL)
                    return
                self.send_response(answer.status_code)
                self.send_header("Content-Type", answer.headers["Content-Type"])
                self.send_header("Content-Length", str(len(answer.content)))
                self.end_headers()
                self.wfile.write(answer.content)

            def log_message(self, *_):
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def line(committed, live_server):
    line = BadLine(live_server.url)
    yield line
    line.server.shutdown()
    line.server.server_close()


def runtime(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "runtime", *arguments],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finished(process, code=0):
    out, err = process.communicate(timeout=60)
    assert process.returncode == code, err
    return out


def test_counts_do_not_change_whatever_the_line_does(line, tmp_path):
    acme = customer()
    home = str(tmp_path / "device")
    public_key = finished(runtime("init", "--home", home, "--device", "edge-1")).strip()
    devices.enrol(customer=acme, key="edge-1", public_key=b64decode(public_key), now=NOW)
    finished(runtime("run", "--home", home, "--tasks", str(TASKS), "--seed", "5"))
    spooled = json.loads(finished(runtime("status", "--home", home, "--json")))

    send = ["send", "--home", home, "--url", line.url, "--batch", "5"]
    secret = api_key(acme)
    line.kill_at, line.victim = 2, runtime(*send, AGENTMETER_KEY=secret)
    finished(line.victim, code=-signal.SIGKILL)
    after_kill = Event.objects.count()
    assert 0 < after_kill < spooled["unsent"]
    assert json.loads(finished(runtime("status", "--home", home, "--json")))["unsent"] > spooled["unsent"] - after_kill

    finished(runtime(*send, AGENTMETER_KEY=secret))
    assert line.requests > 2
    assert Event.objects.count() == spooled["unsent"]
    assert Device.objects.get().last_sequence == spooled["unsent"]
    assert not Refusal.objects.exists()
    by_type = Counter(Event.objects.values_list("type", flat=True))
    fold_all(now=NOW)
    for meter, kind in (("turns", "turn.completed"), ("tasks", "task.state_changed")):
        counted = usage.quantity(customer_id=acme.pk, meter=meter, **_all_time())
        assert 0 < counted <= by_type[f"io.agentmeter.{kind}.v1"]
    assert json.loads(finished(runtime("status", "--home", home, "--json")))["unsent"] == 0


def _all_time():
    first, last = Event.objects.order_by("time").values_list("time", flat=True)[0], Event.objects.latest("time").time
    return {
        "starts_at": first.replace(minute=0, second=0, microsecond=0),
        "ends_at": last.replace(year=last.year + 1, minute=0, second=0, microsecond=0),
    }
