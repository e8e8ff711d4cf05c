"""Measures rating: charges a second, drafts stored in bulk against one transaction each, and the back-test.

`python -m tests.bench.rating`; RATING_SUBSCRIPTIONS, RATING_ONE_BY_ONE, BACKTEST_CUSTOMERS make it smaller or larger.
"""

import json
import os
import sys
from typing import Any

import django
from rich.console import Console
from rich.table import Table

from tests.bench import stage

SUBSCRIPTIONS, ONE_BY_ONE, CUSTOMERS, MONTHS = 100_000, 500, 1000, 12


def rows() -> list[dict[str, Any]]:
    """Measure everything on servers of its own; a ratio is to an anchor that was measured in the same run."""
    with stage.database():
        django.setup()
        from tests.bench import cycles  # Django reads its settings now

        cycles.prepare()
        customers = _number("BACKTEST_CUSTOMERS", CUSTOMERS)
        seconds = cycles.rehearse(customers=customers, months=MONTHS)
        subscriptions = _number("RATING_SUBSCRIPTIONS", SUBSCRIPTIONS)
        closed = cycles.close(subscriptions=subscriptions, one_by_one=_number("RATING_ONE_BY_ONE", ONE_BY_ONE))
    return [
        row("charges rated", 5 * subscriptions / closed.rating_seconds, "charges/s"),
        row(
            "invoices of five charges rated and stored in bulk",
            subscriptions / closed.bulk_seconds,
            "invoices/s",
            anchor=("one transaction each, an insert a row", 1 / closed.six_inserts_seconds),
        ),
        row(
            "the same, to one transaction each with one insert for all lines",
            subscriptions / closed.bulk_seconds,
            "invoices/s",
            anchor=("one transaction each, two inserts", 1 / closed.two_inserts_seconds),
        ),
        row("periods back-tested", customers * MONTHS / seconds, "periods/s"),
        row(f"back-test of {customers} customers x {MONTHS} periods", seconds, "s", anchor=("at most", 60.0)),
    ]


def _number(name: str, default: int) -> int:
    return int(os.environ.get(name, default))


def row(name: str, value: float, unit: str, *, anchor: tuple[str, float] | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "anchor": f"{anchor[0]}: {anchor[1]:.2f} {unit}" if anchor else "",
        "ratio": round(value / anchor[1], 2) if anchor else None,
    }


def report(measured: list[dict[str, Any]]) -> int:
    """Print the rows, and add them to those that `python -m tests.bench` has written."""
    table = Table("what", "value", "unit", "anchor", "ratio")
    for one in measured:
        table.add_row(*("" if value is None else str(value) for value in one.values()))
    Console(width=140).print(table)
    path = stage.LOCAL / "bench.json"
    names = {one["name"] for one in measured}
    others = [one for one in json.loads(path.read_text()) if one["name"] not in names] if path.exists() else []
    path.write_text(json.dumps([*others, *measured], indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(report(rows()))
