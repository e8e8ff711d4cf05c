"""The verifier in a bare folder: no Django, no driver of a database, no settings, nothing but its own few packages."""

import json
import shutil
import subprocess
import sys
from datetime import timedelta
from io import StringIO
from pathlib import Path

import cryptography
import pytest
from django.core.management import CommandError, call_command

from tests.billing import agreement
from tests.billing.bundles import deliver, events_edited, forged, opened, pack
from tests.billing.conftest import JUNE, MAY
from tests.factories import SigningDevice

ROOT = Path(__file__).resolve().parents[2]
PURE = ["__init__", "errors", "money", "periods", "documents", "planned", "offers"]
REFUSED = ("django", "psycopg", "rest_framework", "celery", "msgspec", "pyarrow", "stripe")
# What is run first: whoever imports one of these, from wherever, is told at once.
GUARD = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {REFUSED!r}:
            raise ImportError("the verifier may not import " + name)
sys.meta_path.insert(0, Refuse())
import runpy
sys.argv = sys.argv[1:]
runpy.run_module("billing.proof", run_name="__main__")
"""


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """A folder with the verifier and the one library it needs, and nothing of the service."""
    folder = tmp_path_factory.mktemp("alone")
    (folder / "billing").mkdir()
    for name in PURE:
        shutil.copy(ROOT / "billing" / f"{name}.py", folder / "billing")
    for name in ("rating", "proof"):
        shutil.copytree(ROOT / "billing" / name, folder / "billing" / name)
    (folder / "runtime").mkdir()
    shutil.copy(ROOT / "runtime" / "__init__.py", folder / "runtime")
    shutil.copytree(ROOT / "runtime" / "wire", folder / "runtime" / "wire")
    site = Path(cryptography.__file__).parents[1]
    for library in [site / "cryptography", site / "cffi", *site.glob("_cffi_backend*")]:
        (folder / library.name).symlink_to(library)
    return folder


@pytest.fixture
def invoice(acme, db):
    device = SigningDevice()
    device.enrol(acme)
    subscription = agreement.start(acme, agreement.plan(agreement.metered("0.10")))
    deliver(acme, device, MAY + timedelta(days=1), "a", "b", "c")
    (made,) = agreement.close(subscription, JUNE)
    return made


def run(folder, *arguments):
    """Without site-packages, the environment's variables, or the folder that the tests run in."""
    begin = f"import sys; sys.path.insert(0, {str(folder)!r})\n{GUARD}"
    command = [sys.executable, "-S", "-E", "-P", "-c", begin, "proof", *arguments]
    return subprocess.run(command, cwd=folder, env={}, capture_output=True, text=True, timeout=60, check=False)


def test_a_bundle_is_proved_by_the_verifier_alone(alone, invoice, tmp_path):
    path = tmp_path / "bundle.zip"
    call_command("bundle", invoice.number, out=path, archives=tmp_path, stdout=StringIO())
    done = run(alone, str(path))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("PROVED\n")
    assert f"  digest: {invoice.digest}\n" in done.stdout
    assert "  device edge-1, epoch 1: " in done.stdout


def test_what_is_wrong_is_said_with_an_exit_code(alone, invoice, tmp_path):
    def cheat(rows):
        rows[1]["data"]["outcome"] = "runtime_fault"

    path = tmp_path / "forged.zip"
    path.write_bytes(forged(events_edited(opened(pack(invoice, tmp_path)), cheat)))
    done = run(alone, str(path))
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.startswith("NOT PROVED\n")
    assert "(device edge-1, sequence 1 to 3): its events are not those that the device signed" in done.stdout
    assert "WRONG line 1: Turns: amount is '0.3', and '0.2' was worked out" in done.stdout


def test_the_answer_can_be_read_by_programs(alone, invoice, tmp_path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(pack(invoice, tmp_path))
    answer = json.loads(run(alone, str(path), "--json").stdout)
    assert (answer["proved"], answer["findings"], answer["facts"]["events"]) == (True, [], 3)


def test_the_digest_on_the_invoice_tells_whether_the_bundle_is_of_it(alone, invoice, tmp_path):
    path = tmp_path / "bundle.zip"
    path.write_bytes(pack(invoice, tmp_path))
    assert run(alone, str(path), "--digest", invoice.digest).returncode == 0
    assert run(alone, str(path), "--digest", "0" * 64).returncode == 1


def test_a_file_that_is_not_there_is_no_answer(alone, tmp_path):
    done = run(alone, str(tmp_path / "none.zip"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such file" in done.stderr


def test_the_command_says_why_there_is_no_bundle(invoice, tmp_path):
    with pytest.raises(CommandError, match="No issued invoice has the number INV-404"):
        call_command("bundle", "INV-404", out=tmp_path / "none.zip")
    assert list(tmp_path.iterdir()) == []
