"""The rehearsal: a draft of a plan back-tested on customers with months behind them."""

import time

from billing import backtest, catalog
from billing.models import PlanVersion
from tests.bench import past
from tests.bench.closes import progress
from tests.bench.offer import OFFER


def measure(version: PlanVersion, *, customers: int, months: int) -> float:
    """Back-test a draft on customers with so many invoiced months each; returns the seconds."""
    with progress() as bar:
        task = bar.add_task("a year of usage", total=customers)
        now = past.make(version, customers=customers, months=months, advance=lambda: bar.advance(task))
        draft = catalog.import_plan(document=OFFER | {"plan": "bench-next"}, now=now)
        task = bar.add_task("back-test", total=customers)
        began = time.perf_counter()
        tested = backtest.backtest(
            version=draft, periods=months, now=now, watch=lambda done, _: bar.update(task, completed=done)
        )
        seconds = time.perf_counter() - began
    assert tested.unpriced == 0, tested.unpriced_first
    assert tested.revenue["EUR"].periods == customers * months
    return seconds
