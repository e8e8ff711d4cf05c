"""A model file: described by its tensors, refused when it is not the published one."""

import json
import shutil

import pytest

from runtime import model
from runtime.errors import ModelDigestError, ModelFormatError, UnknownModelError


@pytest.fixture
def copied(tmp_path):
    """A shipped model and the manifest, in a folder of their own."""
    for name in ("nano-Q4_0.gguf", model.MANIFEST):
        shutil.copy(model.MODELS / name, tmp_path)
    return tmp_path / "nano-Q4_0.gguf"


@pytest.mark.parametrize("kind", ["Q8_0", "Q4_0"])
def test_a_shipped_model_is_what_its_tensors_say(kind):
    card = model.describe(model.resolve(f"nano-{kind}"))

    assert card.quantization == kind
    assert card.architecture == "llama"
    assert card.name == "edge-agent-nano"
    assert card.parameters == 508_800
    assert card.tensors == {kind: 22, "F32": 7}
    assert len(card.digest) == 64


def test_every_shipped_model_is_listed_with_its_size_and_licence():
    entries = json.loads((model.MODELS / model.MANIFEST).read_text())["models"]

    assert {entry["file"] for entry in entries} == {path.name for path in model.MODELS.glob("*.gguf")}
    for entry in entries:
        path = model.MODELS / entry["file"]
        assert (path.stat().st_size, model.verify(path)) == (entry["bytes"], entry["sha256"])
        assert entry["licence"] == "CC0-1.0"


def test_the_name_of_a_file_does_not_decide_its_quantization(copied, tmp_path):
    renamed = copied.rename(tmp_path / "nano-Q8_0.bin")

    assert model.describe(renamed).quantization == "Q4_0"


def test_one_flipped_bit_in_a_tensor_is_refused(copied):
    damaged = bytearray(copied.read_bytes())
    damaged[-5000] ^= 1
    copied.write_bytes(damaged)

    with pytest.raises(ModelDigestError, match="published was"):
        model.describe(copied)


def test_a_truncated_file_that_no_manifest_lists_is_still_no_model(copied):
    (copied.parent / model.MANIFEST).unlink()
    copied.write_bytes(copied.read_bytes()[:1000])

    with pytest.raises(ModelFormatError):
        model.describe(copied)


def test_a_manifest_that_cannot_be_read_is_refused_rather_than_ignored(copied):
    (copied.parent / model.MANIFEST).write_text("{}")

    with pytest.raises(ModelFormatError, match="manifest"):
        model.describe(copied)


def test_a_file_is_found_by_its_path_and_nonsense_is_refused(copied):
    assert model.resolve(str(copied)) == copied
    with pytest.raises(UnknownModelError, match=r"nano-Q4_0, nano-Q8_0"):
        model.resolve("nano-Q2_K")
