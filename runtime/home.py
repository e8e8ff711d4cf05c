"""A device's home folder: its signing key, its name and epoch, and its spool."""

import json
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from runtime.errors import HomeError, HomeExistsError, HomeMissingError
from runtime.wire import DEVICE_KEY

KEY_FILE = "device.key"
DEVICE_FILE = "device.json"
SPOOL_FILE = "spool.db"
FIRST_EPOCH = 1

_SEED_BYTES = 32
_OTHERS = 0o077


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """A device that was initialised here. `epoch` counts its enrolments; each begins a chain of its own."""

    path: Path
    device: str
    epoch: int
    private_key: Ed25519PrivateKey

    @property
    def public_key(self) -> bytes:
        """The 32 raw bytes that the service verifies signatures with."""
        return self.private_key.public_key().public_bytes_raw()

    @property
    def spool_path(self) -> Path:
        """Where the spool is."""
        return self.path / SPOOL_FILE


def default_path() -> Path:
    """Return $AGENTMETER_HOME, or ~/.agentmeter."""
    chosen = os.environ.get("AGENTMETER_HOME")
    return Path(chosen) if chosen else Path.home() / ".agentmeter"


def draw_device_key() -> str:
    """Return a device key for a device nobody named; random, since host names repeat and may tell too much."""
    return f"edge-{secrets.token_hex(4)}"


def create(*, path: Path, device: str) -> Home:
    """Initialise a home, or return it unchanged when it already is this device's.

    Raises HomeExistsError when it is another device's and HomeError when the device key is malformed or the folder
    cannot be written. A creation that was interrupted is completed with the key it had made.
    """
    if not DEVICE_KEY.fullmatch(device):
        raise HomeError(f"device: {device!r} is not 1 to 100 letters, digits or ._~- beginning with a letter or digit")
    if (path / DEVICE_FILE).exists():
        home = load(path=path)
        if home.device != device:
            raise HomeExistsError(f"{path} is already the home of {home.device}, not of {device}")
        return home
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write_key(path / KEY_FILE)
        _write_device(path / DEVICE_FILE, {"device": device, "epoch": FIRST_EPOCH})
    except OSError as error:
        raise HomeError(f"{path}: {error.strerror or error}") from error
    return load(path=path)


def load(*, path: Path) -> Home:
    """Return the device that lives here; raises HomeMissingError, or HomeError when its files are unusable."""
    if not (path / DEVICE_FILE).exists():
        raise HomeMissingError(f"{path} holds no device; begin with: python -m runtime init --home {path}")
    try:
        about = json.loads((path / DEVICE_FILE).read_text())
        device, epoch = about["device"], about["epoch"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise HomeError(f"{path / DEVICE_FILE}: not the description of a device ({error!r})") from error
    if not isinstance(device, str) or not DEVICE_KEY.fullmatch(device):
        raise HomeError(f"{path / DEVICE_FILE}: device is malformed")
    if type(epoch) is not int or epoch < FIRST_EPOCH:
        raise HomeError(f"{path / DEVICE_FILE}: epoch is not an integer from {FIRST_EPOCH}")
    return Home(path=path, device=device, epoch=epoch, private_key=_read_key(path / KEY_FILE))


def _read_key(path: Path) -> Ed25519PrivateKey:
    try:
        seed, mode = path.read_bytes(), path.stat().st_mode
    except OSError as error:
        raise HomeError(f"{path}: {error.strerror or error}") from error
    if mode & _OTHERS:
        raise HomeError(f"{path}: others may read the key; run: chmod 600 {path}")
    if len(seed) != _SEED_BYTES:
        raise HomeError(f"{path}: a key has {_SEED_BYTES} bytes, not {len(seed)}")
    return Ed25519PrivateKey.from_private_bytes(seed)


def _write_key(path: Path) -> None:
    """Make a key unless there is one; whoever creates the file decides, so two processes cannot both succeed."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return
    with os.fdopen(handle, "wb") as file:
        file.write(Ed25519PrivateKey.generate().private_bytes_raw())
        file.flush()
        os.fsync(file.fileno())


def _write_device(path: Path, about: dict[str, object]) -> None:
    """Write the description in one step that a power cut leaves done or undone."""
    draft = path.with_suffix(".new")
    with draft.open("w") as file:
        file.write(json.dumps(about, indent=2) + "\n")
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
