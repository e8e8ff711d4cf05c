"""Who may do what with a spool: one process writes, one sends, any number reads."""

import fcntl
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from enum import StrEnum
from pathlib import Path

from runtime.errors import SpoolError, SpoolLockedError


class Role(StrEnum):
    """What a process opens a spool for; one writer and one sender at a time, readers without number."""

    WRITE = "write"
    SEND = "send"
    READ = "read"


def take_lock(path: Path, role: Role) -> AbstractContextManager[object]:
    """Return the held lock of a role, released on exit; the system releases it when the process dies, however it dies.

    Raises SpoolLockedError when another process, or another spool of this one, has the role.
    """
    if role is Role.READ:
        return nullcontext()
    try:
        file = path.with_name(f"{path.name}.{role}.lock").open("ab")
    except OSError as error:
        raise SpoolError(f"{path}: {error.strerror or error}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        file.close()
        raise SpoolLockedError(f"{path}: another process has it open to {role}") from error
    return file


@contextmanager
def opening(path: Path) -> Iterator[None]:
    """Let one process at a time open a spool, for SQLite does not wait where two turn a new file into WAL mode."""
    try:
        file = path.with_name(f"{path.name}.open.lock").open("ab")
    except OSError as error:
        raise SpoolError(f"{path}: {error.strerror or error}") from error
    with file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
