"""Bulk: many assessed cycles become drafts at once, by COPY; what is written is what `invoicing.draft` writes."""

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import islice
from typing import Any, Final

import msgspec
from django.db import connection, transaction

from billing import surroundings
from billing.assessment import Assessment, Question, Reference
from billing.models import BillingPeriod
from billing.models.invoices import InvoiceStatus, Moment
from billing.models.subscriptions import PeriodStatus
from billing.proof import values
from billing.rating.lines import Line, LineKind

# Columns that are not here are empty in a draft, and have their defaults or null.
_INVOICE: Final = (
    *("id", "customer_id", "period_id", "moment", "version_id", "change_id", "status", "currency"),
    *("subtotal", "tax", "carried", "total", "prepaid", "fold", "seller", "buyer", "purchase_order", "created_at"),
    *("digest", "tax_rule"),
)
_LINE: Final = (
    *("invoice_id", "position", "kind", "rate_card_id", "source", "terms", "adjusts_id", "description", "meter"),
    *("quantity", "unit", "amount", "starts_at", "ends_at", "detail"),
)
CHUNK: Final = 2000
_ESCAPES: Final = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})
_NOTHING: Final = Decimal(0)
_NULL: Final = "\\N"
_BLOCK: Final = 500  # rows handed over at once, so that the database works while the next ones are written
_encode: Final = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Bill:
    """An assessed cycle that is to be drafted: what was asked, and what came out."""

    question: Question
    assessed: Assessment


@transaction.atomic
def draft(*, bills: Sequence[Bill], now: datetime) -> int:
    """Claim the periods that are still open and write their drafts, all in one transaction; returns how many.

    A period that another close has claimed is left out: one conditional UPDATE decides, and a period has one invoice a
    moment, by constraint. Nothing of a chunk is written where anything of it fails.
    """
    claimed = _claim([bill.question.period.pk for bill in bills], now)
    chosen = [bill for bill in bills if bill.question.period.pk in claimed]
    numbers = _take_numbers(len(chosen))
    _copy("billing_invoice", _INVOICE, (_invoice(*one, now) for one in zip(numbers, chosen, strict=True)))
    _copy("billing_invoiceline", _LINE, _lines(numbers, chosen))
    return len(chosen)


def draft_all(*, bills: Iterable[Bill], now: datetime) -> int:
    """Draft as many as come, a chunk at a time, each in a transaction of its own; returns how many were written.

    While the database writes one chunk the next is drawn from `bills`, which is where it is rated; more than two are
    never held. A chunk that fails raises, and leaves those before it written: what is still open can be drafted again.
    """
    written, source = 0, iter(bills)
    with ThreadPoolExecutor(max_workers=1) as writer:
        pending = writer.submit(int)
        try:
            while chunk := tuple(islice(source, CHUNK)):
                written += pending.result()
                pending = writer.submit(draft, bills=chunk, now=now)
            return written + pending.result()
        finally:
            writer.submit(_leave)


def _leave() -> None:
    """Close the connection of the thread that this runs in; Django opens one for each."""
    connection.close()


def _claim(periods: Sequence[int], now: datetime) -> set[int]:
    """Close the periods that are open, and return which they were."""
    table = BillingPeriod._meta.db_table
    with connection.cursor() as cursor:
        cursor.execute(
            f"UPDATE {table} SET status = %s, closed_at = %s WHERE id = ANY(%s) AND status = %s RETURNING id",  # noqa: S608 a table of ours
            [PeriodStatus.CLOSED, now, list(periods), PeriodStatus.OPEN],
        )
        return {row[0] for row in cursor.fetchall()}


def _take_numbers(count: int) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT nextval(pg_get_serial_sequence('billing_invoice', 'id')) FROM generate_series(1, %s)", [count]
        )
        return [row[0] for row in cursor.fetchall()]


def _copy(table: str, columns: Iterable[str], rows: Iterable[str]) -> None:
    """Write rows in PostgreSQL's own text form."""
    with (
        connection.wrap_database_errors,  # COPY goes past Django's cursor, its errors must not
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN") as copy,
    ):
        block: list[str] = []
        for row in rows:
            block.append(row)
            if len(block) >= _BLOCK:
                copy.write("".join(block))
                block.clear()
        copy.write("".join(block))


def _invoice(number: int, bill: Bill, now: datetime) -> str:
    question, rated = bill.question, bill.assessed.rated
    # The sums of `rated`, without money of each step: all lines are of one currency.
    tax = sum((line.amount.amount for line in rated.lines if line.kind == LineKind.TAX), _NOTHING)
    total = sum((line.amount.amount for line in rated.lines), _NOTHING)
    carried = max(-total, _NOTHING)
    period = question.period
    return _row(
        number,
        period.subscription.customer_id,
        period.pk,
        Moment(question.moment).value,
        surroundings.version_at_end(question.contract, question.cycle).pk,
        bill.assessed.change_id,
        InvoiceStatus.DRAFT.value,
        rated.currency,
        total - tax,
        tax,
        carried,
        total + carried,
        0,
        rated.fold,
        "",
        "",
        "",
        _instant(now),
        "",
        _encode({"rule": values.write(bill.assessed.tax)}).decode().translate(_ESCAPES),
    )


def _lines(numbers: Sequence[int], bills: Sequence[Bill]) -> Iterator[str]:
    for number, bill in zip(numbers, bills, strict=True):
        pairs = zip(bill.assessed.rated.lines, bill.assessed.references, strict=True)
        for position, (line, reference) in enumerate(pairs, start=1):
            yield _line(number, position, line, reference)


def _line(number: int, position: int, line: Line, reference: Reference) -> str:
    return _row(
        number,
        position,
        line.kind.value,
        reference.rate_card_id,
        line.source.translate(_ESCAPES),
        reference.terms,
        reference.adjusts_id,
        line.description.translate(_ESCAPES),
        line.meter,
        line.quantity,
        line.unit.translate(_ESCAPES),
        line.amount.amount,
        _instant(line.starts_at),
        _instant(line.ends_at),
        _encode(line.detail()).decode().translate(_ESCAPES),
    )


def _row(*values: Any) -> str:  # noqa: ANN401 whatever a column holds
    return "\t".join([_NULL if value is None else str(value) for value in values]) + "\n"


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()
