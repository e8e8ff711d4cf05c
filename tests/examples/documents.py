"""Reads the examples, and says each in one line of a table."""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
PATHS = sorted(HERE.glob("*.toml"))
README = HERE.parents[1] / "README.md"
BEGIN, END = "<!-- prices: python -m tests.examples -->", "<!-- end of prices -->"


def read(path: Path) -> Mapping[str, Any]:
    return tomllib.loads(path.read_text(encoding="utf-8"))


def lines(example: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [{"kind": "charge"} | line for line in example["lines"]]


def table() -> str:
    """Return the table of the README: what is shown, how it was worked out, what it comes to, and where it is."""
    rows = ["| price or rule | what it does | by hand | invoice |", "| --- | --- | --- | --- |"]
    for path in sorted(PATHS, key=lambda one: str(read(one)["rule"])):
        example = read(path)
        invoice = f"[{_total(example)}](tests/examples/{path.name})"
        rows.append(f"| {example['rule']} | {example['title']} | {_shown(example)} | {invoice} |")
    return "\n".join(rows)


def written(text: str) -> str:
    """Return the README's text with the table in its place."""
    head, _, rest = text.partition(BEGIN)
    _, _, tail = rest.partition(END)
    return f"{head}{BEGIN}\n\n{table()}\n\n{END}{tail}"


def _shown(example: Mapping[str, Any]) -> str:
    """Return how the line that the example is about comes out."""
    chosen = lines(example)[example.get("shows", 1) - 1]
    return str(chosen["by_hand"].strip().splitlines()[-1]).replace("|", "\\|")


def _total(example: Mapping[str, Any]) -> str:
    return f"{Decimal(example['invoice']['total']):,} {example['customer']['currency']}"
