"""The layout of a bundle: its files, the manifest over them, and the zip of which every byte is determined."""

import hashlib
import json
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import IO, Any, Final

from billing.proof.errors import BundleError
from billing.proof.report import Report
from runtime.wire import CanonicalError, canonical

FORMAT: Final = "agentmeter-bundle/1"
MANIFEST: Final = "manifest.json"
INVOICE: Final = "invoice.json"
TERMS: Final = "terms.json"
PLANS: Final = "plans.json"
METERS: Final = "meters.json"
BATCHES: Final = "batches.jsonl"
EVENTS: Final = "events.jsonl"
FILES: Final = (BATCHES, EVENTS, INVOICE, METERS, PLANS, TERMS)
_TIME: Final = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold: bytes must not tell when they were packed
_LEVEL: Final = 6
_CHUNK: Final = 1 << 20
_BEFORE, _BETWEEN, _AFTER = b'{"digest":"', b'","event":', b"}"
_START: Final = len(_BEFORE) + 64 + len(_BETWEEN)


@dataclass(slots=True)
class Packing:
    """A bundle being written; the files come one after the other, and the manifest at the end."""

    archive: zipfile.ZipFile
    digests: dict[str, str] = field(default_factory=dict)

    def add(self, name: str, chunks: Iterable[bytes]) -> None:
        """Write a file."""
        digest = hashlib.sha256()
        with self.archive.open(_entry(name), "w", force_zip64=True) as file:
            for chunk in chunks:
                digest.update(chunk)
                file.write(chunk)
        self.digests[name] = digest.hexdigest()

    def seal(self, *, invoice: str, digest: str) -> None:
        """Write the manifest: what the bundle is of, and the digest of every file."""
        manifest = {"format": FORMAT, "invoice": invoice, "digest": digest, "files": self.digests}
        with self.archive.open(_entry(MANIFEST), "w", force_zip64=True) as file:
            file.write(canonical(manifest))


@contextmanager
def packing(out: IO[bytes]) -> Iterator[Packing]:
    """Write a bundle; the same content gives the same bytes."""
    with zipfile.ZipFile(out, "w") as archive:
        yield Packing(archive)


def text_of(document: object) -> bytes:
    """Return a document as JSON, its names in the order they have: that of dimensions is on the invoice.

    Raises CanonicalError for what JSON has no one text for.
    """
    canonical(document)
    return json.dumps(document, separators=(",", ":"), ensure_ascii=False).encode()


def event_line(event: bytes) -> bytes:
    """Return the line of an event, given as JSON without line feeds, behind its digest."""
    return _BEFORE + hashlib.sha256(event).hexdigest().encode() + _BETWEEN + event + _AFTER + b"\n"


def event_of(line: bytes) -> tuple[bytes, str]:
    """Return the JSON of an event and the digest that its line says. Raises BundleError."""
    line = line.removesuffix(b"\n")
    if not line.startswith(_BEFORE) or line[_START - len(_BETWEEN) : _START] != _BETWEEN or not line.endswith(_AFTER):
        raise BundleError("it is not a digest and an event")
    return line[_START : -len(_AFTER)], line[len(_BEFORE) : _START - len(_BETWEEN)].decode("ascii", "replace")


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle that is read."""

    archive: zipfile.ZipFile

    def read(self, name: str) -> bytes:
        """Return a file. Raises BundleError."""
        try:
            return self.archive.read(name)
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise BundleError(f"{name}: it cannot be read: {error}") from error

    def json(self, name: str) -> Any:  # noqa: ANN401 - whatever JSON holds
        """Return what a file of JSON says. Raises BundleError unless it is in the one form that there is."""
        raw = self.read(name)
        try:
            found = json.loads(raw.decode())
            is_ours = text_of(found) == raw
        except (ValueError, RecursionError, CanonicalError) as error:
            raise BundleError(f"{name}: it is not JSON: {error}") from error
        if not is_ours:
            raise BundleError(f"{name}: it is not in the form that it was written in")
        return found

    def lines(self, name: str) -> Iterator[bytes]:
        """Yield the lines of a file. Raises BundleError."""
        try:
            with self.archive.open(name) as file:
                yield from file
        except (KeyError, zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            raise BundleError(f"{name}: it cannot be read: {error}") from error


@contextmanager
def opened(file: IO[bytes]) -> Iterator[Bundle]:
    """Read a bundle. Raises BundleError where it is no zip."""
    try:
        archive = zipfile.ZipFile(file)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BundleError(f"it is no bundle: {error}") from error
    with archive:
        yield Bundle(archive)


def check(bundle: Bundle, report: Report) -> Mapping[str, Any]:
    """Compare the files with the manifest and return it, as far as it can be read."""
    names = [one.filename for one in bundle.archive.infolist()]
    if sorted(names) != sorted([*FILES, MANIFEST]):
        report.find("bundle", "files", f"must be {', '.join(sorted([*FILES, MANIFEST]))}, not {', '.join(names)}")
    try:
        manifest = bundle.json(MANIFEST)
    except BundleError as error:
        report.find("file", MANIFEST, str(error))
        return {}
    if not isinstance(manifest, dict) or manifest.keys() != {"format", "invoice", "digest", "files"}:
        report.find("file", MANIFEST, "must say the format, the invoice, its digest and the files")
        return {}
    if manifest["format"] != FORMAT:
        report.find("file", MANIFEST, f"the format is {manifest['format']!r}, not {FORMAT}")
    _check_files(bundle, manifest["files"], report)
    return manifest


def _check_files(bundle: Bundle, digests: Any, report: Report) -> None:  # noqa: ANN401
    if not isinstance(digests, dict) or sorted(digests) != sorted(FILES):
        report.find("file", MANIFEST, f"must have a digest for each of {', '.join(FILES)}")
        return
    for name in FILES:
        try:
            found = _digest(bundle, name)
        except BundleError as error:
            report.find("file", name, str(error))
            continue
        if found != digests[name]:
            report.find("file", name, "its bytes are not those that the manifest has the digest of")


def _digest(bundle: Bundle, name: str) -> str:
    digest = hashlib.sha256()
    for line in bundle.lines(name):
        digest.update(line)
    return digest.hexdigest()


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, _TIME)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = 0o644 << 16
    return entry
