"""A model file: where it is, whether it is the published one, and what its tensors say it is."""

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from gguf import GGUFReader

from runtime.errors import ModelDigestError, ModelFormatError, UnknownModelError

MODELS = Path(__file__).parent / "models"
MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCard:
    """What a usage event says of the model that did the work.

    `quantization` is the tensor type that holds most bytes, read from the tensors: file names and file-level labels
    are often wrong (a quantizer falls back to other types where rows do not fit). `tensors` is the count by type.
    """

    name: str
    path: Path
    digest: str
    architecture: str
    quantization: str
    tensors: Mapping[str, int]
    parameters: int


def resolve(name: str) -> Path:
    """Return the path of a shipped model's name, or of a file; raises UnknownModelError."""
    shipped = _read_manifest(MODELS)
    if name in shipped:
        return MODELS / str(shipped[name]["file"])
    path = Path(name)
    if path.is_file():
        return path.absolute()
    raise UnknownModelError(f"{name} is neither a file nor one of the shipped models: {', '.join(sorted(shipped))}")


def describe(path: Path) -> ModelCard:
    """Verify a model file and return its card; to be called before each load.

    A file that a manifest.json beside it lists must have the digest given there: raises ModelDigestError otherwise.
    Engines run damaged tensors without complaint, so nothing else would notice. Raises ModelFormatError for a file
    that is not GGUF.
    """
    digest = verify(path)
    try:
        reader = GGUFReader(path)
        architecture = str(reader.fields["general.architecture"].contents())
        name = reader.fields.get("general.name")
        tensors = list(reader.tensors)
    except (ValueError, KeyError, IndexError, OSError) as error:
        raise ModelFormatError(f"{path}: not a readable GGUF model ({error})") from error
    if not tensors:
        raise ModelFormatError(f"{path}: the model holds no tensors")
    size: Counter[str] = Counter()
    for tensor in tensors:
        size[tensor.tensor_type.name] += int(tensor.n_bytes)
    return ModelCard(
        name=str(name.contents()) if name else path.stem,
        path=path,
        digest=digest,
        architecture=architecture,
        quantization=max(sorted(size), key=lambda kind: size[kind]),
        tensors=dict(Counter(tensor.tensor_type.name for tensor in tensors)),
        parameters=sum(int(tensor.n_elements) for tensor in tensors),
    )


def verify(path: Path) -> str:
    """Return the SHA-256 of a model file; raises ModelDigestError when its manifest gives another."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    for entry in _read_manifest(path.parent).values():
        if entry["file"] == path.name and entry["sha256"] != digest:
            raise ModelDigestError(f"{path}: SHA-256 is {digest}, published was {entry['sha256']}")
    return digest


def _read_manifest(folder: Path) -> dict[str, dict[str, object]]:
    """Return the entries of a folder's manifest by name; none where there is no manifest."""
    path = folder / MANIFEST
    if not path.exists():
        return {}
    try:
        return {entry["name"]: entry for entry in json.loads(path.read_text())["models"]}
    except (ValueError, KeyError, TypeError) as error:
        raise ModelFormatError(f"{path}: not a manifest ({error!r})") from error
