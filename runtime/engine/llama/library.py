"""Finds, checks and loads the llama.cpp shared object inside the pinned xllamacpp wheel."""

import ctypes
import functools
import importlib.metadata
import importlib.util
import os
import platform
from collections import deque
from pathlib import Path

from runtime.engine.llama import abi
from runtime.errors import EngineUnavailableError

_CPUINFO = Path("/proc/cpuinfo")
_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_WARNING, _ERROR = 3, 4  # GGML_LOG_LEVEL_WARN and _ERROR; 5 continues a line, mostly with dots of progress
_BYTES_PER_THREAD = 32 * 1024 * 1024

_log: deque[str] = deque(maxlen=20)


def _remember(level: int, text: bytes | None, _user_data: int | None) -> None:
    if level in (_WARNING, _ERROR) and text:
        _log.append(text.decode(errors="replace"))


_callback = abi.LogCallback(_remember)  # kept here: the library holds a bare pointer


def complaints() -> str:
    """Return what the library last warned of, for error messages, and forget it."""
    text = " ".join("".join(_log).split())
    _log.clear()
    return text or "the library gives no reason"


@functools.cache
def load() -> ctypes.CDLL:
    """Return the library, bound and self-tested; loaded once per process.

    Raises EngineUnavailableError when this machine cannot run it, and its subclass AbiMismatchError when it is not
    the build this binding was made for.
    """
    path = find(version=installed_version())
    require_avx2(machine=platform.machine(), cpuinfo=_CPUINFO.read_text() if _CPUINFO.exists() else "")
    library = open_library(path)
    abi.bind(library)
    abi.check_defaults(library)
    library.llama_log_set(_callback, None)
    library.llama_backend_init()
    return library


def installed_version() -> str:
    """Return the version of the wheel; raises EngineUnavailableError when it is not installed."""
    try:
        return importlib.metadata.version("xllamacpp")
    except importlib.metadata.PackageNotFoundError as error:
        raise EngineUnavailableError(f"xllamacpp is not installed; install xllamacpp=={abi.PINNED_VERSION}") from error


def find(*, version: str) -> Path:
    """Return the shared object of the pinned wheel without importing it; raises EngineUnavailableError."""
    if version != abi.PINNED_VERSION:
        raise EngineUnavailableError(f"xllamacpp is {version}; this runtime is made for {abi.PINNED_VERSION} only")
    spec = importlib.util.find_spec("xllamacpp")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for path in sorted(Path(folder).glob("xllamacpp*.so")):
            return path
    raise EngineUnavailableError("the xllamacpp wheel holds no shared object for this platform")


def require_avx2(*, machine: str, cpuinfo: str) -> None:
    """Refuse an x86 processor without AVX2, where the library would die of an illegal instruction.

    `cpuinfo` is the text of /proc/cpuinfo, empty where there is none. Raises EngineUnavailableError.
    """
    if machine.lower() not in {"x86_64", "amd64"} or not cpuinfo:
        return
    flags = next((line for line in cpuinfo.splitlines() if line.startswith("flags")), "")
    if "avx2" not in flags.split():
        raise EngineUnavailableError("this processor has no AVX2, which the llama.cpp build needs")


def open_library(path: Path) -> ctypes.CDLL:
    """Open a shared object; raises EngineUnavailableError saying what the machine lacks."""
    try:
        return ctypes.CDLL(str(path))
    except OSError as error:
        advice = ""
        if "libgomp" in str(error):
            advice = "; install the GNU OpenMP library (Debian, Ubuntu: libgomp1; Fedora, Alpine: libgomp)"
        raise EngineUnavailableError(f"cannot load {path.name}: {error}{advice}") from error


def available_cpus(*, quota: Path = _CPU_QUOTA) -> int:
    """Return how many CPUs this process may really use: its affinity, and its cgroup's quota rounded down."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if quota.exists():
        limit, period = quota.read_text().split()
        if limit != "max":
            allowed = min(allowed, int(limit) // int(period))
    return max(allowed, 1)


def choose_threads(*, model_bytes: int, cpus: int) -> int:
    """Return a thread count: one per 32 MiB of model, never more than the CPUs.

    Threads that wait for each other spin, and spinning is CPU time somebody pays for: a half-million-parameter model
    was measured to cost 16 times as much per token on two contended threads as on one.
    """
    return min(cpus, 1 + model_bytes // _BYTES_PER_THREAD)
