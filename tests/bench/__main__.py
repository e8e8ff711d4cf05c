"""`make bench`: what the service does, as ratios to PostgreSQL's own COPY and to a typical view, all in one run.

BENCH_ROUNDS (5), BENCH_SECONDS (1.5) and BENCH_STORED (1,000,000) say how long it may take; every rate is the median of
the rounds, which are interleaved because the machine's speed drifts. What `tests.bench.rating` and
`tests.bench.closing` measure, they say.
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from typing import Any

from tests.bench import anchor, stage
from tests.bench.report import Report
from tests.bench.stage import Target

ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SECONDS = float(os.environ.get("BENCH_SECONDS", "1.5"))
STORED = int(os.environ.get("BENCH_STORED", "1000000"))
# events a request: connections, and bodies made beforehand for a second of load
SIZES = {1: (64, 24_000), 100: (16, 1_000), 1000: (8, 120)}


def rounds(measures: dict[str, Callable[[], Any]]) -> dict[str, list[Any]]:
    """Run every measure once a round, one after the other."""
    found: dict[str, list[Any]] = {name: [] for name in measures}
    for number in range(ROUNDS):
        for name, measure in measures.items():
            found[name].append(measure())
            sys.stderr.write(f"\rround {number + 1} of {ROUNDS}: {name:<40}")
    sys.stderr.write("\n")
    return found


def sending(target: Target, size: int) -> Callable[[], dict[str, Any]]:
    """Return a measure of requests of one size."""
    connections, bodies = SIZES[size]
    wanted = int(bodies * (SECONDS + 1)) + 2 * connections
    return lambda: stage.load(target, size=size, connections=connections, bodies=wanted, seconds=SECONDS)


def compare(report: Report, mode: str, url: str, ours: Target, typical: Target | None) -> None:
    """Measure every size beside the anchors, and report."""
    made = anchor.buffers()
    measures: dict[str, Callable[[], Any]] = {"copy": lambda: anchor.measure(url, made, seconds=SECONDS)}
    for size in SIZES:
        measures[f"ours {size}"] = sending(ours, size)
        if typical is not None:
            measures[f"typical {size}"] = sending(typical, size)
    found = rounds(measures)
    copied = statistics.median(found["copy"])
    report.add(f"COPY, 2 connections ({mode})", copied, "events/s")
    for size in SIZES:
        rate = _median(found[f"ours {size}"], "rate")
        report.add(f"{size} a request, {mode}", rate, "events/s", "COPY", copied)
        if typical is not None:
            usual = _median(found[f"typical {size}"], "rate")
            report.add(f"{size} a request, {mode}, against a typical view", rate, "events/s", "typical view", usual)
        for share in ("p50", "p99"):
            report.add(f"{size} a request, {mode}, {share}", _median(found[f"ours {size}"], share), "ms")


def _median(found: list[dict[str, Any]], name: str) -> float:
    return float(statistics.median(one[name] for one in found))


def main() -> None:
    """Measure everything on servers of its own."""
    report = Report()
    report.forget()
    with stage.database() as url:
        from tests.bench import inside  # Django reads its settings now

        key = inside.prepare()
        anchor.make_table(url)
        with stage.service() as port:
            ours = Target(port, "/v1/events", {"Authorization": f"Bearer {key}"})
            with stage.typical() as other:
                compare(report, "insert only", url, ours, Target(other, "/events", {}))
            inside.storage(report)
            small = inside.fold_and_read(report)
            with stage.folding():
                compare(report, "fold beside", url, ours, None)
                report.add("fold, batches behind when the load ends", inside.waiting(), "batches")
            inside.store(STORED)
            inside.fold_and_read(report, against=small)
            with stage.folding():
                compare(report, f"fold beside, {STORED:,} more stored", url, ours, None)
    report.write()
    for part in ("rating", "closing"):  # each on a database of its own
        subprocess.run([sys.executable, "-m", f"tests.bench.{part}"], cwd=stage.ROOT, check=True)


if __name__ == "__main__":
    main()
