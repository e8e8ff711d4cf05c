"""The command line: works from nothing, from any folder and without Django, and says what went wrong."""

import base64
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from runtime import home as homes
from runtime import model, wire
from runtime.__main__ import main
from runtime.commands import send as send_command
from runtime.patience import Patience
from runtime.spool import Role, Spool
from tests.runtime.service import LOSE_ACK, Service

ROOT = Path(__file__).parents[2]
BARE = """
import runpy, sys
class Forbid:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in {"django", "rest_framework", "celery", "psycopg", "stripe", "config", "metering"}:
            raise ImportError(f"{name} must not be needed")
sys.meta_path.insert(0, Forbid())
sys.argv = ["runtime", *sys.argv[1:]]
runpy.run_module("runtime", run_name="__main__")
"""


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


@pytest.fixture
def service(home, capsys):
    """A service at which the device of the home is enrolled."""
    main(["init", "--home", str(home), "--device", "press-7"])
    running = Service(public_key=base64.b64decode(capsys.readouterr().out), device="press-7")
    yield running
    running.close()


@pytest.fixture
def ask(home, capsys):
    """Run a command in this process and return its exit code, output and complaints."""

    def run(command, *arguments):
        code = main([command, "--home", str(home), *arguments])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def key(monkeypatch):
    monkeypatch.setenv("AGENTMETER_KEY", "am_live_key")
    monkeypatch.delenv("AGENTMETER_URL", raising=False)


def bare(folder, *arguments):
    """Start the command line in another folder, in a process that cannot import Django."""
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", BARE, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_run_works_from_nothing_in_another_folder_and_without_django(tmp_path, home):
    process = bare(tmp_path, "run", "--home", str(home), "--tasks", "5")
    output, complaints = process.communicate(timeout=60)

    assert process.returncode == 0, complaints
    assert re.search(r"^tasks +5 \(", output, re.MULTILINE)
    assert re.search(r"^compute +\d+ CPU ms$", output, re.MULTILINE)
    assert "tasks: 5 of 5" in complaints


def test_status_works_without_django_and_tells_the_clocks(tmp_path, home, ask):
    ask("run", "--tasks", "3")
    process = bare(tmp_path, "status", "--home", str(home), "--json")
    output, complaints = process.communicate(timeout=60)

    status = json.loads(output)
    assert process.returncode == 0, complaints
    assert status["sequence"] == status["unsent"] == sum(status["written"].values()) > 0
    assert status["written"][wire.TASK_STATE_CHANGED] == 3
    assert set(status["clock"]) == {"wall", "boottime_ns", "boot_id"}


def test_the_same_seed_gives_the_same_counts(tmp_path, capsys):
    counts = []
    for name in ("a", "b"):
        assert main(["run", "--home", str(tmp_path / name), "--tasks", "12", "--seed", "4", "--json"]) == 0
        made = json.loads(capsys.readouterr().out)
        counts.append({field: made[field] for field in ("states", "turns", "decisions", "tokens", "unsent")})

    assert counts[0] == counts[1]


def test_init_prints_the_public_key_alone_and_the_same_again(home, ask):
    code, output, complaints = ask("init", "--device", "press-7")

    assert code == 0
    assert len(base64.b64decode(output.strip(), validate=True)) == 32
    assert "press-7" in complaints
    assert ask("init")[1] == output
    assert json.loads(ask("init", "--json")[1])["public_key"] == output.strip()


def test_a_home_is_one_devices(ask):
    ask("init", "--device", "press-7")

    for command in (("init", "--device", "press-8"), ("run", "--device", "press-8", "--tasks", "1")):
        code, _, complaints = ask(*command)
        assert code == 1
        assert "home of press-7" in complaints


def test_what_was_run_is_sent_and_counted_once(ask, service, key):
    run = json.loads(ask("run", "--tasks", "4", "--agent", "scout", "--environment", "test", "--json")[1])
    service.faults.append(LOSE_ACK)

    code, output, _ = ask("send", "--url", service.url, "--json", "--batch", "10")

    sent = json.loads(output)
    assert code == 0
    assert (sent["events"], sent["duplicate"]) == (run["unsent"], 10)
    assert len(service.events) == run["unsent"]
    assert {event["subject"] for event in service.events.values()} == {"scout"}
    assert {event["data"]["environment"] for event in service.events.values()} == {"test"}
    assert json.loads(ask("status", "--json")[1])["unsent"] == 0


