"""`python -m tests.bench.rating`: rating and storing in bulk against one transaction an invoice, and the back-test.

BENCH_FULL=1 measures what was promised, 100,000 subscriptions and 1,000 customers with a year each; else a part of it,
within a minute. RATING_SUBSCRIPTIONS, RATING_ONE_BY_ONE and BACKTEST_CUSTOMERS set each by itself.
"""

import os

import django

from tests.bench import stage
from tests.bench.report import Report

FULL = os.environ.get("BENCH_FULL") == "1"
SUBSCRIPTIONS = int(os.environ.get("RATING_SUBSCRIPTIONS", "100000" if FULL else "30000"))
ONE_BY_ONE = int(os.environ.get("RATING_ONE_BY_ONE", "2000" if FULL else "600"))
CUSTOMERS = int(os.environ.get("BACKTEST_CUSTOMERS", "1000" if FULL else "100"))
MONTHS = 12


def main() -> None:
    """Measure on servers of its own, and keep the rows."""
    report = Report()
    with stage.database():
        django.setup()
        from tests.bench import closes, rehearsal  # Django reads its settings now

        version = closes.prepare()
        seconds = rehearsal.measure(version, customers=CUSTOMERS, months=MONTHS)
        report.add(f"back-test of {CUSTOMERS:,} customers x {MONTHS} periods", seconds, "s")
        limit = "the 60 s for 12,000" if FULL else "its part of the 60 s for 12,000"
        report.add("periods back-tested", CUSTOMERS * MONTHS / seconds, "periods/s", limit, 12_000 / 60)
        took = closes.measure(version, subscriptions=SUBSCRIPTIONS, one_by_one=ONE_BY_ONE)
    told = f"{SUBSCRIPTIONS:,} x 5 charges rated and stored"
    report.add("charges rated, in memory", 5 / took.rated.mean, "charges/s")
    report.add("one transaction each, as a close drafts", 1 / took.drafted.mean, "invoices/s")
    report.add("one transaction each, a row an insert", 1 / took.inserted.mean, "invoices/s")
    report.add(told, 1 / took.bulk.mean, "invoices/s", "one transaction each, as a close drafts", 1 / took.drafted.mean)
    report.add(told, 1 / took.bulk.mean, "invoices/s", "one transaction each, a row an insert", 1 / took.inserted.mean)
    report.write()


if __name__ == "__main__":
    main()
