"""Files for spreadsheets that a customer downloads: exact numbers, and no text that would run as a formula."""

import csv
from collections.abc import Iterable, Sequence
from decimal import Decimal
from io import StringIO

from django.http import HttpResponse

from billing.reports.cells import text_cell

Cell = str | Decimal | int | None


def write_sheet(*, name: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> HttpResponse:
    """Return a CSV file (RFC 4180, UTF-8) that a browser saves as `name`; numbers stay numbers, None is empty."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows([_written(cell) for cell in row] for row in rows)
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _written(cell: Cell) -> str:
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    return text_cell(cell) if isinstance(cell, str) else "" if cell is None else str(cell)
