"""The report: rows of what was measured, with ratios to what was measured beside it."""

import json
from typing import Any, Final

from tests.bench.stage import LOCAL

_PATH: Final = LOCAL / "bench.json"


class Report:
    """The rows measured so far: printed as they come, written to .local/bench.json in the end."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def add(self, name: str, value: float, unit: str, anchor_name: str = "", anchored: float | None = None) -> None:
        """Add a figure, and its ratio to an anchor."""
        ratio = value / anchored if anchored else None
        self.rows.append({"name": name, "value": value, "unit": unit, "anchor": anchor_name, "ratio": ratio})
        told = f"{ratio:8.3f} x {anchor_name}" if ratio is not None else ""
        print(f"{name:<52} {value:>12,.1f} {unit:<12} {told}", flush=True)

    def write(self) -> None:
        """Keep the rows, beside those of other measurements."""
        LOCAL.mkdir(parents=True, exist_ok=True)
        names = {row["name"] for row in self.rows}
        before = json.loads(_PATH.read_text()) if _PATH.exists() else []
        others = [row for row in before if row["name"] not in names]
        _PATH.write_text(json.dumps([*others, *self.rows], indent=2) + "\n")

    def forget(self) -> None:
        """Drop what was written by an earlier run."""
        _PATH.unlink(missing_ok=True)
