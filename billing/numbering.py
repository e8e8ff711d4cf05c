"""Numbers of invoices and credit notes: gapless, from a row that is locked while one is taken."""

from typing import Final

from django.db import connection

from billing.models import InvoiceSequence

_COUNT_UP: Final = """
UPDATE billing_invoicesequence SET next_number = next_number + 1 WHERE prefix = %s RETURNING next_number - 1
"""


def take(*, prefix: str) -> str:
    """Return the next number of a series; the UPDATE locks its row until the transaction ends, so that none is lost."""
    number = _count_up(prefix)
    if number is None:
        InvoiceSequence.objects.bulk_create([InvoiceSequence(prefix=prefix)], ignore_conflicts=True)
        number = _count_up(prefix)
    return f"{prefix}-{number:06}"


def _count_up(prefix: str) -> int | None:
    """Return the number that was next; None where the series has no row yet. One statement for both."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNT_UP, [prefix])
        row = cursor.fetchone()
    return None if row is None else int(row[0])
