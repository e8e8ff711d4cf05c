"""Cycles to be rated: subscriptions with a month to close, and customers with a year behind them."""

import gc
import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

from django.core.management import call_command
from django.db import connection, transaction
from django.db.models import CharField, Value
from django.db.models.functions import Cast, Concat
from rich.console import Console
from rich.progress import Progress

from agents.models import Customer
from billing import backtest, bulk, catalog, contracts, invoicing
from billing.assessment import Assessment, Question, Reference
from billing.bulk import Bill
from billing.contracts import Contract
from billing.models import (
    BillingPeriod,
    Invoice,
    InvoiceLine,
    PlanVersion,
    Subscription,
    SubscriptionChange,
    SubscriptionTerm,
)
from billing.periods import Period, full_period
from billing.rating import statement
from billing.rating.terms import Terms
from billing.rating.usage import Part, Usage
from billing.timeline import Stretch
from metering import ingest, usage
from metering.event import UsageEvent
from metering.ingest import BatchEvidence
from runtime.wire import COMPUTE_USED, DECISION_MADE, TASK_STATE_CHANGED, TURN_COMPLETED, canonical, format_time

JANUARY = datetime(2025, 1, 1, tzinfo=UTC)
FEBRUARY = datetime(2025, 2, 1, tzinfo=UTC)
CHUNK = 2000
OFFER: dict[str, Any] = {
    "plan": "bench",
    "name": "Bench",
    "version": 1,
    "currency": "EUR",
    "rate_cards": [
        {"key": "base", "name": "Base fee", "unit": "month", "price": {"kind": "flat", "amount": "49.00"}},
        {
            "key": "turns",
            "name": "Turns",
            "unit": "turn",
            "meter": "turns",
            "allowance": "100",
            "price": {"kind": "unit", "amount": "0.02"},
        },
        {
            "key": "decisions",
            "name": "Decisions",
            "unit": "decision",
            "meter": "decisions",
            "price": {
                "kind": "graduated",
                "tiers": [
                    {"up_to": "100", "unit": "0.05"},
                    {"up_to": "1000", "unit": "0.03"},
                    {"up_to": "inf", "unit": "0.01"},
                ],
            },
        },
        {
            "key": "tasks",
            "name": "Tasks",
            "unit": "task",
            "meter": "tasks",
            "price": {"kind": "package", "size": "10", "amount": "1.50"},
        },
        {
            "key": "compute",
            "name": "Compute time",
            "unit": "second",
            "meter": "compute-seconds",
            "price": {
                "kind": "volume",
                "tiers": [{"up_to": "500", "unit": "0.004"}, {"up_to": "inf", "unit": "0.003"}],
            },
        },
    ],
}


@dataclass(frozen=True)
class Closed:
    """Seconds: of rating alone and of rating and storing everything in bulk; of one invoice by itself, the median.

    By itself means one transaction each: with an insert for every row, or with one insert for all lines, as ours.
    """

    rating_seconds: float
    bulk_seconds: float
    six_inserts_seconds: float
    two_inserts_seconds: float


def prepare() -> None:
    """Make the tables, on a server that is as durable as in production."""
    call_command("migrate", verbosity=0)
    with connection.cursor() as cursor:
        for setting in ("fsync", "synchronous_commit"):
            cursor.execute(f"SHOW {setting}")
            assert cursor.fetchone() == ("on",), f"{setting} is off: the measurement would mean nothing"


def close(*, subscriptions: int, one_by_one: int) -> Closed:
    """Rate and store so many cycles of five charges in bulk, then so many others one transaction each."""
    version = PlanVersion.objects.get(plan__key="bench")
    cycles = make(version, subscriptions + one_by_one)
    gc.collect()
    gc.freeze()  # the rows made for the measurement are many, and a close has them not
    chosen = cycles[:subscriptions]
    began = time.perf_counter()
    for period in chosen[:CHUNK]:
        _bill(version, period)
    rating = (time.perf_counter() - began) / min(CHUNK, subscriptions) * subscriptions
    with _progress() as progress:
        bills = (_bill(version, one) for one in progress.track(chosen, description="rating and storing in bulk"))
        began = time.perf_counter()
        assert bulk.draft_all(bills=bills, now=FEBRUARY) == subscriptions
        bulk_total = time.perf_counter() - began
    alone = cycles[subscriptions:]
    # In turns, so that whatever else the machine does is in both.
    pairs = [(_alone(version, one, _six_inserts), _alone(version, other, _two_inserts)) for one, other in _pairs(alone)]
    six, two = (median(seconds) for seconds in zip(*pairs, strict=True))
    return Closed(rating, bulk_total, six, two)


