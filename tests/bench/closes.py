"""Closes: the same cycles rated and stored in bulk, and one transaction each; usage is known beforehand in both.

What is measured is to claim the period, to rate five charges, and to store the invoice and its lines, committed to
disk. One by one it is `invoicing.draft`, as a close of one period writes: an insert for the invoice and one for its
lines; and, beside it, what one writes first: an insert for every row.
"""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial

from django.core.management import call_command
from django.db import connection, transaction
from rich.console import Console
from rich.progress import Progress

from billing import bulk, catalog, invoicing
from billing.bulk import Bill
from billing.models import BillingPeriod, Invoice, InvoiceLine, PlanVersion
from tests.bench import cycles
from tests.bench.cycles import FEBRUARY, JANUARY, Cycle
from tests.bench.offer import OFFER

ROUNDS = 3


@dataclass(slots=True)
class Time:
    """What was measured of one way, over all rounds."""

    seconds: float = 0.0
    invoices: int = 0

    @property
    def mean(self) -> float:
        """Seconds an invoice."""
        return self.seconds / self.invoices

    def take(self, work: Callable[[], object], invoices: int) -> None:
        """Do something, and add what it took."""
        began = time.perf_counter()
        work()
        self.seconds += time.perf_counter() - began
        self.invoices += invoices


@dataclass(frozen=True, slots=True)
class Times:
    """Rating alone; rated and stored in bulk; drafted one by one; with an insert for every row."""

    rated: Time = field(default_factory=Time)
    bulk: Time = field(default_factory=Time)
    drafted: Time = field(default_factory=Time)
    inserted: Time = field(default_factory=Time)


def prepare() -> PlanVersion:
    """Make the tables, on a server that is as durable as in production, and the plan."""
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        for setting in ("fsync", "synchronous_commit", "full_page_writes"):
            cursor.execute(f"SHOW {setting}")
            assert cursor.fetchone() == ("on",), f"{setting} is off: the measurement would mean nothing"
    return catalog.publish(version=catalog.import_plan(document=OFFER, now=JANUARY), now=JANUARY)


def measure(version: PlanVersion, *, subscriptions: int, one_by_one: int) -> Times:
    """Close so many cycles in bulk, and so many others in either way one by one.

    In turns of rounds, so that whatever else the machine does is in all of them.
    """
    times = Times()
    with progress() as bar:
        task = bar.add_task("making subscriptions", total=subscriptions + 2 * one_by_one)
        made: list[Cycle] = []
        for cycle in cycles.make(version, subscriptions + 2 * one_by_one):
            made.append(cycle)
            bar.advance(task)
        in_bulk, alone = made[:subscriptions], made[subscriptions:]
        gc.collect()
        gc.freeze()  # what was made for the measurement is much, and a close has it not
        task = bar.add_task("rating and storing", total=subscriptions)
        pairs = list(zip(alone[::2], alone[1::2], strict=True))
        size = -(-subscriptions // ROUNDS)
        for number in range(ROUNDS):
            some = in_bulk[number * size : (number + 1) * size]
            _round(times, some, pairs[number::ROUNDS])
            bar.advance(task, len(some))
    assert Invoice.objects.filter(created_at=FEBRUARY, status="draft").count() == len(made)
    return times


def progress() -> Progress:
    """Return a bar that goes when it is done."""
    return Progress(console=Console(stderr=True), transient=True)


def _round(times: Times, in_bulk: Sequence[Cycle], alone: Sequence[tuple[Cycle, Cycle]]) -> None:
    some = in_bulk[:: max(1, len(in_bulk) // 1000)]
    times.rated.take(lambda: [cycle.bill() for cycle in some], len(some))
    bills = (cycle.bill() for cycle in in_bulk)
    times.bulk.take(lambda: bulk.draft_all(bills=bills, now=FEBRUARY), len(in_bulk))
    for one, other in alone:
        times.drafted.take(partial(_close, one, _draft), 1)
        times.inserted.take(partial(_close, other, _insert), 1)


@transaction.atomic
def _close(cycle: Cycle, store: Callable[[Bill], object]) -> None:
    """Claim a period, rate it and store it, as a close does before it issues."""
    claimed = BillingPeriod.objects.filter(pk=cycle.question.period.pk, status="open")
    assert claimed.update(status="closed", closed_at=FEBRUARY) == 1
    store(cycle.bill())


def _draft(bill: Bill) -> None:
    invoicing.draft(question=bill.question, assessed=bill.assessed, now=FEBRUARY)


def _insert(bill: Bill) -> None:
    rated, period = bill.assessed.rated, bill.question.period
    invoice = Invoice.objects.create(
        customer=period.subscription.customer,
        period=period,
        version_id=period.subscription.version_id,
        change_id=bill.assessed.change_id,
        currency=rated.currency,
        subtotal=rated.subtotal.amount,
        tax=rated.tax.amount,
        total=rated.total.amount,
        fold=rated.fold,
        created_at=FEBRUARY,
    )
    for position, (line, reference) in enumerate(zip(rated.lines, bill.assessed.references, strict=True), start=1):
        InvoiceLine.objects.create(
            invoice=invoice,
            position=position,
            kind=str(line.kind),
            rate_card_id=reference.rate_card_id,
            terms=reference.terms,
            description=line.description,
            meter=line.meter,
            quantity=line.quantity,
            unit=line.unit,
            amount=line.amount.amount,
            starts_at=line.starts_at,
            ends_at=line.ends_at,
            detail=line.detail(),
        )