def test_the_address_may_come_from_the_environment(ask, service, key, monkeypatch):
    monkeypatch.setenv("AGENTMETER_URL", service.url)
    monkeypatch.setenv("OTHER_KEY", "am_test_key")
    ask("run", "--tasks", "1")

    code, output, _ = ask("send", "--key-env", "OTHER_KEY")

    assert code == 0
    assert re.search(r"^accepted +\d+$", output, re.MULTILINE)
    assert service.headers_seen[0]["Authorization"] == "Bearer am_test_key"


def test_events_that_will_not_be_billed_make_send_fail_and_say_why(ask, service, key):
    ask("run", "--tasks", "1")
    service.verdict = "rejected"

    code, _, complaints = ask("send", "--url", service.url)

    assert code == 1
    assert "not billed: e-0 rejected: /x bad" in complaints


def test_a_service_that_is_away_fails_the_command_and_keeps_the_events(ask, key, monkeypatch):
    monkeypatch.setattr(send_command, "Patience", lambda attempts: Patience(attempts=attempts, sleep=lambda _: None))
    ask("run", "--tasks", "1")

    code, _, complaints = ask("send", "--url", "http://127.0.0.1:1", "--attempts", "2")

    assert code == 1
    assert "after 2 attempts" in complaints
    assert json.loads(ask("status", "--json")[1])["unsent"] > 0


@pytest.mark.parametrize(
    ("arguments", "why"),
    [((), "AGENTMETER_URL"), (("--url", "x.example"), "http"), (("--url", "http://x", "--key-env", "NONE"), "NONE")],
)
def test_send_without_address_or_key_is_wrong_usage(ask, key, arguments, why):
    ask("init")

    code, _, complaints = ask("send", *arguments)

    assert code == 2
    assert why in complaints


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["run", "--tasks", "0"],
        ["run", "--tasks", "many"],
        ["run", "--environment", "prod"],
        ["run", "--agent", "a b"],
        ["send", "--batch", "501"],
    ],
)
def test_wrong_usage_exits_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(arguments)

    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_status_of_a_folder_without_a_device_fails_and_says_how_to_begin(ask):
    code, _, complaints = ask("status")

    assert code == 1
    assert "python -m runtime init" in complaints


def test_status_is_readable(ask):
    ask("run", "--tasks", "2")

    code, output, _ = ask("status")

    assert code == 0
    assert re.search(r"^ +2  io\.agentmeter\.task\.state_changed\.v1$", output, re.MULTILINE)


def test_a_damaged_model_is_refused(ask, tmp_path):
    for name in ("nano-Q4_0.gguf", model.MANIFEST):
        shutil.copy(model.MODELS / name, tmp_path)
    damaged = bytearray((tmp_path / "nano-Q4_0.gguf").read_bytes())
    damaged[200_000] ^= 1
    (tmp_path / "nano-Q4_0.gguf").write_bytes(damaged)

    code, _, complaints = ask("run", "--tasks", "1", "--model", str(tmp_path / "nano-Q4_0.gguf"))

    assert code == 1
    assert "SHA-256" in complaints
    assert json.loads(ask("status", "--json")[1])["sequence"] == 0


def test_an_interrupted_run_records_what_it_did_and_says_so(tmp_path, home):
    process = bare(tmp_path, "run", "--home", str(home), "--tasks", "1000000")
    assert "initialised" in process.stderr.readline()
    while not has_events(home):
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    output, complaints = process.communicate(timeout=60)

    assert process.returncode == 1
    assert "everything done is recorded" in complaints
    assert " canceled" in output


def has_events(home):
    about = homes.load(path=home)
    with Spool(path=about.spool_path, device=about.device, epoch=about.epoch, role=Role.READ) as spool:
        return spool.status().sequence > 0