def rehearse(*, customers: int, months: int) -> float:
    """Back-test a draft on the customers of an empty database, each with so many invoiced months of usage.

    Returns the seconds it took.
    """
    now = _past(customers, months)
    draft = catalog.import_plan(document=OFFER | {"plan": "bench-next"}, now=now)
    with _progress() as progress:
        task = progress.add_task("back-test", total=customers)
        began = time.perf_counter()
        tested = backtest.backtest(
            version=draft, periods=months, now=now, watch=lambda done, _: progress.update(task, completed=done)
        )
        seconds = time.perf_counter() - began
    assert tested.unpriced == 0, tested.unpriced_first
    assert tested.revenue["EUR"].periods == customers * months
    return seconds


def _progress() -> Progress:
    return Progress(console=Console(stderr=True), transient=True)


def _pairs(cycles: Sequence[BillingPeriod]) -> Iterator[tuple[BillingPeriod, BillingPeriod]]:
    return zip(cycles[::2], cycles[1::2], strict=True)


def _alone(version: PlanVersion, period: BillingPeriod, store: Callable[[Bill], object]) -> float:
    """Rate and store one cycle as a close does before it issues: claim the period, rate, write the draft, commit."""
    began = time.perf_counter()
    with transaction.atomic():
        claimed = BillingPeriod.objects.filter(pk=period.pk, status="open")
        assert claimed.update(status="closed", closed_at=FEBRUARY) == 1
        store(_bill(version, period))
    return time.perf_counter() - began


def _two_inserts(bill: Bill) -> None:
    invoicing.draft(question=bill.question, assessed=bill.assessed, now=FEBRUARY)


def _six_inserts(bill: Bill) -> None:
    """Write the invoice and then each line, as one writes it first."""
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
            description=line.description,
            meter=line.meter,
            quantity=line.quantity,
            unit=line.unit,
            amount=line.amount.amount,
            starts_at=line.starts_at,
            ends_at=line.ends_at,
            detail=line.detail(),
        )


def _bill(version: PlanVersion, period: BillingPeriod) -> Bill:
    """Rate one cycle from what its meters read; the quantities differ from one to the next."""
    shelf = contracts.shelf(version.pk)
    cards = tuple(one.card for one in shelf.offer.cards["EUR"])
    contract = Contract(period.subscription, period.change_pk, (Stretch(version.pk, JANUARY),))  # type: ignore[attr-defined]
    number = period.pk
    used = {
        "turns": Decimal(number % 997),
        "decisions": Decimal(number % 1999),
        "tasks": Decimal(number % 53),
        "compute": Decimal(number % 100_003).scaleb(-3),
    }
    month = Period(period.starts_at, period.ends_at)
    read = {card.key: Usage(card.meter, card.unit, (Part(used[card.key]),)) for card in cards if card.meter}
    rated = statement.rate(Terms(cards=cards, usage=read, period=month, full=month, currency="EUR"))
    references = tuple(Reference(rate_card_id=shelf.rows[line.card]) for line in rated.lines)
    return Bill(Question(period, contract, as_of=0), Assessment(rated, references, contract.change_id))


def make(version: PlanVersion, number: int) -> list[BillingPeriod]:
    """Make subscriptions to one plan, each of a customer of its own, with January to be closed."""
    made: list[BillingPeriod] = []
    with _progress() as progress:
        task = progress.add_task("subscriptions", total=number)
        first = Customer.objects.count()
        for start in range(0, number, CHUNK):
            some = range(first + start, first + min(start + CHUNK, number))
            made += _some_cycles(version, some)
            progress.advance(task, len(some))
    return made


