"""Bulk: many assessed cycles become drafts at once, by COPY; what is written is what `invoicing.draft` writes."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import cycle, islice
from typing import Final

from django.db import connection, transaction

from billing import texts
from billing.assessment import Assessment, Question
from billing.models import BillingPeriod
from billing.models.subscriptions import PeriodStatus
from billing.rating import memory
from billing.texts import Text, Texts

CHUNK: Final = 1000
_WRITERS: Final = 2  # while one waits for the disk or for Python, the other has the database at work
_MEMORY: Final = "32MB"  # holds the lines of a chunk, which a trigger sees together, and else would go to disk for it
_BLOCK: Final = 100  # drafts handed over at once: 100 KB are not copied again on their way, and keep the database busy


@dataclass(frozen=True, slots=True)
class Bill:
    """An assessed cycle that is to be drafted: what was asked, and what came out."""

    question: Question
    assessed: Assessment


def draft(*, bills: Iterable[Bill], now: datetime) -> int:
    """Claim the periods that are still open and write their drafts, all in one transaction; returns how many.

    A period that another close has claimed is left out: one conditional UPDATE decides, and a period has one invoice a
    moment, by constraint. Nothing of a chunk is written where anything of it fails.
    """
    made = Texts(created_at=now)
    return _store([made.of(bill.question, bill.assessed) for bill in bills], now)


def draft_all(*, bills: Iterable[Bill], now: datetime) -> int:
    """Draft as many as come, a chunk at a time, each in a transaction of its own; returns how many were written.

    While the database writes two chunks the next is drawn from `bills`, which is where it is rated; more than three are
    never held. A chunk that fails raises, and leaves the others written: what is still open can be drafted again.
    """
    made = Texts(created_at=now)
    rows = (made.of(bill.question, bill.assessed) for bill in bills)
    written = 0
    with memory.remembering(), _writers() as writers:
        pending: dict[ThreadPoolExecutor, Future[int]] = {}
        for writer in cycle(writers):
            if not (chunk := list(islice(rows, CHUNK))):
                break
            written += pending.pop(writer).result() if writer in pending else 0
            pending[writer] = writer.submit(_store, chunk, now)
        return written + sum(one.result() for one in pending.values())


@contextmanager
def _writers() -> Iterator[Sequence[ThreadPoolExecutor]]:
    """Start threads that write, each over the connection that Django opens for it, and close those in the end."""
    writers = [ThreadPoolExecutor(max_workers=1, thread_name_prefix="drafts") for _ in range(_WRITERS)]
    try:
        yield writers
    finally:
        for writer in writers:
            writer.submit(_leave)
            writer.shutdown()


def _leave() -> None:
    """Close the connection of the thread that this runs in."""
    connection.close()


@transaction.atomic
def _store(drafts: Sequence[Text], now: datetime) -> int:
    claimed = _claim([one.period_id for one in drafts], now)
    chosen = [one for one in drafts if one.period_id in claimed]
    numbers = _take_numbers(len(chosen))
    pairs = list(zip(numbers, chosen, strict=True))
    _copy(texts.INVOICES, (one.invoice_row(number) for number, one in pairs))
    _copy(texts.LINES, (one.line_rows(number) for number, one in pairs))
    return len(chosen)


def _claim(periods: Sequence[int], now: datetime) -> set[int]:
    """Close the periods that are open, and return which they were."""
    table = BillingPeriod._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL work_mem = '{_MEMORY}'")
        cursor.execute(
            f"WITH claimed AS ("  # noqa: S608 a table of ours
            f" UPDATE {table} SET status = %s, closed_at = %s WHERE id = ANY(%s) AND status = %s RETURNING id"
            f") SELECT array_agg(id) FROM claimed",  # one row: thousands of them take longer than what they say
            [PeriodStatus.CLOSED, now, list(periods), PeriodStatus.OPEN],
        )
        return set(cursor.fetchone()[0] or ())


def _take_numbers(count: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT array_agg(nextval(pg_get_serial_sequence('billing_invoice', 'id'))) FROM generate_series(1, %s)",
            [count],
        )
        return cursor.fetchone()[0] or []


def _copy(table: str, rows: Iterator[str]) -> None:
    """Write rows in PostgreSQL's own text form."""
    with (
        connection.wrap_database_errors,  # COPY goes past Django's cursor, its errors must not
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} FROM STDIN") as copy,
    ):
        while block := "".join(islice(rows, _BLOCK)):
            copy.write(block)
