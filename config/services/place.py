"""Where the embedded servers keep their files, and as which user they run."""

import hashlib
import os
import pwd
import shutil
from dataclasses import dataclass
from pathlib import Path

from config.services.errors import ServiceError


@dataclass(frozen=True, slots=True)
class Place:
    """A folder for the servers and the owner of its files; `user` is None where we are not root."""

    root: Path
    user: str | None

    def folder(self, name: str) -> Path:
        """Return the sub-folder `name`, made on first use, private to the servers' user."""
        path = self.root / name
        if not path.is_dir():
            path.mkdir(parents=True, mode=0o700)
            self.own(path)
        return path

    def own(self, path: Path) -> None:
        """Give `path` to the servers' user."""
        if self.user is not None:
            shutil.chown(path, self.user)

    def write_private(self, path: Path, content: str) -> None:
        """Write a file that only the servers' user may read, in one step."""
        draft = path.with_suffix(".new")
        with os.fdopen(os.open(draft, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
        self.own(draft)
        draft.replace(path)


def find(home: Path) -> Place:
    """Choose the place under `home`; PostgreSQL refuses to run as root, so root lends it an ordinary user.

    Where that user cannot reach `home` (a checkout under /root, say), the files go to a folder of /var/tmp that is
    named after `home`; opening the parents of `home` to everybody is not ours to do. A database that is there is never
    left for an empty one elsewhere: raises ServiceError where its folder was made private since.
    """
    if os.geteuid() != 0:
        home.mkdir(parents=True, exist_ok=True)
        return Place(root=home, user=None)
    user = "nobody"
    digest = hashlib.sha256(str(home).encode()).hexdigest()[:10]
    elsewhere = Path("/var/tmp") / f"agentmeter-{digest}"  # noqa: S108 a private 0700 folder, not a shared file
    is_reachable = _reachable(home.parent, user)
    if _holds_database(home) and not is_reachable:
        raise ServiceError(f"{home} holds a database, but {user} may not pass through its parents: `chmod o+x` them.")
    if not is_reachable or (_holds_database(elsewhere) and not _holds_database(home)):
        home = elsewhere
    home.mkdir(parents=True, exist_ok=True)
    home.chmod(0o755)
    return Place(root=home, user=user)


def reachable_copy(binaries: Path, place: Place) -> Path:
    """Return `binaries`, or a copy inside `place` where the servers' user cannot reach the original."""
    if place.user is None or _reachable(binaries, place.user):
        return binaries
    copy = place.root / f"binaries-{hashlib.sha256(str(binaries).encode()).hexdigest()[:10]}"
    if not copy.is_dir():
        draft = place.root / f"{copy.name}.{os.getpid()}"
        shutil.copytree(binaries, draft, symlinks=True)
        draft.rename(copy)
    return copy


def _holds_database(home: Path) -> bool:
    return (home / "postgres" / "data" / "PG_VERSION").exists()


def _reachable(path: Path, user: str) -> bool:
    """Say whether `user` may pass through `path` and each of its parents."""
    account = pwd.getpwnam(user)
    return all(_passable(part, account) for part in (path, *path.parents) if part.exists())


def _passable(folder: Path, account: pwd.struct_passwd) -> bool:
    status = folder.stat()
    if status.st_uid == account.pw_uid:
        return bool(status.st_mode & 0o100)
    if status.st_gid == account.pw_gid:
        return bool(status.st_mode & 0o010)
    return bool(status.st_mode & 0o001)