def _some_cycles(version: PlanVersion, numbers: Sequence[int]) -> list[BillingPeriod]:
    facts: dict[str, Any] = {"currency": "EUR", "country": "DE", "created_at": JANUARY}
    people = Customer.objects.bulk_create(
        Customer(key=f"c{at}", name=f"Customer {at}", email=f"c{at}@bench.example", **facts) for at in numbers
    )
    basis: dict[str, Any] = {"version": version, "currency": "EUR", "time_zone": "UTC"}
    times = {"starts_at": JANUARY, "anchor_at": JANUARY, "created_at": JANUARY}
    held = Subscription.objects.bulk_create(Subscription(customer=customer, **basis, **times) for customer in people)
    changes = SubscriptionChange.objects.bulk_create(
        SubscriptionChange(subscription=one, number=1, kind="start", at=JANUARY, actor="bench", recorded_at=JANUARY)
        for one in held
    )
    SubscriptionTerm.objects.bulk_create(
        SubscriptionTerm(change=change, version=version, starts_at=JANUARY) for change in changes
    )
    return _periods([(one, change.pk) for one, change in zip(held, changes, strict=True)], Period(JANUARY, FEBRUARY))


def _periods(subscriptions: Sequence[tuple[Subscription, int]], month: Period) -> list[BillingPeriod]:
    bounds = {
        "starts_at": month.starts_at,
        "ends_at": month.ends_at,
        "full_starts_at": month.starts_at,
        "full_ends_at": month.ends_at,
    }
    made = BillingPeriod.objects.bulk_create(BillingPeriod(subscription=one, **bounds) for one, _ in subscriptions)
    for period, (_, change_pk) in zip(made, subscriptions, strict=True):
        period.change_pk = change_pk  # type: ignore[attr-defined]
    return made


def _past(customers: int, months: int) -> datetime:
    """Give customers months behind them: usage through the write door, a fold, and an issued invoice for each month."""
    version = catalog.publish(version=catalog.import_plan(document=OFFER, now=JANUARY), now=JANUARY)
    cycles = _some_cycles(version, range(customers))
    with _progress() as progress:
        task = progress.add_task("a year of usage", total=customers)
        for period in cycles:
            use(period.subscription.customer, months)
            progress.advance(task)
    held = [(period.subscription, period.change_pk) for period in cycles]  # type: ignore[attr-defined]
    end = FEBRUARY
    bulk.draft(bills=[_bill(version, period) for period in cycles], now=end)
    for _ in range(1, months):
        month = full_period(anchor_at=JANUARY, zone="UTC", interval="month", at=end)
        end = month.ends_at
        bulk.draft(bills=[_bill(version, period) for period in _periods(held, month)], now=end)
    number = Concat(Value("B-"), Cast("pk", CharField()))
    Invoice.objects.update(status="paid", number=number, issued_at=end, paid_at=end)
    usage.catch_up(now=end)
    return end + timedelta(days=1)


def use(customer: Customer, months: int) -> None:
    """Send a customer's work of all months as one batch."""
    events = [event for month in range(months) for event in _month(customer, month)]
    recorded = ingest.record(
        customer_id=customer.pk,
        submissions=events,
        received_at=JANUARY + timedelta(days=31 * months),
        evidence=BatchEvidence(digest=hashlib.sha256(customer.key.encode()).digest()),
    )
    assert recorded.counts["accepted"] == len(events), recorded.counts


def _month(customer: Customer, month: int) -> Iterator[UsageEvent]:
    at = JANUARY + timedelta(days=30 * month + 3 + customer.pk % 20)
    mark = f"{customer.key}-{month}"
    work: list[tuple[str, dict[str, Any]]] = [
        *((TURN_COMPLETED, {"turn": f"{mark}-{n}", "outcome": "completed"}) for n in range(3)),
        *((DECISION_MADE, {"turn": mark, "number": n, "outcome": "usable"}) for n in range(4)),
        (TASK_STATE_CHANGED, {"task": mark, "state": "completed"}),
        (COMPUTE_USED, {"slice": mark, "milliseconds": 1500, "hardware_class": "cpu"}),
    ]
    for number, (kind, data) in enumerate(work):
        name = f"{mark}-{number}"
        yield UsageEvent(
            id=name,
            source="urn:bench",
            type=kind,
            subject="agent",
            time=at,
            environment="production",
            data=data,
            sequence=None,
            body=canonical({"id": name, "type": kind, "time": format_time(at), "data": data}),
        )
