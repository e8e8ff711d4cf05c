"""Workers that are killed in the middle of a close, again and again: in the end every customer has one right invoice.

KILLS says how often (8), KILL_SEED at which instants.
"""

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from decimal import Decimal
from io import StringIO
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
from django.conf import settings
from django.core.management import call_command
from django.db import connection

from billing import ledger
from billing.models import BillingPeriod, CloseRun, Invoice, LedgerTransaction, OutboxMessage
from billing.models.subscriptions import PeriodStatus
from metering import usage
from tests.billing.agreement import metered, plan, start
from tests.billing.conftest import JUNE, MAY
from tests.billing.usage import Sender
from tests.factories import customer

pytestmark = pytest.mark.usefixtures("committed")

ROOT = Path(__file__).resolve().parents[2]
CUSTOMERS = 200
KILLS = int(os.environ.get("KILLS", "8"))
LONGEST_SECONDS = 0.1  # about what a few closes take: within it lies the instant of a kill, in any stage of one
DUE = JUNE + timedelta(hours=2)
DEADLINE_SECONDS = 120


@pytest.fixture
def customers(committed):
    """As many as there are, each with some turns in May at 1.00 a turn: the first one, the second two, and so on."""
    send, version = Sender(), plan(metered("1.00"))
    for number in range(1, CUSTOMERS + 1):
        one = customer(f"customer-{number}")
        start(one, version)
        send.turns(one, MAY, number % 7 + 1)
    send.fold(JUNE)


def command():
    """Start closing, by two processes, on the database of this test."""
    server = urlsplit(os.environ["DATABASE_URL"])
    address = urlunsplit(server._replace(path=f"/{settings.DATABASES['default']['NAME']}"))
    line = [sys.executable, "manage.py", "close", "--now", DUE.isoformat(), "--workers", "2"]
    return subprocess.Popen(
        line, cwd=ROOT, env=os.environ | {"DATABASE_URL": address}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True,
    )  # fmt: skip


def wait_for(process, invoices):
    """Wait until a worker is on a chunk, on which it holds a lock, and so many invoices are there."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while Invoice.objects.count() < invoices or not is_working():
        if process.poll() is not None:
            assert process.returncode == 0, process.stderr.read().decode()
            return
        assert time.monotonic() < deadline, "the close does not go on"
        time.sleep(0.002)


def is_working():
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted"
            " AND classid = (hashtext('billing.close_chunk')::bigint & 4294967295)::oid"
        )
        return cursor.fetchone()[0] > 0


def kill(process):
    """End it with its workers, as a power cut does."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


def test_a_close_that_is_killed_at_random_instants_ends_with_one_right_invoice_for_each_customer(customers):
    instants = random.Random(os.environ.get("KILL_SEED", "20260601"))
    reached = [0]
    for _ in range(KILLS):
        process = command()
        wait_for(process, reached[-1] + instants.randint(0, CUSTOMERS // KILLS))
        time.sleep(instants.uniform(0, LONGEST_SECONDS))
        kill(process)
        reached.append(Invoice.objects.count())
    print(f"invoices after each of {KILLS} kills: {reached[1:]}")  # noqa: T201 - shown where the test fails, or by -s
    last = command()
    _, told = last.communicate(timeout=DEADLINE_SECONDS)
    assert last.returncode == 0, told.decode()
    assert 0 < reached[KILLS // 2] < CUSTOMERS, "the kills were not in the middle of the close"
    check_everything()


def check_everything():
    numbers = list(Invoice.objects.order_by("number").values_list("number", flat=True))
    assert numbers == [f"AM-{number:06}" for number in range(1, CUSTOMERS + 1)]
    totals = {key: int(total) for key, total in Invoice.objects.values_list("customer__key", "total")}
    assert totals == {f"customer-{number}": number % 7 + 1 for number in range(1, CUSTOMERS + 1)}
    assert LedgerTransaction.objects.filter(key__startswith="invoice:").count() == CUSTOMERS
    assert sum((one.amount.amount for one in ledger.trial_balance()), Decimal(0)) == 0
    collected = OutboxMessage.objects.filter(invoice__isnull=False).values("invoice").distinct()
    assert collected.count() == CUSTOMERS
    assert BillingPeriod.objects.filter(status=PeriodStatus.CLOSED).count() == CUSTOMERS
    assert BillingPeriod.objects.filter(status=PeriodStatus.OPEN, starts_at=JUNE).count() == CUSTOMERS
    assert set(Invoice.objects.values_list("fold", flat=True)) == {usage.latest_fold()}
    assert not CloseRun.objects.filter(finished_at=None).exists()
    call_command("verify", all=True, stdout=StringIO())
