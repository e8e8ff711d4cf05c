"""Measures closing: customers a second with one worker and with two, five charges each, and questions to the database.

`python -m tests.bench.closing`; CLOSING_CUSTOMERS (1,000) is how many each worker count closes.
"""

import os
import sys
from typing import Any

import django

from tests.bench import rating, stage

CUSTOMERS = 1000
SAMPLE = 20  # closes whose questions are counted


def rows() -> list[dict[str, Any]]:
    """Measure everything on servers of its own; a ratio is to an anchor that was measured in the same run."""
    with stage.database():
        django.setup()
        from tests.bench import closes  # Django reads its settings now

        customers = int(os.environ.get("CLOSING_CUSTOMERS", CUSTOMERS))
        closes.prepare(customers=2 * customers + SAMPLE)
        asked = closes.questions(periods=SAMPLE)
        one = closes.close(periods=customers, beside=0)
        two = closes.close(periods=customers, beside=1)
        calls = closes.stripe_calls()
        closes.check()
    alone, both = customers / one, customers / two
    return [
        rating.row("customers closed, one worker", alone, "customers/s"),
        rating.row("customers closed, two workers", both, "customers/s", anchor=("one worker", alone)),
        rating.row("questions to the database a close", asked, "questions"),
        rating.row(
            "Stripe calls that one worker's closes ask for",
            calls * alone,
            "calls/s",
            anchor=("Stripe's limit in live mode", 100.0),
        ),
    ]


if __name__ == "__main__":
    sys.exit(rating.report(rows()))
