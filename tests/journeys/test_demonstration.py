"""What a newcomer sees: four customers' agents work, four invoices are paid; a second run makes no second invoice."""

import os
import re
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from config.services import place

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A checkout's local folder, empty as in a fresh clone, with databases of its own on servers of its own."""
    return tmp_path_factory.mktemp("demo")


def demonstrate(home) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in {"DATABASE_URL", "REDIS_URL"}}
    environment |= {"AGENTMETER_LOCAL": str(home), "COLUMNS": "140"}
    done = subprocess.run(
        [sys.executable, "manage.py", "demo", "--once"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    return done.stdout


@pytest.mark.xdist_group("demonstration")
def test_four_invoices_are_paid_and_never_made_twice(home):
    first = demonstrate(home)
    assert "4 invoices, all paid; 4 of them made by this run." in first
    numbers = sorted(re.findall(r"AM-\d+ \(paid\)", first))
    assert len(set(numbers)) == 4

    second = demonstrate(home)
    assert "4 invoices, all paid; 0 of them made by this run." in second
    assert sorted(re.findall(r"AM-\d+ \(paid\)", second)) == numbers

    url = (home / "services" / "postgres").exists()
    assert url or os.geteuid() == 0  # root may have been lent another place
    with pytest.raises(psycopg.OperationalError):  # what it started it stopped
        psycopg.connect(host="127.0.0.1", port=_port(home), user="agentmeter", dbname="agentmeter", connect_timeout=2)


def _port(home) -> int:
    return int((place.find(home / "services").root / "postgres" / "port").read_text())
