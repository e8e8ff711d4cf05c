"""Files for spreadsheets: numbers as they are, and no text that a spreadsheet would run as a formula."""

import csv
from collections.abc import Iterable, Sequence
from decimal import Decimal
from io import StringIO
from typing import Final

from django.http import HttpResponse

Cell = str | Decimal | int | None
FORMULA_STARTS: Final = ("=", "+", "-", "@", "\t", "\r", "\n")


def disarm(cell: Cell) -> str:
    """Return a cell as it is written: a text that would run as a formula gets an apostrophe before it.

    A number never does: -20.00 is no formula, and a spreadsheet must be able to add it up.
    """
    if isinstance(cell, Decimal):
        return f"{cell:f}"
    text = "" if cell is None else str(cell)
    return f"'{text}" if isinstance(cell, str) and text.startswith(FORMULA_STARTS) else text


def write_sheet(*, name: str, head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> HttpResponse:
    """Return a CSV file (RFC 4180, UTF-8) that a browser saves as `name`."""
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(head)
    writer.writerows([disarm(cell) for cell in row] for row in rows)
    response = HttpResponse(text.getvalue(), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
