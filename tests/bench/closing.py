"""Measures closing: customers a second with one worker and with two, five charges each, and questions to the database.

`python -m tests.bench.closing`; CLOSING_CUSTOMERS (1,000) is how many each worker count closes.
"""

import os

import django

from tests.bench import stage
from tests.bench.report import Report

CUSTOMERS = int(os.environ.get("CLOSING_CUSTOMERS", "1000"))
SAMPLE = 20  # closes whose questions are counted


def main() -> None:
    """Measure everything on servers of its own; a ratio is to an anchor that was measured in the same run."""
    report = Report()
    with stage.database():
        django.setup()
        from tests.bench import month_end  # Django reads its settings now

        month_end.prepare(customers=2 * CUSTOMERS + SAMPLE)
        asked = month_end.questions(periods=SAMPLE)
        alone = CUSTOMERS / month_end.close(periods=CUSTOMERS, beside=0)
        both = CUSTOMERS / month_end.close(periods=CUSTOMERS, beside=1)
        calls = month_end.stripe_calls()
        month_end.check()
    report.add("customers closed, one worker", alone, "customers/s")
    report.add("customers closed, two workers", both, "customers/s", "one worker", alone)
    report.add("questions to the database a close", asked, "questions")
    limit = "Stripe's limit in live mode"
    report.add("Stripe calls that one worker's closes ask for", calls * alone, "calls/s", limit, 100.0)
    report.write()


if __name__ == "__main__":
    main()
