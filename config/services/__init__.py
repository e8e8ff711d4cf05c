"""Real PostgreSQL and Redis on this machine with no installation: started, found again, shared and stopped.

A process that uses the servers holds a shared lock on `users`; whoever leaves last may stop them, so that two
commands in one checkout never pull the servers from under each other.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from config.services import place, postgres, redis
from config.services.errors import ServiceError

__all__ = ["Endpoints", "ServiceError", "Services"]

DATABASE = "agentmeter"


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where the two servers answer."""

    database_url: str
    redis_url: str

    def environment(self) -> dict[str, str]:
        """Return what a child process needs in its environment to use the same servers."""
        return {"DATABASE_URL": self.database_url, "REDIS_URL": self.redis_url}


class Services:
    """The embedded servers of one home folder; servers of the operator's own take precedence.

    `started` says whether this object started any of them, and so whether it is its place to stop them.
    """

    def __init__(self, home: Path) -> None:
        self._home = home
        self._users: int | None = None
        self.started = False

    def start(self) -> Endpoints:
        """Start what is not running and not given by DATABASE_URL or REDIS_URL; returns where both answer.

        Raises ServiceError with a way on. Safe to call from many processes at once.
        """
        given = _given()
        if given.database_url and given.redis_url:
            return given
        chosen = place.find(self._home)
        with _locked(chosen.root / "starting"):
            self._join(chosen.root)
            self.started |= not (postgres.runs(chosen) and redis.runs(chosen))
            return Endpoints(
                database_url=given.database_url or postgres.start(chosen, database=DATABASE),
                redis_url=given.redis_url or redis.start(chosen),
            )

    def stop(self) -> bool:
        """Stop the servers unless another process uses them; says whether any was stopped."""
        chosen = place.find(self._home)
        with _locked(chosen.root / "starting"):
            if not self._leave(chosen.root):
                return False
            return any([redis.stop(chosen), postgres.stop(chosen)])

    def endpoints(self) -> Endpoints | None:
        """Return where the servers answered when last started, without starting anything; None if never."""
        given = _given()
        chosen = place.find(self._home)
        with contextlib.suppress(FileNotFoundError):
            return Endpoints(
                database_url=given.database_url or postgres.url(chosen, database=DATABASE),
                redis_url=given.redis_url or redis.url(chosen),
            )
        return None

    def _join(self, root: Path) -> None:
        if self._users is None:
            self._users = os.open(root / "users", os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._users, fcntl.LOCK_SH)

    def _leave(self, root: Path) -> bool:
        """Give up our share; true where nobody else holds one."""
        if self._users is not None:
            os.close(self._users)
            self._users = None
        with (root / "users").open("a") as users:
            try:
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return False
        return True


def _given() -> Endpoints:
    return Endpoints(database_url=os.environ.get("DATABASE_URL", ""), redis_url=os.environ.get("REDIS_URL", ""))


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
