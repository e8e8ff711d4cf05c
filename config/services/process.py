"""A server process that outlives its starter: started detached, found by pid and birth time, stopped by signal."""

import contextlib
import json
import os
import pwd
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from config.services.errors import ServiceDidNotStartError
from config.services.place import Place

POLL_SECONDS = 0.02
_IDENTITY = "server.json"


@dataclass(frozen=True, slots=True)
class Identity:
    """A process named so that a re-used pid is not mistaken for it."""

    pid: int
    born_at: float

    def process(self) -> psutil.Process | None:
        """Return the live process, or None where it has ended or its pid now belongs to another."""
        try:
            process = psutil.Process(self.pid)
            if process.status() == psutil.STATUS_ZOMBIE:
                _reap(self.pid)
                return None
            return process if abs(process.create_time() - self.born_at) < 1 else None
        except psutil.NoSuchProcess:
            return None


def _reap(pid: int) -> None:
    """Let an ended child of ours go; the child of another is that one's to reap."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)


def start(*, command: Sequence[str], log: Path, place: Place, environment: Mapping[str, str] | None = None) -> Identity:
    """Start `command` in a session of its own, as the servers' user, output appended to `log`."""
    with log.open("ab") as output:
        child = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=place.root,
            env=dict(environment) if environment is not None else None,
            start_new_session=True,
            user=place.user,
            group=group_of(place),
            extra_groups=[] if place.user is not None else None,
        )
    child.returncode = 0  # it is meant to outlive us: silence the "still running" warning of Popen
    return Identity(pid=child.pid, born_at=psutil.Process(child.pid).create_time())


def group_of(place: Place) -> int | None:
    """Return the group id of the servers' user; None where we do not change user."""
    return None if place.user is None else pwd.getpwnam(place.user).pw_gid


def wait_until(answers: Callable[[], bool], *, identity: Identity, log: Path, seconds: float) -> None:
    """Wait until `answers()` is true; raises ServiceDidNotStartError with the end of the log when it cannot be."""
    deadline = time.monotonic() + seconds
    while not answers():
        ended = identity.process() is None
        if ended or time.monotonic() > deadline:
            reason = "ended" if ended else f"did not answer within {seconds:.0f} s"
            raise ServiceDidNotStartError(f"The server {reason}. The end of {log}:\n{tail(log)}")
        time.sleep(POLL_SECONDS)


def stop(identity: Identity, *, signal: int, seconds: float = 60) -> None:
    """Send `signal` and wait for the end; after `seconds` raises ServiceDidNotStartError rather than kill data."""
    process = identity.process()
    if process is None:
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        process.send_signal(signal)
        try:
            process.wait(seconds)
        except psutil.TimeoutExpired:
            raise ServiceDidNotStartError(f"Process {identity.pid} did not stop within {seconds:.0f} s.") from None


def log_of(folder: Path) -> Path:
    """Return where the server of `folder` writes its log."""
    return folder / "server.log"


def remember(identity: Identity, folder: Path, place: Place) -> None:
    """Keep the identity of the server of `folder`."""
    place.write_private(folder / _IDENTITY, json.dumps({"pid": identity.pid, "born_at": identity.born_at}))


def recall(folder: Path) -> Identity | None:
    """Return the identity of the server of `folder` if its process lives; a stale or torn file is removed."""
    try:
        kept = json.loads((folder / _IDENTITY).read_text(encoding="utf-8"))
        identity = Identity(pid=kept["pid"], born_at=kept["born_at"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError):
        forget(folder)
        return None
    if identity.process() is None:
        forget(folder)
        return None
    return identity


def forget(folder: Path) -> None:
    """Drop the identity of a server that has ended."""
    (folder / _IDENTITY).unlink(missing_ok=True)


def still_answers(folder: Path, answers: Callable[[], bool], *, seconds: float) -> bool:
    """Say whether the server of `folder`, started before, answers; one that is just dying is seen to its end.

    Raises ServiceDidNotStartError for one that lives and says nothing.
    """
    identity = recall(folder)
    if identity is None:
        return False
    try:
        wait_until(answers, identity=identity, log=log_of(folder), seconds=seconds)
    except ServiceDidNotStartError:
        if identity.process() is not None:
            raise
        return False
    return True


def free_port(preferred: int | None) -> int:
    """Return `preferred` where nobody listens there, else any free port of 127.0.0.1."""
    for port in (preferred, 0):
        if port is None:
            continue
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("127.0.0.1", port))
                return int(probe.getsockname()[1])
    raise ServiceDidNotStartError("No free port on 127.0.0.1.")


def tail(log: Path, lines: int = 8) -> str:
    """Return the last lines of a log, for an error message."""
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) if log.exists() else ""
